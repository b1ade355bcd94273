/**
 * The tables of Postgres as plain data, with the CHECKs that hold whatever the code above them does.
 *
 * The one thing to know: rows are never changed in place, so that a copy of the tables is a copy of maps, and a step that
 * would violate a CHECK throws DATABASE_REFUSED, naming the constraint where the driver names it, before it changed
 * anything. What the transactions do is in books-model.ts, orders-model.ts and reserve-model.ts.
 */
import { Fault } from "../../../src/domain/faults.ts";
import type { ReservationStatus } from "../../../src/domain/reservation.ts";
import type { Sale } from "../../../src/domain/sale.ts";
import type { NodeReport, PendingNote } from "../../../src/ports/books.ts";
import type { BucketEpoch, BucketNote } from "../../../src/ports/bucket-store.ts";

export interface SaleRow {
  readonly sale: Sale;
  readonly modeSinceMs: number;
  readonly modeReason: string;
  /** How often it came to redis mode; the first time is no flip. */
  readonly entries: number;
}

export interface StockRow {
  readonly itemId: number;
  readonly saleId: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  readonly version: number;
  readonly seq: number;
}

export interface OrderRow {
  readonly rid: string;
  readonly itemId: number;
  readonly saleId: string;
  readonly buyerId: string;
  readonly quantity: number;
  readonly epoch: number;
  readonly bucket: number;
  readonly seq: number;
  readonly status: ReservationStatus;
  readonly holdUntil: number;
  readonly reason: string | null;
  readonly paymentId: string | null;
  readonly lookAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface HoldRow {
  readonly itemId: number;
  readonly buyerId: string;
  readonly quantity: number;
  readonly perBuyerMax: number;
}

export interface GrantRow extends BucketEpoch {
  readonly grantId: string;
  readonly saleId: string;
  /** Negative for a recall: what is asked back. */
  readonly units: number;
  /** What counts: a grant from the start, a recall when its bucket has answered. */
  readonly moved: number;
  readonly state: "new" | "settled" | "void";
}

export interface TablesData {
  readonly sales: Map<string, SaleRow>;
  readonly stock: Map<number, StockRow>;
  readonly orders: Map<string, OrderRow>;
  /** Item, epoch, bucket and number of an order to its rid: the UNIQUE of U1. */
  readonly seqs: Map<string, string>;
  readonly holds: Map<string, HoldRow>;
  readonly grants: Map<string, GrantRow>;
  readonly notes: Map<number, PendingNote & { readonly saleId: string }>;
  readonly notifications: Set<string>;
  readonly deadLetters: { readonly seq: number | null; readonly text: string; readonly error: string }[];
  readonly nodes: Map<string, Omit<NodeReport, "ageMs"> & { readonly atMs: number }>;
  lastNoteId: number;
  lastLostNumber: number;
}

/** What a mutant takes away. Everything is true in the real schema. */
export interface BooksRules {
  /** `nonneg` and `conserve` on stock. */
  readonly checksStock: boolean;
  /** A commit of another epoch changes nothing. */
  readonly checksEpoch: boolean;
  /** A rid that is known moves no unit again. */
  readonly commitsOnce: boolean;
  /** The fence brings granted units back to free. */
  readonly fenceBringsHome: boolean;
  /** The fence ends transfers that are under way. */
  readonly fenceVoidsGrants: boolean;
  /** The fence looks from which mode it leads. */
  readonly fenceChecksMode: boolean;
}

export const REAL_BOOKS_RULES: BooksRules = {
  checksStock: true,
  checksEpoch: true,
  commitsOnce: true,
  fenceBringsHome: true,
  fenceVoidsGrants: true,
  fenceChecksMode: true,
};

export type StockMove = Partial<Record<"total" | "free" | "granted" | "held" | "sold", number>>;

/** See the head of this file. Every method is a part of one transaction. */
export class Tables {
  readonly nowMs: () => number;
  readonly rules: BooksRules;
  /** Called with what is announced to the nodes: "catalogue", "events" or "stock:<item>". */
  onAnnounce: (topic: string) => void = () => undefined;
  /** Constraints that refused something, in order. */
  readonly refusals: string[] = [];
  data: TablesData = emptyTables();

  constructor(nowMs: () => number, rules: Partial<BooksRules>) {
    this.nowMs = nowMs;
    this.rules = { ...REAL_BOOKS_RULES, ...rules };
  }

  saleRow(saleId: string): SaleRow {
    const row = this.data.sales.get(saleId);
    if (row === undefined) throw refused({ constraint: "sale_pkey", message: `no sale ${saleId}` });
    return row;
  }

  stockRow(itemId: number): StockRow {
    const row = this.data.stock.get(itemId);
    if (row === undefined) throw refused({ constraint: "stock_pkey", message: `no item ${itemId}` });
    return row;
  }

  perBuyerMax(itemId: number): number {
    const { sale } = this.saleRow(this.stockRow(itemId).saleId);
    return sale.items.find((item) => item.itemId === itemId)?.perBuyerMax ?? 0;
  }

  /** Throws unless the move is allowed; changes nothing. */
  checkStock(itemId: number, move: StockMove): void {
    if (!this.rules.checksStock) return;
    const { total, free, granted, held, sold } = moved(this.stockRow(itemId), move);
    if (free < 0 || granted < 0 || held < 0 || sold < 0) throw this.#violated("nonneg");
    if (free + granted + held + sold !== total) throw this.#violated("conserve");
  }

  /** Moves units between the columns of a stock row; units that come back to free raise its version. */
  shift(itemId: number, move: StockMove): void {
    this.checkStock(itemId, move);
    const row = this.stockRow(itemId);
    const comesBack = (move.free ?? 0) > 0;
    this.data.stock.set(itemId, { ...moved(row, move), version: row.version + (comesBack ? 1 : 0) });
    if (comesBack) this.onAnnounce(`stock:${itemId}`);
  }

  /** Numbers that were used up, by orders and by what can become none. */
  countNumbers(itemId: number, numbers: number): void {
    const row = this.stockRow(itemId);
    this.data.stock.set(itemId, { ...row, seq: row.seq + numbers });
  }

  heldUnits(itemId: number, buyerId: string): number {
    return this.data.holds.get(holdKey(itemId, buyerId))?.quantity ?? 0;
  }

  /** Throws when more would have moved than was lent or asked back; changes nothing. */
  checkMoved(grant: GrantRow, moved: number): void {
    const [least, most] = [Math.min(grant.units, 0), Math.max(grant.units, 0)];
    if (moved < least || moved > most) throw this.#violated("moved_within_units");
  }

  /** Throws when the buyer would have more than he may; changes nothing. */
  checkHold(itemId: number, buyerId: string, units: number): void {
    if (this.heldUnits(itemId, buyerId) + units > this.perBuyerMax(itemId)) throw this.#violated("per_buyer");
  }

  addHold(itemId: number, buyerId: string, units: number): void {
    const quantity = this.heldUnits(itemId, buyerId) + units;
    const row = { itemId, buyerId, quantity, perBuyerMax: this.perBuyerMax(itemId) };
    this.data.holds.set(holdKey(itemId, buyerId), row);
  }

  putOrder(order: OrderRow): void {
    const known = this.data.orders.get(order.rid);
    if (known !== undefined) this.data.seqs.delete(seqKey(known, known.seq));
    this.data.orders.set(order.rid, order);
    this.data.seqs.set(seqKey(order, order.seq), order.rid);
  }

  /** The rid that has the number, if any. */
  ridAt(address: BucketEpoch, seq: number): string | undefined {
    return this.data.seqs.get(seqKey(address, seq));
  }

  /** What buckets have to be told, while the sale has any. */
  note(kind: BucketNote["kind"], order: OrderRow): void {
    const { sale } = this.saleRow(order.saleId);
    if (sale.mode !== "redis" && sale.mode !== "draining" && sale.mode !== "warming") return;
    this.data.lastNoteId += 1;
    const { rid, buyerId, quantity, itemId, saleId } = order;
    const noteId = this.data.lastNoteId;
    this.data.notes.set(noteId, { noteId, kind, rid, buyerId, quantity, itemId, saleId, epoch: sale.epoch });
  }

  #violated(constraint: string): Fault {
    this.refusals.push(constraint);
    return refused({ constraint, message: `violates check constraint "${constraint}"` });
  }
}

export function emptyTables(): TablesData {
  return {
    sales: new Map(),
    stock: new Map(),
    orders: new Map(),
    seqs: new Map(),
    holds: new Map(),
    grants: new Map(),
    notes: new Map(),
    notifications: new Set(),
    deadLetters: [],
    nodes: new Map(),
    lastNoteId: 0,
    lastLostNumber: 0,
  };
}

/** A copy that shares nothing that can change. */
export function copyTables(data: TablesData): TablesData {
  return {
    sales: new Map(data.sales),
    stock: new Map(data.stock),
    orders: new Map(data.orders),
    seqs: new Map(data.seqs),
    holds: new Map(data.holds),
    grants: new Map(data.grants),
    notes: new Map(data.notes),
    notifications: new Set(data.notifications),
    deadLetters: [...data.deadLetters],
    nodes: new Map(data.nodes),
    lastNoteId: data.lastNoteId,
    lastLostNumber: data.lastLostNumber,
  };
}

function seqKey(address: BucketEpoch, seq: number): string {
  return `${address.itemId}.${address.epoch}.${address.bucket}.${seq}`;
}

function holdKey(itemId: number, buyerId: string): string {
  return `${itemId}.${buyerId}`;
}

function moved(row: StockRow, move: StockMove): StockRow {
  return {
    ...row,
    total: row.total + (move.total ?? 0),
    free: row.free + (move.free ?? 0),
    granted: row.granted + (move.granted ?? 0),
    held: row.held + (move.held ?? 0),
    sold: row.sold + (move.sold ?? 0),
  };
}

/** As the driver throws it: callers read the state and the constraint off the cause. */
function refused({ constraint, message }: { constraint: string; message: string }): Fault {
  return new Fault("DATABASE_REFUSED", { cause: Object.assign(new Error(message), { code: "23514", constraint }) });
}
