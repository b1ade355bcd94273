/**
 * What the laboratory asks an operator's node and, past everything, the database: sales, modes, audits, the final orders.
 *
 * The database is asked directly because sequence numbers never leave the product; the audit is asked over HTTP because
 * the audit is what is being trusted.
 */
import { waitUntil } from "../../test/support/waiting.ts";
import type { AuditCut, FinalOrder } from "./history.ts";
import type { ChaosStack } from "./stack.ts";

const CALL_WITHIN_MS = 10_000;
const KNOWN_WITHIN_MS = 20_000;
const SALE_LASTS_MS = 3_600_000;

export interface LabSale {
  readonly saleId: string;
  readonly sku: string;
  readonly total: number;
  readonly perBuyerMax: number;
  readonly buckets: number;
}

/** How a sale's ledger stands. */
export interface LedgerStanding {
  readonly mode: string;
  readonly epoch: number;
  /** Returns to redis mode so far. */
  readonly flips: number;
}

/** The item's figures in the database. */
export interface StockFigures {
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  /** Units of holds that end within the next minute. */
  readonly heldBriefly: number;
}

/** See the file comment. */
export class OperatorDesk {
  readonly #stack: ChaosStack;

  constructor(stack: ChaosStack) {
    this.#stack = stack;
  }

  /** A sale that is open; resolves when every node shows it to buyers, in redis mode where there is a Redis. */
  async openSale(options: { total: number; holdMs: number; perBuyerMax: number; buckets: number }): Promise<LabSale> {
    const { total, holdMs, perBuyerMax, buckets } = options;
    const nowMs = this.#stack.clock.nowMs();
    const sku = "seat";
    const sale = (await this.#call("POST", "/sales", {
      name: "Chaos",
      opensAt: nowMs - 1_000,
      closesAt: nowMs + SALE_LASTS_MS,
      holdMs,
      perBuyerMax,
      items: [{ sku, name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: total }],
      ...(buckets === 1 ? {} : { buckets }),
    })) as { id: string };
    await this.untilKnown(sale.id);
    return { saleId: sale.id, sku, total, perBuyerMax, buckets };
  }

  /** Resolves when buyers see the sale at every node, and its ledger is where it is meant to be. */
  async untilKnown(saleId: string): Promise<void> {
    const ports = this.#stack.apiNodes.map((node) => node.shop.buyerPort);
    await waitUntil(
      `sale ${saleId} at every node`,
      async () => {
        const urls = ports.map((port) => `http://127.0.0.1:${port}/v1/sales/${saleId}`);
        const answers = await Promise.all(
          urls.map((url) => fetch(url, { signal: AbortSignal.timeout(CALL_WITHIN_MS) })),
        );
        return answers.every((answer) => answer.status === 200);
      },
      { withinMs: KNOWN_WITHIN_MS, everyMs: 30 },
    );
    if (this.#stack.shape.topology !== "none") await this.untilMode(saleId, "redis");
  }

  async untilMode(saleId: string, mode: string): Promise<LedgerStanding> {
    return await waitUntil(
      `sale ${saleId} in ${mode} mode`,
      async () => {
        const standing = await this.standing(saleId);
        return standing.mode === mode ? standing : null;
      },
      { withinMs: KNOWN_WITHIN_MS, everyMs: 30 },
    );
  }

  /** From the database itself. */
  async standing(saleId: string): Promise<LedgerStanding> {
    const [row] = await this.#stack.query<{ mode: string; epoch: string; flips: number }>(
      "select mode, epoch from sale where id = $1",
      [saleId],
    );
    if (row === undefined) throw new Error(`there is no sale ${saleId}`);
    return { mode: row.mode, epoch: Number(row.epoch), flips: row.flips };
  }

  async setHold(saleId: string, holdMs: number): Promise<void> {
    await this.#call("PATCH", `/sales/${saleId}`, { holdMs });
  }

  async close(saleId: string): Promise<void> {
    await this.#call("POST", `/sales/${saleId}/close`, undefined);
  }

  async audit(saleId: string): Promise<Omit<AuditCut, "atNs">> {
    const report = (await this.#call("GET", `/sales/${saleId}/audit`, undefined)) as AuditCut;
    return { balanced: report.balanced, violations: report.violations, items: report.items };
  }

  async stock(saleId: string): Promise<StockFigures> {
    const [row] = await this.#stack.query<Record<keyof StockFigures, string>>(
      `select k.total, k.free, k.granted, k.held, k.sold,
              (select coalesce(sum(o.quantity), 0) from orders o
                where o.sale_id = $1 and (o.status = 'expiring' or (o.status = 'held' and o.hold_until < now_ms() + 60000))
              ) as "heldBriefly"
         from stock k join item i using (item_id) where i.sale_id = $1`,
      [saleId],
    );
    if (row === undefined) throw new Error(`there is no sale ${saleId}`);
    const { total, free, granted, held, sold, heldBriefly } = row;
    return {
      total: Number(total),
      free: Number(free),
      granted: Number(granted),
      held: Number(held),
      sold: Number(sold),
      heldBriefly: Number(heldBriefly),
    };
  }

  /** Reservations whose money, or the notification of it, is still on its way. */
  async paymentsUnderWay(saleId: string): Promise<string[]> {
    const rows = await this.#stack.query<{ rid: string }>(
      `select p.rid from sandbox.payment p join orders o using (rid)
        where o.sale_id = $1 and (p.captures_at is not null
           or exists (select from sandbox.notification n where n.payment_id = p.payment_id and n.copies_left > 0))`,
      [saleId],
    );
    return rows.map((row) => row.rid);
  }

  async orders(saleId: string): Promise<FinalOrder[]> {
    const rows = await this.#stack.query<Record<keyof FinalOrder, string | null>>(
      `select rid, buyer_id as "buyerId", quantity, epoch, bucket, seq, status, hold_until as "holdUntil", reason,
              created_at as "createdAt", updated_at as "updatedAt"
         from orders where sale_id = $1`,
      [saleId],
    );
    return rows.map((row) => ({
      rid: String(row.rid),
      buyerId: String(row.buyerId),
      quantity: Number(row.quantity),
      epoch: Number(row.epoch),
      bucket: Number(row.bucket),
      seq: Number(row.seq),
      status: String(row.status),
      holdUntil: Number(row.holdUntil),
      reason: row.reason,
      createdAt: Number(row.createdAt),
      updatedAt: Number(row.updatedAt),
    }));
  }

  async #call(method: string, path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.#stack.adminAddress}/v1/admin${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#stack.adminToken}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
    return text === "" ? null : JSON.parse(text);
  }
}
