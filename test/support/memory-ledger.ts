/**
 * A ledger in memory that keeps the port's promises, and can be told to lose answers, to fence and to hang.
 *
 * It decides at the moment of the call and answers later, so a lost answer is one whose decision stands: exactly the
 * unknown outcome that the batcher must cope with.
 */
import { Fault } from "../../src/domain/faults.ts";
import type {
  Attempt,
  AttemptOutcome,
  BatchOutcome,
  HoldersPage,
  Ledger,
  ReserveBatch,
  Stock,
} from "../../src/ports/ledger.ts";

const HOLD_UNTIL = 1_800_000_900_000;

export interface MemoryItem {
  total: number;
  free: number;
  sold: number;
  version: number;
  seq: number;
  epoch: number;
  perBuyerMax: number;
  isPaused: boolean;
}

/** What happens to one call: decided and answered, decided and lost, not even decided, or never answered. */
export type Fate = "answer" | "lose-answer" | "lose-call" | "hang" | "refuse";

export class MemoryLedger implements Ledger {
  readonly items = new Map<number, MemoryItem>();
  readonly batches: ReserveBatch[] = [];
  readonly #accepted = new Map<string, Attempt & { itemId: number }>();
  readonly #holders = new Map<number, string[]>();
  /** Consulted for each call of `reserve`. */
  fateOf: (batch: ReserveBatch) => Fate = () => "answer";
  /** Runs between the decision and the answer. */
  delay: () => Promise<void> = async () => undefined;
  readStockCount = 0;

  addItem(itemId: number, stock: number, item: Partial<MemoryItem> = {}): void {
    const fresh = { total: stock, free: stock, sold: 0, version: 1, seq: 0, epoch: 1, perBuyerMax: 2, isPaused: false };
    this.items.set(itemId, { ...fresh, ...item });
    this.#holders.set(itemId, []);
  }

  item(itemId: number): MemoryItem {
    const item = this.items.get(itemId);
    if (item === undefined) throw new Error(`no item ${itemId}`);
    return item;
  }

  stock(itemId: number): Stock {
    const { total, free, sold, version, seq, epoch } = this.item(itemId);
    return { itemId, total, free, granted: 0, held: total - free - sold, sold, version, seq, epoch };
  }

  /** Units come back, as after an expiry: they count for nobody any more. */
  release(itemId: number, units: number): void {
    const item = this.item(itemId);
    item.free += units;
    item.version += 1;
  }

  /** Rids that were accepted, with what was asked. */
  get accepted(): ReadonlyMap<string, Attempt> {
    return this.#accepted;
  }

  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    this.batches.push(batch);
    const fate = this.fateOf(batch);
    if (fate === "lose-call") {
      await this.delay();
      throw new Fault("LEDGER_UNAVAILABLE", { internal: "the call was lost" });
    }
    if (fate === "refuse") {
      await this.delay();
      throw new Fault("DATABASE_REFUSED", { internal: "a constraint" });
    }
    if (batch.epoch !== this.item(batch.itemId).epoch) {
      await this.delay();
      throw new Fault("LEDGER_FENCED");
    }
    const outcomes = batch.attempts.map((attempt) => this.#decide(batch.itemId, attempt));
    const answer = { outcomes, stock: this.stock(batch.itemId) };
    await this.delay();
    if (fate === "hang") return new Promise(() => undefined);
    if (fate === "lose-answer") throw new Fault("LEDGER_UNAVAILABLE", { internal: "the answer was lost" });
    return answer;
  }

  async findQueued(): Promise<null> {
    return null;
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    this.readStockCount += 1;
    return itemIds.filter((itemId) => this.items.has(itemId)).map((itemId) => this.stock(itemId));
  }

  async readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage> {
    const start = request.cursor === "" ? 0 : Number(request.cursor);
    const buyerIds = (this.#holders.get(request.itemId) ?? []).slice(start, start + request.rowsMax);
    return { buyerIds, cursor: buyerIds.length === 0 ? request.cursor : String(start + buyerIds.length) };
  }

  #decide(itemId: number, attempt: Attempt): AttemptOutcome {
    const item = this.item(itemId);
    const known = this.#accepted.get(attempt.rid);
    if (known !== undefined) {
      if (known.quantity !== attempt.quantity) return { kind: "refused", reason: "key_reused" };
      return { kind: "accepted", status: "held", holdUntil: HOLD_UNTIL, replayed: true };
    }
    if (item.isPaused) return { kind: "refused", reason: "paused" };
    if (this.unitsOf(itemId, attempt.buyerId) + attempt.quantity > item.perBuyerMax) {
      return { kind: "refused", reason: "limit_reached" };
    }
    if (item.free < attempt.quantity) {
      if (item.sold === item.total) return { kind: "refused", reason: "sold_out" };
      return { kind: "refused", reason: "empty", ...(item.free > 0 ? { left: item.free } : {}) };
    }
    item.free -= attempt.quantity;
    item.seq += 1;
    this.#accepted.set(attempt.rid, { ...attempt, itemId });
    this.#holders.get(itemId)?.push(attempt.buyerId);
    return { kind: "accepted", status: "held", holdUntil: HOLD_UNTIL, replayed: false };
  }

  /** Units the buyer was ever given of the item. */
  unitsOf(itemId: number, buyerId: string): number {
    let units = 0;
    for (const attempt of this.#accepted.values()) {
      if (attempt.itemId === itemId && attempt.buyerId === buyerId) units += attempt.quantity;
    }
    return units;
  }
}
