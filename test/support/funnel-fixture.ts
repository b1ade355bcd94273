/**
 * A whole funnel on a manual clock: one sale with two items, a ledger in memory, and requests that are made by hand.
 */
import { createHash, createHmac } from "node:crypto";
import type { BuyerId, SaleId, SessionId, Sku } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { Catalogue } from "../../src/funnel/2-window/catalogue.ts";
import { createAuthenticator } from "../../src/funnel/3-identity/authenticate.ts";
import { deriveKeys, signingKeyOf } from "../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../src/funnel/3-identity/session-token.ts";
import { createFunnel, type Funnel, type FunnelDependencies } from "../../src/funnel/funnel.ts";
import type { BodyFailure, HotAnswer, HotRequest } from "../../src/funnel/request.ts";
import type { AllowlistEntry, PublishedAllowlist } from "../../src/ports/allowlist-store.ts";
import type { ChangeFeed, ChangeHint } from "../../src/ports/change-feed.ts";
import type { Ban } from "../../src/ports/sale-store.ts";
import type { Decision } from "../../src/ports/telemetry.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import type { SessionClaims } from "./minted-session.ts";
import { evenRandom, RecordingLog } from "./recording-log.ts";

export const SALE_ID = "demo" as SaleId;
const HOUR_MS = 3_600_000;

/** A sale that is open at the manual clock's start, with items "one" (id 1) and "two" (id 2). */
export function saleAt(nowMs: number, changes: Partial<Sale> = {}): Sale {
  const item = (itemId: number, sku: string) => ({
    itemId,
    sku: sku as Sku,
    name: sku,
    price: { amount: 4_900, currency: "EUR" },
    perBuyerMax: 2,
  });
  return {
    id: SALE_ID,
    name: "Demo",
    description: null,
    imageUrl: null,
    phase: "scheduled",
    opensAt: nowMs - 1_000,
    closesAt: nowMs + HOUR_MS,
    closedAt: null,
    holdMs: 600_000,
    perBuyerMax: 2,
    challenge: "none",
    signature: "optional",
    eligibility: {},
    mode: "postgres",
    buckets: 1,
    epoch: 1,
    revision: 1,
    createdAt: nowMs - HOUR_MS,
    items: [item(1, "one"), item(2, "two")],
    ...changes,
  };
}

/** Hints by hand. */
export class ManualFeed implements ChangeFeed {
  readonly #listeners = new Set<(hint: ChangeHint) => void>();

  subscribe(listener: (hint: ChangeHint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(hint: ChangeHint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }
}

/** The store of sales as three arrays. */
export class MemorySaleStore {
  sales: Sale[] = [];
  bans: Ban[] = [];
  /** Lines: a buyer's id, or that and the name of a tier. */
  allowlist: string[] = [];
  #listed: string[] | null = null;
  #listId = 0;
  listCount = 0;
  lookCount = 0;
  #knownBans: readonly Ban[] | null = null;
  #banRevision = 0;
  fail: Error | null = null;
  gate: Promise<void> | null = null;

  async listSales(): Promise<readonly Sale[]> {
    this.listCount += 1;
    return [...this.sales];
  }

  /** What each look at the store begins with. */
  async salesVersion(): Promise<string> {
    this.lookCount += 1;
    const { fail, sales } = this;
    const version = sales.map(({ id, revision, epoch }) => `${id}.${revision}.${epoch}`).join();
    if (this.gate !== null) await this.gate;
    if (fail !== null) throw fail;
    return version;
  }

  async listBans(): Promise<readonly Ban[]> {
    return [...this.bans];
  }

  /** It is a new list whenever the array is another one. */
  async banRevision(): Promise<number> {
    if (this.#knownBans !== this.bans) {
      this.#knownBans = this.bans;
      this.#banRevision += 1;
    }
    return this.#banRevision;
  }

  /** One list in one part; it is a new list whenever the array is another one. */
  async findPublished(): Promise<PublishedAllowlist | null> {
    if (this.#listed !== this.allowlist) {
      this.#listed = this.allowlist;
      this.#listId += 1;
    }
    return { listId: this.#listId, buyers: this.allowlist.length, parts: 1 };
  }

  async readPart({ listId }: { listId: number }): Promise<readonly AllowlistEntry[] | null> {
    if (listId !== this.#listId) return null;
    return this.allowlist.map((line) => {
      const [buyerId = "", tier = null] = line.split(",");
      return { buyerId: buyerId as BuyerId, tier };
    });
  }

  /** Replaces the sale by a newer revision of itself. */
  change(saleId: SaleId, changes: Partial<Sale>): void {
    this.sales = this.sales.map((sale) =>
      sale.id === saleId ? { ...sale, ...changes, revision: sale.revision + 1 } : sale,
    );
  }
}

export interface Buyer {
  readonly buyerId: BuyerId;
  readonly sessionId: SessionId;
  readonly token: string;
  readonly signingKey: string;
}

/** What a test wants to be different from an ordinary attempt. */
export interface AttemptOptions {
  readonly saleId?: string;
  readonly sku?: string;
  readonly key?: string;
  readonly body?: string | Uint8Array | BodyFailure;
  readonly remoteAddress?: string;
  readonly headers?: Record<string, string | null>;
  /** Signs the request; members replace what is signed and sent. */
  readonly sign?: boolean | { nonce?: string; timestamp?: string; signingKey?: string };
}

export class FunnelFixture {
  readonly clock = new ManualClock();
  readonly random = evenRandom();
  readonly ledger = new MemoryLedger();
  readonly store = new MemorySaleStore();
  readonly feed = new ManualFeed();
  readonly log = new RecordingLog();
  readonly keys = deriveKeys("a secret of the tests");
  readonly decisions: Decision[] = [];
  readonly catalogue: Catalogue;
  readonly funnel: Funnel;
  bodiesRead = 0;
  #drawn = 0;

  constructor(options: { sale?: Partial<Sale>; dependencies?: Partial<FunnelDependencies> } = {}) {
    const { clock, random, ledger, feed, log, keys } = this;
    this.store.sales = [saleAt(clock.nowMs(), options.sale)];
    for (const { itemId } of this.store.sales[0]?.items ?? []) ledger.addItem(itemId, 10);
    const stores = { saleStore: this.store, allowlists: this.store };
    this.catalogue = new Catalogue({ ...stores, feed, clock, random: evenRandom(), log });
    this.funnel = createFunnel({
      ledger,
      catalogue: this.catalogue,
      authenticator: createAuthenticator({ keys, clock, random }),
      feed,
      clock,
      random,
      log,
      telemetry: { decided: (_saleId, decision) => this.decisions.push(decision) },
      keys,
      limits: { buyerPerS: 0, buyerPerMin: 0, ipPerS: 0 },
      trustedProxies: [],
      ...options.dependencies,
    });
  }

  /** A warm fixture. */
  static async warm(options: ConstructorParameters<typeof FunnelFixture>[0] = {}): Promise<FunnelFixture> {
    const fixture = new FunnelFixture(options);
    await fixture.funnel.warmUp();
    return fixture;
  }

  buyer(claims: SessionClaims = {}): Buyer {
    this.#drawn += 1;
    const sessionId = `session-${this.#drawn}` as SessionId;
    const buyerId = (claims.buyerId ?? `buyer-${this.#drawn}`) as BuyerId;
    const token = mintSessionToken(this.keys.session, {
      sessionId,
      buyerId,
      expiresAt: claims.expiresAt ?? this.clock.nowMs() + HOUR_MS,
      level: claims.level ?? 0,
      accountCreatedAt: claims.accountCreatedAt ?? null,
      device: claims.device ?? "",
      suspicion: claims.suspicion ?? 0,
    });
    return { buyerId, sessionId, token, signingKey: signingKeyOf(this.keys, sessionId) };
  }

  request(buyer: Buyer | null, options: AttemptOptions = {}): HotRequest {
    this.#drawn += 1;
    const saleId = options.saleId ?? SALE_ID;
    const sku = options.sku ?? "one";
    const pathAndQuery = `/v1/sales/${saleId}/items/${sku}/reservations`;
    const body = options.body ?? '{"quantity":1}';
    const isFailure = body === "too_large" || body === "stalled";
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const headers: Record<string, string | null> = {
      ...(buyer === null ? {} : { authorization: `Bearer ${buyer.token}` }),
      "idempotency-key": options.key ?? `key-${this.#drawn}-of-the-tests`,
      "content-length": String(bytes.length),
      ...(options.sign && buyer !== null ? this.#signature(buyer, pathAndQuery, bytes, options) : {}),
      ...options.headers,
    };
    return {
      method: "POST",
      saleId,
      sku,
      pathAndQuery,
      remoteAddress: options.remoteAddress ?? "203.0.113.7",
      header: (name) => headers[name] ?? null,
      readBody: async () => {
        this.bodiesRead += 1;
        return isFailure ? (body as BodyFailure) : bytes;
      },
    };
  }

  #signature(buyer: Buyer, path: string, bytes: Uint8Array, options: AttemptOptions): Record<string, string> {
    const sign = typeof options.sign === "object" ? options.sign : {};
    const digest = `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
    const nonce = sign.nonce ?? `nonce-of-the-tests-${this.#drawn}`;
    const timestamp = sign.timestamp ?? String(this.clock.nowMs());
    const key = options.key ?? `key-${this.#drawn}-of-the-tests`;
    const text = `v1\nPOST\n${path}\n${timestamp}\n${nonce}\n${key}\n${digest}`;
    const secret = Buffer.from(sign.signingKey ?? buyer.signingKey, "base64url");
    const signature = createHmac("sha256", secret).update(text).digest("base64url");
    return { "x-timestamp": timestamp, "x-nonce": nonce, "x-signature": signature, "content-digest": digest };
  }

  /** Decides an attempt, moving the clock as far as the batcher needs. */
  async attempt(buyer: Buyer | null, options: AttemptOptions = {}): Promise<HotAnswer> {
    return this.decide(this.request(buyer, options));
  }

  async decide(request: HotRequest): Promise<HotAnswer> {
    const answer = this.funnel.decide(request);
    if (!(answer instanceof Promise)) return answer;
    let isDone = false;
    const watched = answer.finally(() => {
      isDone = true;
    });
    for (let step = 0; step < 20_000 && !isDone; step += 1) await this.clock.advance(1);
    return watched;
  }
}

/** The problem document of an answer. */
export function problemOf(answer: HotAnswer): Record<string, unknown> {
  return JSON.parse(answer.body) as Record<string, unknown>;
}
