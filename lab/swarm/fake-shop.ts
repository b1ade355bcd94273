/**
 * A tiny shop in memory, so that the crowd and the judge can be tested without the product, and lied to on demand.
 *
 * Follows the HTTP contract as far as the crowd uses it: guest sessions, signed reservations with a limit and idempotent
 * keys, checkout and a payment page. Each lie is a fault that the judge must find; an honest fake must be found correct.
 * For tests only.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { deriveRid, parseBuyerId, parseSaleId } from "../../src/domain/ids.ts";
import type { OrderRow, StockRow } from "./judge.ts";
import { contentDigest, sign } from "./signed-request.ts";

/** What the shop may do wrong. */
export interface Lies {
  /** Does not look at signatures. */
  readonly acceptsForgeries?: boolean;
  /** Forgets every n-th accepted order. */
  readonly losesOrderEvery?: number;
  /** Makes a new order for a key it has seen. */
  readonly ignoresKeys?: boolean;
  /** Sells before the opening. */
  readonly opensEarly?: boolean;
  /** Lets a buyer have any number. */
  readonly ignoresLimit?: boolean;
  /** Has no rate limit. */
  readonly ignoresHaste?: boolean;
  /** Answers every n-th attempt with 503 busy. */
  readonly busyEvery?: number;
  /** Acts on every n-th attempt and lets a gateway answer 502 in its place. */
  readonly gatewayEvery?: number;
  /** Answers every n-th acceptance as queued, and decides when it was asked twice; no lie either. */
  readonly queuesEvery?: number;
  /** Decides against what it queued, and gives the units back. */
  readonly losesQueued?: boolean;
  /** Records every n-th hold as lost after it was answered. */
  readonly losesHeldEvery?: number;
}

interface FakeOrder extends OrderRow {
  status: string;
  readonly key: string;
}

interface Attempt {
  readonly saleId: string;
  readonly sku: string;
  readonly body: string;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly isReplay?: boolean;
  readonly location?: string;
}

const ATTEMPTS_PER_S_MAX = 5;
const TOLERANCE_MS = 30_000;
const HOLD_MS = 60_000;

/** A shop with one sale. */
export class FakeShop {
  readonly orders: FakeOrder[] = [];
  readonly stock = new Map<string, { total: number; free: number }>();
  readonly perBuyerMax: number;
  opensAtMs = 0;
  private readonly server: Server;
  private readonly lies: Lies;
  private readonly sessions = new Map<string, { buyerId: string; key: Buffer }>();
  private readonly nonces = new Map<string, string>();
  private readonly attemptsAtMs = new Map<string, number[]>();
  private readonly readCounts = new Map<string, number>();
  private attemptCount = 0;

  constructor(options: { items?: readonly { sku: string; stock: number }[]; perBuyerMax: number; lies?: Lies }) {
    for (const item of options.items ?? []) this.stock.set(item.sku, { total: item.stock, free: item.stock });
    this.perBuyerMax = options.perBuyerMax;
    this.lies = options.lies ?? {};
    this.server = createServer((request, response) => {
      readBody(request).then(
        (body) => send(response, this.route(request, body)),
        () => response.destroy(),
      );
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.server.listen(0, "127.0.0.1", resolve);
    });
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }

  /** What an honest auditor would answer. */
  audit(): { balanced: boolean; items: StockRow[]; violations: unknown[] } {
    const items = [...this.stock].map(([sku, { total, free }]) => {
      const units = (status: string): number =>
        this.orders.reduce(
          (sum, order) => sum + (order.sku === sku && order.status === status ? order.quantity : 0),
          0,
        );
      return { sku, total, free, granted: 0, held: units("held"), sold: units("paid") };
    });
    return { balanced: true, items, violations: [] };
  }

  private route(request: IncomingMessage, body: string): Reply {
    const url = request.url ?? "";
    if (url === "/v1/time") return { status: 200, body: { now: nowMs() } };
    if (url.startsWith("/v1/admin/sales")) return this.operate(request.method ?? "", url, body);
    if (url === "/v1/sessions") return this.openSession();
    const [, saleId = "", sku = ""] = /^\/v1\/sales\/([^/]+)\/items\/([^/]+)\/reservations$/.exec(url) ?? [];
    if (sku !== "") return this.reserve(request, { saleId, sku, body });
    const [, rid = ""] = /^\/v1\/reservations\/([^/]+)\/checkout$/.exec(url) ?? [];
    if (rid !== "") return { status: 201, body: { checkoutUrl: `http://127.0.0.1/pay/${rid}`, paymentId: "p" } };
    const [, readRid = ""] = /^\/v1\/reservations\/([^/]+)$/.exec(url) ?? [];
    if (readRid !== "") return this.readReservation(readRid);
    const [, paidRid = ""] = /^\/pay\/([^/]+)$/.exec(url) ?? [];
    return this.pressButton(paidRid, new URLSearchParams(body).get("action"));
  }

  /** The operator's side, as far as a run uses it. Orders come two pages at a time so that paging is exercised. */
  private operate(method: string, url: string, body: string): Reply {
    if (method === "POST" && url === "/v1/admin/sales") {
      const sale = JSON.parse(body) as { opensAt: number; items: { sku: string; stock: number }[] };
      this.opensAtMs = sale.opensAt;
      for (const { sku, stock } of sale.items) this.stock.set(sku, { total: stock, free: stock });
      return { status: 201, body: { id: "fake" } };
    }
    if (method === "PATCH") this.opensAtMs = (JSON.parse(body) as { opensAt: number }).opensAt;
    if (url.endsWith("/audit")) return { status: 200, body: this.audit() };
    if (!url.includes("/orders?")) return { status: 200, body: {} };
    const half = Math.ceil(this.orders.length / 2);
    const isFirst = !url.includes("cursor=");
    const orders = isFirst ? this.orders.slice(0, half) : this.orders.slice(half);
    return { status: 200, body: { orders, next: isFirst ? "half" : null } };
  }

  private openSession(): Reply {
    const buyerId = randomBytes(16).toString("base64url");
    const token = `${buyerId}.${createHash("sha256").update(buyerId).digest("base64url")}`;
    const key = randomBytes(32);
    this.sessions.set(token, { buyerId, key });
    return { status: 201, body: { token, signingKey: key.toString("base64url"), buyerId, expiresAt: 0 } };
  }

  private reserve(request: IncomingMessage, attempt: Attempt): Reply {
    this.attemptCount += 1;
    if (this.isTurn(this.lies.busyEvery)) return refuse(503, "shed", "busy", 20);
    const waitMs = this.opensAtMs - nowMs();
    if (waitMs > 0 && this.lies.opensEarly !== true) return refuse(425, "window", "not_open", waitMs);
    const token = String(request.headers.authorization).slice("Bearer ".length);
    const session = this.sessions.get(token);
    if (this.lies.acceptsForgeries !== true) {
      if (session === undefined) return refuse(401, "identity", "session_invalid");
      const reason = this.refuseSignature(request, session.key, attempt.body);
      if (reason !== null) return refuse(401, "identity", reason);
    }
    const buyerId = session?.buyerId ?? token.split(".")[0] ?? "";
    if (this.isHasty(buyerId) && this.lies.ignoresHaste !== true) return refuse(429, "throttle", "throttled", 100);
    return this.decide(request, attempt, buyerId);
  }

  private decide(request: IncomingMessage, attempt: Attempt, buyerId: string): Reply {
    const { sku } = attempt;
    const key = String(request.headers["idempotency-key"]);
    const { quantity } = JSON.parse(attempt.body) as { quantity: number };
    const known = this.orders.find((order) => order.buyerId === buyerId && order.key === key);
    if (known !== undefined && this.lies.ignoresKeys !== true) return held(known, true);
    if (quantity > this.perBuyerMax) return refuse(400, "reserve", "bad_quantity");
    const stock = this.stock.get(sku);
    if (stock === undefined) return refuse(404, "window", "no_such_item");
    const own = this.orders.filter((order) => order.buyerId === buyerId && order.sku === sku);
    const units = own.reduce((sum, order) => sum + order.quantity, quantity);
    if (units > this.perBuyerMax && this.lies.ignoresLimit !== true) return refuse(409, "reserve", "limit_reached");
    if (stock.free < quantity) return refuse(409, "sold-out", "empty", 50);
    stock.free -= quantity;
    const rid = known === undefined ? ridOf(attempt.saleId, buyerId, key) : randomBytes(21).toString("base64url");
    const status = this.isTurn(this.lies.queuesEvery) ? "queued" : "held";
    const order = { rid, buyerId, sku, quantity, key, status, holdUntil: nowMs() + HOLD_MS };
    if (!this.isTurn(this.lies.losesOrderEvery)) this.orders.push(order);
    const reply = this.isTurn(this.lies.gatewayEvery) ? { status: 502, body: "Bad Gateway" } : held(order, false);
    if (this.isTurn(this.lies.losesHeldEvery)) this.lose(order);
    return reply;
  }

  private isTurn(every: number | undefined): boolean {
    return every !== undefined && this.attemptCount % every === 0;
  }

  private lose(order: FakeOrder): void {
    order.status = "lost";
    const stock = this.stock.get(order.sku);
    if (stock !== undefined) stock.free += order.quantity;
  }

  /** What is queued is decided when its buyer asks for the second time. */
  private readReservation(rid: string): Reply {
    const order = this.orders.find((candidate) => candidate.rid === rid);
    if (order === undefined) return refuse(404, "none", "not_found");
    const readCount = (this.readCounts.get(rid) ?? 0) + 1;
    this.readCounts.set(rid, readCount);
    if (order.status === "queued" && readCount > 1) {
      if (this.lies.losesQueued === true) this.lose(order);
      else order.status = "held";
    }
    return { status: 200, body: { rid, status: order.status } };
  }

  private isHasty(buyerId: string): boolean {
    const sinceMs = nowMs() - 1_000;
    const recent = (this.attemptsAtMs.get(buyerId) ?? []).filter((atMs) => atMs > sinceMs);
    this.attemptsAtMs.set(buyerId, [...recent, nowMs()]);
    return recent.length >= ATTEMPTS_PER_S_MAX;
  }

  private refuseSignature(request: IncomingMessage, key: Buffer, body: string): string | null {
    const header = (name: string): string => String(request.headers[name] ?? "");
    const timestampMs = Number(header("x-timestamp"));
    const nonce = header("x-nonce");
    const signature = header("x-signature");
    if (signature === "") return "signature_missing";
    if (Math.abs(timestampMs - nowMs()) > TOLERANCE_MS) return "signature_stale";
    const idempotencyKey = header("idempotency-key");
    const content = { method: "POST" as const, path: request.url ?? "", body, idempotencyKey, timestampMs, nonce };
    if (header("content-digest") !== contentDigest(body) || sign(content, key) !== signature)
      return "signature_invalid";
    const seen = this.nonces.get(`${key.toString("hex")} ${nonce}`) ?? signature;
    this.nonces.set(`${key.toString("hex")} ${nonce}`, signature);
    return seen === signature ? null : "signature_replayed";
  }

  private pressButton(rid: string, button: string | null): Reply {
    const order = this.orders.find((candidate) => candidate.rid === rid);
    if (order === undefined) return refuse(404, "window", "no_such_sale");
    if (button === "pay") order.status = "paid";
    return { status: 303, body: {}, location: button === "pay" ? "/" : `/pay/${rid}` };
  }
}

function held(order: OrderRow, isReplay: boolean): Reply {
  const { rid, sku, quantity, holdUntil, status } = order;
  return {
    status: status === "queued" ? 202 : 201,
    isReplay,
    body: { rid, saleId: "fake", sku, quantity, status, holdUntil, receipt: "r" },
  };
}

function refuse(status: number, stage: string, reason: string, retryAfterMs = 0): Reply {
  return { status, body: { status, stage, reason, retryAfterMs } };
}

function send(response: ServerResponse, reply: Reply): void {
  if (reply.isReplay === true) response.setHeader("Idempotent-Replayed", "true");
  if (reply.location !== undefined) response.setHeader("Location", reply.location);
  response.writeHead(reply.status, { "content-type": "application/json" });
  response.end(JSON.stringify(reply.body));
}

function ridOf(saleId: string, buyerId: string, idempotencyKey: string): string {
  const buyer = parseBuyerId(buyerId);
  const sale = parseSaleId(saleId);
  if (buyer === null || sale === null) throw new Error("not an id");
  return deriveRid({ buyerId: buyer, saleId: sale, idempotencyKey });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function nowMs(): number {
  return Math.round(performance.timeOrigin + performance.now());
}
