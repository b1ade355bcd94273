/**
 * The buyer app on fakes of its ports, for tests that need no server: `app.fetch` in, Response out.
 *
 * Sessions, signatures and schemas are the real ones; stores are arrays, the clock stands still until it is moved. Tests
 * of the whole node, with real stores and sockets, are in test/integration.
 */
import { createHash, createHmac } from "node:crypto";
import { Fault } from "../../src/domain/faults.ts";
import type { BuyerId, Rid, SaleId, Sku } from "../../src/domain/ids.ts";
import type { Refusal } from "../../src/domain/refusals.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { createAuthenticator } from "../../src/funnel/3-identity/authenticate.ts";
import { deriveKeys, signingKeyOf } from "../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../src/funnel/3-identity/session-token.ts";
import { createBuyerApp } from "../../src/http/buyer/app.ts";
import type { BuyerAppDependencies } from "../../src/http/buyer/dependencies.ts";
import { createCrossOriginPolicy } from "../../src/http/cross-origin.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { QueuedReservation, Stock } from "../../src/ports/ledger.ts";
import type { Order } from "../../src/ports/order-store.ts";
import { createTestGate } from "./challenges.ts";

export const NOW_MS = 1_800_000_000_000;
export const ORIGIN = "http://shop.test";
const SECRET = "a secret of at least thirty-two bytes";

/** A clock that stands still. `advance` moves it and fires what is due. */
export class StillClock implements Clock {
  #nowMs = NOW_MS;
  #timers: { atMs: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - NOW_MS;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs);
    for (const timer of due) timer.callback();
  }

  get waiting(): number {
    return this.#timers.length;
  }
}

/** A sale of two items that opened a second ago. */
export function makeSale(changes: Partial<Sale> = {}): Sale {
  return {
    id: "spring-drop" as SaleId,
    name: "Spring drop",
    description: null,
    imageUrl: null,
    phase: "scheduled",
    opensAt: NOW_MS - 1_000,
    closesAt: NOW_MS + 3_600_000,
    closedAt: null,
    holdMs: 120_000,
    perBuyerMax: 2,
    challenge: "none",
    signature: "required",
    eligibility: { blocklist: ["somebody-else"] },
    mode: "postgres",
    buckets: 1,
    epoch: 7,
    revision: 1,
    createdAt: NOW_MS - 86_400_000,
    items: [makeItem(41, "shoe"), makeItem(42, "hat")],
    ...changes,
  };
}

function makeItem(itemId: number, sku: string): Sale["items"][number] {
  return { itemId, sku: sku as Sku, name: `The ${sku}`, price: { amount: 4_900, currency: "EUR" }, perBuyerMax: 2 };
}

/** Stock of an item of 100 of which `free` are left and `sold` are sold; the rest is held. */
export function makeStock(itemId: number, parts: { free: number; sold?: number }): Stock {
  const sold = parts.sold ?? 0;
  const held = 100 - parts.free - sold;
  return { itemId, total: 100, free: parts.free, granted: 0, held, sold, version: 1, seq: 1, epoch: 7 };
}

/** A held order of the buyer. */
export function makeOrder(changes: Partial<Order> = {}): Order {
  return {
    rid: "rid-of-alice",
    saleId: "spring-drop",
    sku: "shoe",
    quantity: 1,
    status: "held",
    holdUntil: NOW_MS + 120_000,
    amount: { amount: 4_900, currency: "EUR" },
    createdAt: NOW_MS,
    updatedAt: NOW_MS,
    buyerId: "alice",
    itemId: 41,
    itemName: "The shoe",
    paymentId: null,
    ...changes,
  };
}

/** One line of the log. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** What a test may look at and change. */
export interface BuyerWorld {
  readonly clock: StillClock;
  readonly lines: LogLine[];
  sales: Sale[];
  stock: Stock[];
  orders: Order[];
  queued: QueuedReservation[];
  /** How often the ledger was asked for stock. */
  stockReads: number;
  /** Set to make every store fail with it. */
  failure: unknown;
  sessionRefusal: Refusal | null;
  readRefusal: Refusal | null;
  readiness: "draining" | "busy" | null;
  /** Notifications that reached the settlement. */
  readonly notifications: {
    readonly provider: string;
    readonly body: string;
    readonly signature: string | undefined;
  }[];
  /** Return addresses that checkouts were made with. */
  readonly returnUrls: string[];
  /** Streams that were opened. */
  readonly streams: { readonly buyerId: string; readonly address: string; readonly lastEventId: string | null }[];
}

export interface BuyerAppUnderTest {
  readonly world: BuyerWorld;
  readonly dependencies: BuyerAppDependencies;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Headers of a session of the buyer; see {@link signedHeaders} for a signature. */
  authorization(buyerId?: string): Record<string, string>;
  signedHeaders(request: {
    method: string;
    path: string;
    body?: string;
    nonce: string;
    buyerId?: string;
  }): Record<string, string>;
}

function makeWorld(): BuyerWorld {
  return {
    clock: new StillClock(),
    lines: [],
    sales: [makeSale()],
    stock: [makeStock(41, { free: 100 }), makeStock(42, { free: 3 })],
    orders: [makeOrder(), makeOrder({ rid: "rid-of-bob", buyerId: "bob" })],
    queued: [],
    stockReads: 0,
    failure: null,
    sessionRefusal: null,
    readRefusal: null,
    readiness: null,
    notifications: [],
    returnUrls: [],
    streams: [],
  };
}

function makeLog(lines: LogLine[]): BuyerAppDependencies["log"] {
  const write = (level: LogLine["level"]) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    lines.push({ level, fields, message });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

function makeStores(world: BuyerWorld): Pick<BuyerAppDependencies, "ledger" | "orders" | "checkout" | "settlement"> {
  const answer = async <Value>(value: () => Value): Promise<Value> => {
    if (world.failure !== null) throw world.failure;
    return value();
  };
  const own = (rid: Rid, buyerId: string) => world.orders.find((each) => each.rid === rid && each.buyerId === buyerId);
  return {
    ledger: {
      readStock: (itemIds) => {
        world.stockReads += 1;
        return answer(() => world.stock.filter((row) => itemIds.includes(row.itemId)));
      },
      findQueued: ({ rid, buyerId }) =>
        answer(() => world.queued.find((each) => each.rid === rid && each.buyerId === buyerId) ?? null),
    },
    orders: {
      findOrder: (rid) => answer(() => world.orders.find((order) => order.rid === rid) ?? null),
      listOrdersOfBuyer: ({ buyerId, saleId, rowsMax }) =>
        answer(() =>
          world.orders
            .filter((order) => order.buyerId === buyerId && (saleId === null || order.saleId === saleId))
            .slice(0, rowsMax),
        ),
      cancelHold: ({ rid, buyerId }) =>
        answer(() => {
          const order = own(rid, buyerId);
          if (order?.status !== "held") return order ?? null;
          const cancelled: Order = { ...order, status: "cancelled" };
          world.orders = world.orders.map((each) => (each === order ? cancelled : each));
          return cancelled;
        }),
    },
    checkout: {
      checkout: (order, returnUrl) =>
        answer(() => {
          world.returnUrls.push(returnUrl);
          if (order.status !== "held") return { kind: "refused", refusal: { reason: "ended" } } as const;
          return { kind: "created", paymentId: "pay_1", checkoutUrl: `${ORIGIN}/pay/1` } as const;
        }),
    },
    settlement: {
      notified: (provider, body, headers) =>
        answer(() => {
          if (provider !== "sandbox") return { kind: "no_such_provider" } as const;
          if (headers["webhook-signature"] !== "good") throw new Fault("NOTIFICATION_FORGED");
          world.notifications.push({ provider, body, signature: headers["webhook-signature"] });
          return { kind: "taken", settlement: "paid" } as const;
        }),
    },
  };
}

/** Builds the app; `changes` replace dependencies or settings. */
export function makeBuyerApp(
  changes: Partial<Omit<BuyerAppDependencies, "settings">> & {
    settings?: Partial<BuyerAppDependencies["settings"]>;
  } = {},
): BuyerAppUnderTest {
  const world = makeWorld();
  const keys = deriveKeys(SECRET);
  let ids = 0;
  const random = {
    id: () => createHash("sha256").update(String(++ids)).digest("base64url").slice(0, 22),
    fraction: () => 0.5,
  };
  const { settings, ...replaced } = changes;
  const dependencies: BuyerAppDependencies = {
    clock: world.clock,
    random,
    log: makeLog(world.lines),
    keys,
    authenticator: createAuthenticator({ keys, clock: world.clock, random }),
    catalogue: {
      findSale: (saleId) => world.sales.find((sale) => sale.id === saleId) ?? null,
      listSales: () => world.sales,
    },
    ...makeStores(world),
    events: {
      open: (request) => {
        world.streams.push(request);
        return { kind: "opened", stream: new Response("retry: 1000\n\n").body as ReadableStream<Uint8Array> };
      },
    },
    challenges: createTestGate({ keys, clock: world.clock, random }),
    passes: {
      issue: async ({ saleId, sku, quantity, idempotencyKey }) => ({
        pass: `${saleId}.${sku}.${quantity}.${idempotencyKey}`,
        expiresAt: NOW_MS + 600_000,
        opensAt: NOW_MS,
      }),
    },
    clientAddress: ({ remoteAddress }) => remoteAddress,
    sessionThrottle: { admit: () => world.sessionRefusal },
    readThrottle: { admit: () => world.readRefusal },
    readiness: () => world.readiness,
    pages: {
      page: (name) =>
        new Response(`<!doctype html><title>${name}</title>`, { headers: { "content-type": "text/html" } }),
      asset: (name) => new Response(name),
    },
    crossOrigin: createCrossOriginPolicy({ allowedOrigins: [], ownOrigin: () => ORIGIN }),
    shopLogin: null,
    risk: { beginSession: () => ({ device: "", suspicion: 0 }), refused: () => undefined },
    settings: {
      guestsAllowed: true,
      sessionTtlMs: 3_600_000,
      publicUrl: () => ORIGIN,
      unit: null,
      version: "0.0.0-test",
      ...settings,
    },
    ...replaced,
  };
  const app = createBuyerApp(dependencies);
  const sessionOf = (buyerId: string) => `session-of-${buyerId}`;
  const authorization = (buyerId = "alice") => ({
    authorization: `Bearer ${mintSessionToken(keys.session, {
      sessionId: sessionOf(buyerId) as never,
      buyerId: buyerId as BuyerId,
      expiresAt: NOW_MS + 3_600_000,
      level: 0,
      accountCreatedAt: null,
      device: "",
      suspicion: 0,
    })}`,
  });

  return {
    world,
    dependencies,
    async fetch(path, init = {}) {
      return await app.fetch(new Request(`${ORIGIN}${path}`, init), { remoteAddress: "192.0.2.7" });
    },
    authorization,
    signedHeaders({ method, path, body, nonce, buyerId = "alice" }) {
      const digest = body === undefined ? "" : `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
      const timestamp = String(world.clock.nowMs());
      const signingKey = Buffer.from(signingKeyOf(keys, sessionOf(buyerId) as never), "base64url");
      const canonical = ["v1", method, path, timestamp, nonce, "", digest].join("\n");
      return {
        ...authorization(buyerId),
        "x-timestamp": timestamp,
        "x-nonce": nonce,
        "x-signature": createHmac("sha256", signingKey).update(canonical).digest("base64url"),
        ...(digest === "" ? {} : { "content-digest": digest }),
      };
    },
  };
}
