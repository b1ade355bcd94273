/**
 * The postgres ledger restated: deciding a batch in one transaction, in the order of docs/spec/ledger.md.
 *
 * A rid that is recorded as lost counts as unknown: if it is accepted now, its row is revived.
 */
import { Fault } from "../../../src/domain/faults.ts";
import type {
  Attempt,
  AttemptOutcome,
  BatchOutcome,
  HoldersPage,
  Ledger,
  LedgerRefusal,
  ReserveBatch,
  Stock,
} from "../../../src/ports/ledger.ts";
import type { OrderRow, SaleRow, Tables } from "./books-tables.ts";

/** See the head of this file. */
export class ReserveModel implements Ledger {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const row = this.#tables.data.sales.get(batch.saleId);
    if (row === undefined || row.sale.epoch !== batch.epoch || row.sale.mode !== "postgres") {
      throw new Fault("LEDGER_FENCED", { internal: `sale ${batch.saleId}, epoch ${batch.epoch}` });
    }
    const decided = batch.attempts.map((attempt) => this.#decide(row, batch.itemId, attempt));
    const stock = this.#stock(batch.itemId);
    const isShort = (outcome: AttemptOutcome) => outcome.kind === "refused" && outcome.reason === "empty";
    const outcomes = decided.map((outcome) => {
      return stock.free > 0 && isShort(outcome) ? { ...outcome, left: stock.free } : outcome;
    });
    return { outcomes, stock };
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    return itemIds.filter((itemId) => this.#tables.data.stock.has(itemId)).map((itemId) => this.#stock(itemId));
  }

  async readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage> {
    const after = request.cursor === "" ? [0, 0, 0] : request.cursor.split(".").map(Number);
    const rows = [...this.#tables.data.orders.values()]
      .filter((row) => row.itemId === request.itemId && comparePositions(positionOf(row), after) > 0)
      .sort((left, right) => comparePositions(positionOf(left), positionOf(right)))
      .slice(0, request.rowsMax);
    const last = rows.at(-1);
    const cursor = last === undefined ? request.cursor : positionOf(last).join(".");
    return { buyerIds: rows.map((row) => row.buyerId), cursor };
  }

  findQueued(): Promise<null> {
    return Promise.resolve(null);
  }

  #decide({ sale }: SaleRow, itemId: number, attempt: Attempt): AttemptOutcome {
    const tables = this.#tables;
    const { rid, buyerId, quantity } = attempt;
    const known = tables.data.orders.get(rid);
    if (known !== undefined && !(known.status === "lost" && isSame(known, itemId, attempt))) {
      return repeated(known, itemId, attempt);
    }
    const nowMs = tables.nowMs();
    const perBuyerMax = tables.perBuyerMax(itemId);
    if (quantity < 1 || quantity > perBuyerMax) return refusal("bad_quantity");
    if (sale.phase === "closed" || nowMs >= sale.closesAt) return refusal("closed");
    if (sale.phase === "paused") return refusal("paused");
    if (nowMs < sale.opensAt) return refusal("not_open");
    if (tables.heldUnits(itemId, buyerId) + quantity > perBuyerMax) return refusal("limit_reached");
    const stock = tables.stockRow(itemId);
    if (quantity > stock.free) return refusal(stock.sold === stock.total ? "sold_out" : "empty");
    tables.shift(itemId, { free: -quantity, held: quantity });
    tables.addHold(itemId, buyerId, quantity);
    const seq = stock.seq + 1;
    tables.countNumbers(itemId, 1);
    const holdUntil = nowMs + sale.holdMs;
    tables.putOrder({
      ...{ rid, itemId, saleId: sale.id, buyerId, quantity, epoch: sale.epoch, bucket: 0, seq, holdUntil },
      ...{ status: "held", reason: null, paymentId: null, lookAt: 0, createdAt: nowMs, updatedAt: nowMs },
    });
    return { kind: "accepted", status: "held", holdUntil, replayed: false };
  }

  #stock(itemId: number): Stock {
    const { saleId, ...stock } = this.#tables.stockRow(itemId);
    return { ...stock, epoch: this.#tables.saleRow(saleId).sale.epoch };
  }
}

function isSame(row: OrderRow, itemId: number, attempt: Attempt): boolean {
  return row.itemId === itemId && row.buyerId === attempt.buyerId && row.quantity === attempt.quantity;
}

function repeated(row: OrderRow, itemId: number, attempt: Attempt): AttemptOutcome {
  if (!isSame(row, itemId, attempt)) return refusal("key_reused");
  const { status, holdUntil } = row;
  if (status !== "held" && status !== "expiring" && status !== "paid") return refusal("ended");
  return { kind: "accepted", status, holdUntil, replayed: true };
}

function refusal(reason: LedgerRefusal): AttemptOutcome {
  return { kind: "refused", reason };
}

function positionOf({ epoch, bucket, seq }: OrderRow): readonly number[] {
  return [epoch, bucket, seq];
}

function comparePositions(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
