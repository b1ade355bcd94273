/**
 * Postgres in memory, as the redis ledger needs it: the books, with the orders and the postgres ledger over the same rows.
 *
 * The one thing to know: each method is one transaction, decided at once before its promise is returned, so whoever holds
 * the model decides whether an answer (or the news of a COMMIT) gets lost. `snapshot` and `restore` are a database that
 * was restored from a backup. Locks are not modelled, because nothing runs between the steps of a transaction here.
 */
import type { SaleId } from "../../../src/domain/ids.ts";
import type { Sale } from "../../../src/domain/sale.ts";
import type {
  BookedSale,
  Books,
  CommitBatch,
  CommitOutcome,
  CommitRow,
  CommitVerdict,
  Grant,
  GrantedItem,
  LedgerState,
  NodeReport,
  PendingNote,
  VoidReason,
} from "../../../src/ports/books.ts";
import type { BucketEpoch } from "../../../src/ports/bucket-store.ts";
import { rememberedReservations } from "./books-remembered.ts";
import { bookItem, grantedItems, isInBucket, ledgerState, sumOrders } from "./books-sums.ts";
import { type BooksRules, copyTables, type GrantRow, type OrderRow, Tables, type TablesData } from "./books-tables.ts";
import { OrdersModel } from "./orders-model.ts";
import { ReserveModel } from "./reserve-model.ts";

/** A promise made by a bucket is kept exactly when it is this close to what the database would have promised. */
export const PROMISE_SKEW_MS_MAX = 5_000;
const REPORT_AGE_MS_MAX = 30_000;

export interface BooksModelOptions {
  /** The database's clock, milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Only for mutants. */
  readonly rules?: Partial<BooksRules>;
}

/** See the head of this file. */
export class BooksModel implements Books {
  readonly orders: OrdersModel;
  /** The postgres ledger. */
  readonly ledger: ReserveModel;
  readonly tables: Tables;

  constructor(options: BooksModelOptions) {
    this.tables = new Tables(options.nowMs, options.rules ?? {});
    this.orders = new OrdersModel(this.tables);
    this.ledger = new ReserveModel(this.tables);
  }

  /** The sale as it stands, its items with that many free units each. */
  addSale(sale: Sale, stocks: readonly number[]): void {
    this.tables.data.sales.set(sale.id, { sale, modeSinceMs: this.tables.nowMs(), modeReason: "created", entries: 0 });
    for (const [index, { itemId }] of sale.items.entries()) {
      const total = stocks[index] ?? 0;
      const row = { itemId, saleId: sale.id, total, free: total, granted: 0, held: 0, sold: 0, version: 1, seq: 0 };
      this.tables.data.stock.set(itemId, row);
    }
  }

  /** What an operator changes: phase, window, limits. Raises the revision. */
  patchSale(saleId: string, patch: Partial<Sale>): void {
    const row = this.tables.saleRow(saleId);
    const sale = { ...row.sale, ...patch, revision: row.sale.revision + 1 };
    this.tables.data.sales.set(saleId, { ...row, sale });
    this.tables.onAnnounce("catalogue");
  }

  /** Adds free units, or takes them away; throws when that would cut what is granted, held or sold. */
  adjustStock(itemId: number, units: number): void {
    this.tables.shift(itemId, { total: units, free: units });
  }

  snapshot(): TablesData {
    return copyTables(this.tables.data);
  }

  restore(snapshot: TablesData): void {
    this.tables.data = copyTables(snapshot);
  }

  async commitBatch(batch: CommitBatch): Promise<CommitOutcome> {
    const { sale } = this.tables.saleRow(batch.saleId);
    if (!this.#isCommitting(batch)) return { kind: "fenced" };
    const verdicts = batch.rows.map((row) => this.#verdict(batch, row));
    const fresh = batch.rows.filter((_, index) => verdicts[index] === "committed");
    const reused = batch.rows.filter((_, index) => verdicts[index] === "reused");
    this.#checkHolds(batch.itemId, fresh);
    const [units, home] = [unitsOf(fresh), unitsOf(reused)];
    if (units + home > 0) this.tables.shift(batch.itemId, { granted: -units - home, held: units, free: home });
    this.tables.countNumbers(batch.itemId, fresh.length + reused.length);
    for (const row of reused) this.#voidReused(batch, row);
    for (const row of fresh) {
      this.#putRow(batch, row, { status: "held", holdUntil: this.#keepPromise(sale, row.promisedUntil), reason: null });
      this.tables.addHold(batch.itemId, row.buyerId, row.quantity);
    }
    const holdUntil = batch.rows.map((row, index) => {
      const order = this.tables.data.orders.get(row.rid);
      const isHere = order !== undefined && this.tables.ridAt(batch, row.seq) === row.rid;
      return isHere && verdicts[index] !== "seq_taken" ? order.holdUntil : 0;
    });
    return { kind: "done", verdicts: verdicts.map((verdict) => (verdict === "reused" ? "known" : verdict)), holdUntil };
  }

  async voidRow(
    request: BucketEpoch & { readonly saleId: SaleId; readonly row: CommitRow; readonly reason: VoidReason },
  ): Promise<void> {
    const { row, reason, itemId } = request;
    if (reason === "lost") {
      await this.recordLost({ ...request, rows: [row] });
      return;
    }
    if (!this.#isCommitting(request) || this.tables.ridAt(request, row.seq) !== undefined) return;
    const known = this.tables.data.orders.get(row.rid);
    const isRevival = known?.status === "lost" && known.itemId === itemId && known.buyerId === row.buyerId;
    if (known !== undefined && !isRevival) return;
    if (reason !== "over_issue") this.tables.shift(itemId, { granted: -row.quantity, free: row.quantity });
    this.tables.countNumbers(itemId, 1);
    const order = this.#putRow(request, row, { status: "void", holdUntil: row.promisedUntil, reason });
    this.tables.note("ended", order);
  }

  async voidSeq(
    request: BucketEpoch & { readonly saleId: SaleId; readonly seq: number; readonly quantity: number },
  ): Promise<void> {
    const { itemId, epoch, bucket, seq, quantity } = request;
    if (!this.#isCommitting(request) || this.tables.ridAt(request, seq) !== undefined) return;
    this.tables.shift(itemId, { granted: -quantity, free: quantity });
    this.tables.countNumbers(itemId, 1);
    const row = { seq, rid: `lost.${itemId}.${epoch}.${bucket}.${seq}`, buyerId: "", quantity, promisedUntil: 0 };
    this.#putRow(request, row, { status: "lost", holdUntil: 0, reason: "lost" });
  }

  async recordLost(
    request: BucketEpoch & { readonly saleId: SaleId; readonly rows: readonly CommitRow[] },
  ): Promise<number> {
    let recorded = 0;
    for (const row of request.rows) {
      if (this.tables.data.orders.has(row.rid)) continue;
      this.tables.data.lastLostNumber += 1;
      const numbered = { ...row, seq: this.tables.data.lastLostNumber };
      const state = { status: "lost" as const, holdUntil: row.promisedUntil, reason: "lost" };
      this.#putRow({ ...request, epoch: 0 }, numbered, state);
      recorded += 1;
    }
    return recorded;
  }

  async recordDeadLetter(
    request: BucketEpoch & { readonly seq: number | null; readonly text: string; readonly error: string },
  ): Promise<void> {
    this.tables.data.deadLetters.push({ seq: request.seq, text: request.text, error: request.error });
  }

  async placeGrant(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null> {
    if (!this.#mayGrant(request)) return null;
    const known = this.#knownGrant(request);
    if (known !== undefined) return known;
    const units = Math.min(request.units, this.tables.stockRow(request.itemId).free);
    if (units <= 0) return null;
    this.tables.shift(request.itemId, { free: -units, granted: units });
    return this.#addGrant(request, units);
  }

  async askBack(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null> {
    if (!this.#mayGrant(request)) return null;
    const known = this.#knownGrant(request);
    return known === undefined ? this.#addGrant(request, -request.units) : known;
  }

  async listUnsettledGrants(request: { readonly saleId: SaleId; readonly epoch: number }): Promise<readonly Grant[]> {
    return [...this.tables.data.grants.values()]
      .filter((row) => row.saleId === request.saleId && row.state === "new")
      .filter((row) => row.epoch === request.epoch || !this.tables.rules.fenceVoidsGrants)
      .map(toGrant);
  }

  async settleGrant(request: { readonly grantId: string; readonly movedUnits: number }): Promise<void> {
    const row = this.tables.data.grants.get(request.grantId);
    if (row?.state !== "new") return;
    if (this.tables.rules.fenceVoidsGrants && this.tables.saleRow(row.saleId).sale.epoch !== row.epoch) return;
    const moved = row.units > 0 ? Math.abs(request.movedUnits) : 0 - Math.abs(request.movedUnits);
    this.tables.checkMoved(row, moved);
    const unitsHome = row.moved - moved;
    if (unitsHome > 0) this.tables.shift(row.itemId, { granted: -unitsHome, free: unitsHome });
    this.tables.data.grants.set(row.grantId, { ...row, moved, state: "settled" });
  }

  async listNotes(request: {
    readonly saleId: SaleId;
    readonly epoch: number;
    readonly rowsMax: number;
  }): Promise<readonly PendingNote[]> {
    return [...this.tables.data.notes.values()]
      .filter((note) => note.saleId === request.saleId && note.epoch === request.epoch)
      .slice(0, request.rowsMax);
  }

  async deleteNotes(noteIds: readonly number[]): Promise<void> {
    for (const noteId of noteIds) this.tables.data.notes.delete(noteId);
  }

  async fence(request: Parameters<Books["fence"]>[0]): Promise<boolean> {
    const { data, rules } = this.tables;
    const row = this.tables.saleRow(request.saleId);
    if (row.sale.epoch !== request.seenEpoch) return false;
    if (rules.fenceChecksMode && request.from?.includes(row.sale.mode) === false) return false;
    for (const { itemId } of row.sale.items) {
      const stock = this.tables.stockRow(itemId);
      const home = rules.fenceBringsHome ? stock.granted : 0;
      const version = stock.version + 1;
      data.stock.set(itemId, { ...stock, free: stock.free + home, granted: stock.granted - home, seq: 0, version });
      this.tables.onAnnounce(`stock:${itemId}`);
    }
    for (const grant of data.grants.values()) {
      if (grant.saleId !== request.saleId || grant.state !== "new" || !rules.fenceVoidsGrants) continue;
      data.grants.set(grant.grantId, { ...grant, state: "void" });
    }
    for (const note of data.notes.values()) if (note.saleId === request.saleId) data.notes.delete(note.noteId);
    this.#setMode({ ...request, to: request.mode, epoch: row.sale.epoch + 1, isEntry: false });
    return true;
  }

  async changeMode(request: Parameters<Books["changeMode"]>[0]): Promise<boolean> {
    const { sale } = this.tables.saleRow(request.saleId);
    const move = `${request.from} ${request.to}`;
    const isKnownMove = ["redis draining", "warming redis", "postgres postgres"].includes(move);
    if (sale.epoch !== request.epoch || sale.mode !== request.from || !isKnownMove) return false;
    this.#setMode({ ...request, isEntry: request.to === "redis" });
    return true;
  }

  async readLedgerStates(saleIds: readonly SaleId[]): Promise<readonly LedgerState[]> {
    return saleIds.flatMap((saleId) => ledgerState(this.tables.data, saleId, this.tables.nowMs()));
  }

  async listLedgersDue(): Promise<readonly LedgerState[]> {
    const states = await this.readLedgerStates([...this.tables.data.sales.keys()] as SaleId[]);
    return states.filter(({ mode, isRelayDue }) => mode === "warming" || mode === "draining" || isRelayDue);
  }

  async readReservations(request: Parameters<Books["readReservations"]>[0]): ReturnType<Books["readReservations"]> {
    return rememberedReservations(this.tables.data, request);
  }

  async readGrantedItems({ itemIds }: Parameters<Books["readGrantedItems"]>[0]): Promise<readonly GrantedItem[]> {
    return grantedItems(this.tables.data, itemIds);
  }

  async readBooks(request: Parameters<Books["readBooks"]>[0]): Promise<BookedSale | null> {
    const row = this.tables.data.sales.get(request.saleId);
    if (row === undefined) return null;
    const { mode, epoch } = row.sale;
    const items = row.sale.items.map((item) => bookItem(this.tables.data, row.sale, item, request));
    return { saleId: request.saleId, mode, epoch, takenAtMs: this.tables.nowMs(), items };
  }

  async sumOrders(
    request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number },
  ): Promise<{ readonly orders: number; readonly units: number }> {
    return sumOrders(this.tables.data, request);
  }

  async missingSeqs(
    request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number; readonly rowsMax: number },
  ): Promise<readonly number[]> {
    const missing: number[] = [];
    for (let seq = request.afterSeq + 1; seq <= request.throughSeq && missing.length < request.rowsMax; seq += 1) {
      if (this.tables.ridAt(request, seq) === undefined) missing.push(seq);
    }
    return missing;
  }

  async hintEvents(): Promise<void> {
    this.tables.onAnnounce("events");
  }

  async reportNode(report: Omit<NodeReport, "ageMs">): Promise<void> {
    this.tables.data.nodes.set(report.nodeId, { ...report, atMs: this.tables.nowMs() });
  }

  async listNodeReports(): Promise<readonly NodeReport[]> {
    return [...this.tables.data.nodes.values()]
      .map(({ atMs, ...report }) => ({ ...report, ageMs: this.tables.nowMs() - atMs }))
      .filter((report) => report.ageMs <= REPORT_AGE_MS_MAX);
  }

  /** Acceptances of the epoch may still become orders. */
  #isCommitting(request: BucketEpoch & { readonly saleId: SaleId }): boolean {
    if (!this.tables.rules.checksEpoch) return true;
    const { epoch, mode } = this.tables.saleRow(request.saleId).sale;
    return epoch === request.epoch && (mode === "redis" || mode === "draining");
  }

  /**
   * "committed" here means: would be. A rid that was lost is as good as unknown to the one who asked for the same. One that
   * is an order elsewhere takes no unit here ("reused"); one with another number of this bucket proves a rollback.
   */
  #verdict(address: BucketEpoch, row: CommitRow): CommitVerdict | "reused" {
    const known = this.tables.data.orders.get(row.rid);
    const taken = this.tables.ridAt(address, row.seq);
    if (taken === row.rid) return this.tables.rules.commitsOnce ? "known" : "committed";
    if (known === undefined || isRevival(known, address, row)) return taken === undefined ? "committed" : "seq_taken";
    if (taken === reusedRid(address, row.seq)) return "known";
    const isElsewhere = known.itemId !== address.itemId || known.epoch !== address.epoch;
    return taken === undefined && isElsewhere ? "reused" : "seq_taken";
  }

  #voidReused(batch: CommitBatch, row: CommitRow): void {
    const state = { status: "void" as const, holdUntil: 0, reason: "key_reused" };
    const order = this.#putRow(batch, { ...row, rid: reusedRid(batch, row.seq), buyerId: "" }, state);
    this.tables.note("ended", { ...order, rid: row.rid, buyerId: row.buyerId });
  }

  #checkHolds(itemId: number, rows: readonly CommitRow[]): void {
    const units = new Map<string, number>();
    for (const row of rows) units.set(row.buyerId, (units.get(row.buyerId) ?? 0) + row.quantity);
    for (const [buyerId, quantity] of units) this.tables.checkHold(itemId, buyerId, quantity);
  }

  #keepPromise(sale: Sale, promisedUntil: number): number {
    const ownPromise = this.tables.nowMs() + sale.holdMs;
    return Math.abs(promisedUntil - ownPromise) <= PROMISE_SKEW_MS_MAX ? promisedUntil : ownPromise;
  }

  #putRow(
    address: BucketEpoch & { readonly saleId: SaleId },
    row: CommitRow,
    state: Pick<OrderRow, "status" | "holdUntil" | "reason">,
  ): OrderRow {
    const { itemId, bucket, epoch, saleId } = address;
    const { rid, buyerId, quantity, seq } = row;
    const nowMs = this.tables.nowMs();
    const times = { lookAt: 0, createdAt: nowMs, updatedAt: nowMs };
    const order = { rid, itemId, saleId, buyerId, quantity, epoch, bucket, seq, paymentId: null, ...state, ...times };
    this.tables.putOrder(order);
    return order;
  }

  #mayGrant(request: BucketEpoch & { readonly saleId: SaleId }): boolean {
    const { epoch, mode } = this.tables.saleRow(request.saleId).sale;
    return epoch === request.epoch && (mode === "redis" || mode === "warming");
  }

  #knownGrant(request: BucketEpoch & { readonly grantId: string }): Grant | null | undefined {
    const row = this.tables.data.grants.get(request.grantId);
    if (row === undefined) return undefined;
    return isInBucket(row, request) ? toGrant(row) : null;
  }

  #addGrant(request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string }, units: number): Grant {
    const { grantId, saleId, itemId, bucket, epoch } = request;
    const row: GrantRow = { grantId, saleId, itemId, bucket, epoch, units, moved: Math.max(units, 0), state: "new" };
    this.tables.data.grants.set(grantId, row);
    return toGrant(row);
  }

  #setMode(change: {
    readonly saleId: SaleId;
    readonly to: Sale["mode"];
    readonly epoch: number;
    readonly reason: string;
    readonly isEntry: boolean;
  }): void {
    const row = this.tables.saleRow(change.saleId);
    const sale = { ...row.sale, mode: change.to, epoch: change.epoch, revision: row.sale.revision + 1 };
    const entries = row.entries + (change.isEntry ? 1 : 0);
    const isNews = change.to !== row.sale.mode || change.epoch !== row.sale.epoch;
    const modeSinceMs = isNews ? this.tables.nowMs() : row.modeSinceMs;
    this.tables.data.sales.set(change.saleId, { sale, modeSinceMs, modeReason: change.reason, entries });
    this.tables.onAnnounce("catalogue");
  }
}

/** No buyer can have it: it has dots. */
function reusedRid({ itemId, epoch, bucket }: BucketEpoch, seq: number): string {
  return `reused.${itemId}.${epoch}.${bucket}.${seq}`;
}

function unitsOf(rows: readonly CommitRow[]): number {
  return rows.reduce((sum, row) => sum + row.quantity, 0);
}

function isRevival(known: OrderRow, address: BucketEpoch, row: CommitRow): boolean {
  const isSame = known.itemId === address.itemId && known.buyerId === row.buyerId && known.quantity === row.quantity;
  return known.status === "lost" && isSame;
}

function toGrant({ grantId, saleId, itemId, bucket, epoch, units }: GrantRow): Grant {
  return { grantId, saleId: saleId as SaleId, itemId, bucket, epoch, units };
}
