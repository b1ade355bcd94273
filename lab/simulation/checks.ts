/**
 * The invariants, looked at after every single decision of a server: what no schedule may ever show.
 *
 * P1, P2, S1, U1, U2, E1 of the books after each change of the books; R1, R2, R3 of every bucket and X1, X2 between the two
 * after each change of either. A CHECK of the schema that fired is a finding too: the design has to come without its
 * last line of defence. Refusals are compared with what was really left at the time.
 */
import { isActive } from "../../src/domain/reservation.ts";
import type { LedgerMode } from "../../src/domain/sale.ts";
import type { BucketEpoch } from "../../src/ports/bucket-store.ts";
import type { Attempt, LedgerRefusal } from "../../src/ports/ledger.ts";
import { bookedUnits } from "./model/books-sums.ts";
import type { OrderRow, StockRow } from "./model/books-tables.ts";
import type { BucketData } from "./model/bucket-data.ts";
import { streamKey } from "./model/bucket-data.ts";
import type { BucketModel } from "./model/bucket-model.ts";
import { type ChecksFace, ITEM_ID, SALE_ID, type Scene } from "./scene.ts";
import type { SimProcess } from "./timeline.ts";

/** Decisions after which the books are as before. */
const READS_OF_BOOKS = new Set([
  "listUnsettledGrants",
  "listNotes",
  "readLedgerStates",
  "listLedgersDue",
  "readReservations",
  "readGrantedItems",
  "readBooks",
  "sumOrders",
  "missingSeqs",
  "hintEvents",
  "reportNode",
  "listNodeReports",
  "readSales",
  "readStock",
  "readHolders",
  "findQueued",
  "findOrder",
  "listOrdersOfBuyer",
  "listOrdersByRid",
  "listOrdersOfSale",
  "takeRefundsDue",
  "completeRefund",
  "beginExpiry",
  "deleteNotes",
  "attachPayment",
]);
/** Decisions after which some bucket may be different. */
const WRITES_OF_STORE = new Set(["reserve", "credit", "lease", "prepare", "load", "remove"]);
/** Units may be on their way for so long before somebody is told that there are none. */
const TRANSIT_MS_MAX = 1_200;
/** Buckets hear of ended holds within this. */
const LIMIT_LAG_MS = 5_000;
/** An outage that ended so long ago is in no drain's way. */
const DRAIN_LAG_MS = 550;
/** Reasons to leave redis mode that accuse Redis of having forgotten or invented something. */
const ACCUSATION = /seq_taken|over_issue|unbalanced|mismatch|rolled|phantom/i;

interface BucketSums {
  granted: number;
  committed: number;
  seqMax: number;
}

/** What the rows of the books add up to. */
interface Sums {
  readonly epoch: number;
  held: number;
  sold: number;
  moved: number;
  granted: number;
  readonly units: Map<string, number>;
  readonly buckets: BucketSums[];
}

export interface Acknowledgement extends BucketEpoch {
  readonly lastSeqs: readonly number[];
}

/** See the head of this file. */
export class Checks implements ChecksFace {
  readonly #world: Scene;
  #epoch = 0;
  #mode: LedgerMode = "postgres";
  #refusals = 0;
  /** When how many units could be sold, oldest first. */
  readonly #sellable: { readonly atMs: number; readonly units: number }[] = [];
  #soldOutAtMs = Number.NEGATIVE_INFINITY;
  readonly #ended = new Set<string>();
  #sums: Sums = { epoch: 0, held: 0, sold: 0, moved: 0, granted: 0, units: new Map(), buckets: [] };

  constructor(world: Scene) {
    this.#world = world;
  }

  afterBooks(method: string): void {
    if (READS_OF_BOOKS.has(method)) return;
    const { tables } = this.#world.books;
    const stock = tables.stockRow(ITEM_ID);
    const { sale } = tables.saleRow(SALE_ID);
    const { isUnrecovered, hasRestored } = this.#world.faults;
    if (sale.epoch < this.#epoch && !hasRestored) this.#fail("E1", `epoch ${sale.epoch} after ${this.#epoch}`);
    const hasEnded = sale.epoch > this.#epoch && this.#mode === "redis" && sale.mode !== "closed";
    if (hasEnded && !hasRestored) this.#fail("E3", `epoch ${this.#epoch} ended while it was selling`);
    if (sale.epoch > this.#epoch && this.#mode === "draining") {
      this.#checkDrained(this.#epoch);
      if (this.#isAnyWorkerCutOff()) this.#world.redis.hasUnread = true;
    }
    this.#epoch = sale.epoch;
    this.#mode = sale.mode;
    const { modeReason } = tables.saleRow(SALE_ID);
    if (ACCUSATION.test(modeReason) && !this.#world.redis.hasForgotten && !hasRestored) {
      this.#fail("ALARM", `without any loss: ${modeReason}`);
    }
    if (isUnrecovered) this.#refusals = tables.refusals.length;
    this.#checkConstraints(tables.refusals);
    this.#checkStock(stock);
    this.#sums = this.#addUp(sale.epoch);
    this.#checkOrders(stock, this.#sums, sale.mode === "postgres" || sale.mode === "closed");
    this.#checkBetween();
    if (stock.sold === stock.total) this.#soldOutAtMs = this.#world.timeline.nowMs;
  }

  /** From Redis, now or a moment ago: if it was the conductor, the epoch ended without a drain. */
  #isAnyWorkerCutOff(): boolean {
    const sinceMs = this.#world.timeline.nowMs - DRAIN_LAG_MS;
    return [...this.#world.workers.values()].some(({ process }) => process.cutUntilMs.redis > sinceMs);
  }

  /** What an epoch has accepted is committed before it ends, if nothing was in the way. */
  #checkDrained(epoch: number): void {
    const { redis, books, faults, timeline, config, hasHealed } = this.#world;
    const isRough = !hasHealed && (config.redis.late > 0 || config.postgres.late > 0);
    if (isRough || faults.hasRestored || !faults.areReachedSince(timeline.nowMs - DRAIN_LAG_MS)) return;
    for (const bucket of redis.primary.data.buckets.values()) {
      for (const entry of redis.primary.data.streams.get(streamKey({ ...bucket, epoch }))?.entries ?? []) {
        const row = entry.rows.find(({ rid }) => !books.tables.data.orders.has(rid));
        if (row !== undefined) this.#fail("E4", `epoch ${epoch} ended and ${row.rid} was not committed`);
      }
    }
  }

  afterStore(method: string): void {
    if (!WRITES_OF_STORE.has(method)) return;
    for (const server of this.#world.redis.servers) {
      for (const bucket of server.data.buckets.values()) this.#checkBucket(server, bucket);
    }
    this.#checkBetween();
  }

  /** A worker will never look at these entries again: all of them must have come to an end in Postgres. */
  acknowledged(request: Acknowledgement, process: SimProcess): void {
    const { books, redis } = this.#world;
    const stream = redis.routeOf(process).data.streams.get(streamKey(request));
    for (const lastSeq of request.lastSeqs) {
      const entry = stream?.entries.find((candidate) => candidate.lastSeq === lastSeq);
      const row = entry?.rows.find(({ rid }) => !books.tables.data.orders.has(rid));
      if (row !== undefined && !this.#world.faults.hasRestored)
        this.#fail("A1", `${row.rid} was acknowledged and is no order`);
    }
  }

  /** Somebody was turned away: was that true at any moment since he asked? */
  refused(
    attempt: Attempt,
    told: { readonly reason: LedgerRefusal; readonly left?: number },
    ask: { readonly askedAtMs: number; readonly isAlone: boolean },
  ): void {
    const { askedAtMs, isAlone } = ask;
    const { reason, left } = told;
    if (left !== undefined && (reason !== "empty" || left < 1 || left >= attempt.quantity)) {
      this.#fail("L2", `${attempt.rid} asked for ${attempt.quantity} and was told ${reason} with ${left} left`);
    }
    this.#checkRepeat(attempt, reason, askedAtMs);
    this.#checkLimit(attempt, reason);
    if (reason === "sold_out" && this.#soldOutAtMs < askedAtMs) {
      const { sold, total } = this.#world.books.tables.stockRow(ITEM_ID);
      if (sold !== total) this.#fail("L2", `${attempt.rid} was told sold_out; ${sold} of ${total} are sold`);
    }
    // With several buckets, others who ask at the same time have units brought to theirs.
    const isRace = this.#world.config.buckets > 1 && !isAlone;
    if (reason !== "empty" || isRace || this.#wasTroubled(askedAtMs)) return;
    const least = this.leastSellable(askedAtMs - TRANSIT_MS_MAX);
    if (least >= attempt.quantity) {
      this.#fail("L2", `${attempt.rid} was told empty; ${least} units could be sold all the time`);
    }
  }

  /**
   * Who was accepted once is answered the same way for ever, unless his hold ended or was lost. What a cut-off Redis
   * accepted is handed in again later: somebody who asks meanwhile may be turned away before it arrives.
   */
  #checkRepeat({ rid }: Attempt, reason: LedgerRefusal, askedAtMs: number): void {
    const { book, books, redis, faults, timeline } = this.#world;
    if (!book.accepted.has(rid) || faults.hasRestored) return;
    const order = books.tables.data.orders.get(rid);
    const ageMs = order === undefined ? 0 : books.tables.nowMs() - order.createdAt;
    const isLate = order === undefined || ageMs <= timeline.nowMs - askedAtMs;
    if (isLate && redis.hasForgotten) return;
    if (order === undefined || isActive(order.status)) {
      this.#fail("S3", `${rid} was accepted (${order?.status ?? "queued"}) and is told ${reason}`);
    }
  }

  /** A buyer meets his limit only if he has something, or had a moment ago. */
  #checkLimit({ buyerId, quantity }: Attempt, reason: LedgerRefusal): void {
    if (reason !== "limit_reached" || this.#world.faults.hasRestored) return;
    const { books, timeline, healedAtMs } = this.#world;
    const settledAtMs = books.tables.nowMs() - LIMIT_LAG_MS;
    let units = quantity;
    for (const order of books.tables.data.orders.values()) {
      if (order.buyerId !== buyerId) continue;
      if (isActive(order.status) || order.updatedAt > settledAtMs) units += order.quantity;
    }
    const isQuiet = timeline.nowMs > healedAtMs + LIMIT_LAG_MS;
    if (isQuiet && units <= books.tables.perBuyerMax(ITEM_ID)) this.#fail("L3", `${buyerId} has no more than he may`);
  }

  /** The fewest units that could be sold at any moment since then. */
  leastSellable(sinceMs: number): number {
    let least = this.#sellable.at(-1)?.units ?? 0;
    for (let index = this.#sellable.length - 1; index >= 0; index -= 1) {
      const entry = this.#sellable[index];
      if (entry === undefined) break;
      least = Math.min(least, entry.units);
      if (entry.atMs < sinceMs) break;
    }
    return least;
  }

  #wasTroubled(askedAtMs: number): boolean {
    const { schedule, faults, healedAtMs, config } = this.#world;
    const isRough = askedAtMs < healedAtMs && (config.redis.late > 0 || config.postgres.late > 0);
    const hasFaults = schedule.events.some((event) => event.kind !== "arrive");
    return isRough || (hasFaults && askedAtMs < faults.untilMs + 12_000);
  }

  #checkConstraints(refusals: readonly string[]): void {
    for (const constraint of refusals.slice(this.#refusals)) {
      // Late money takes units that the bucket learns of a moment later; Postgres then refuses what it let pass.
      if (constraint === "per_buyer" && this.#world.faults.hadLateMoney) continue;
      this.#fail("CHECK", `${constraint} had to hold`);
    }
    this.#refusals = refusals.length;
  }

  #checkStock({ total, free, granted, held, sold }: StockRow): void {
    const text = `total ${total}, free ${free}, granted ${granted}, held ${held}, sold ${sold}`;
    if (free + granted + held + sold !== total || Math.min(free, granted, held, sold) < 0) this.#fail("P1", text);
    if (held + sold > total) this.#fail("S1", text);
  }

  /** Adds everything up from the rows, once for all checks. */
  #addUp(epoch: number): Sums {
    const { tables } = this.#world.books;
    const sums: Sums = { epoch, held: 0, sold: 0, moved: 0, granted: 0, units: new Map(), buckets: [] };
    for (const order of tables.data.orders.values()) {
      const { status, quantity, buyerId } = order;
      if (status === "held" || status === "expiring") sums.held += quantity;
      else if (status === "paid") sums.sold += quantity;
      else if (status === "expired" || status === "cancelled") this.#checkRelease(order);
      if (isActive(status)) sums.units.set(buyerId, (sums.units.get(buyerId) ?? 0) + quantity);
      if (order.epoch !== epoch) continue;
      const bucket = bucketOf(sums, order.bucket);
      sums.moved += bookedUnits(order);
      bucket.committed += bookedUnits(order);
      bucket.seqMax = Math.max(bucket.seqMax, order.seq);
    }
    for (const grant of tables.data.grants.values()) {
      if (grant.epoch !== epoch || grant.state === "void") continue;
      sums.granted += grant.moved;
      bucketOf(sums, grant.bucket).granted += grant.moved;
    }
    return sums;
  }

  #checkOrders(stock: StockRow, sums: Sums, isInPostgres: boolean): void {
    const { tables } = this.#world.books;
    const { held, sold, granted, moved } = sums;
    if (held !== stock.held || sold !== stock.sold) {
      this.#fail("P3", `held ${stock.held}, orders ${held}; sold ${stock.sold}, orders ${sold}`);
    }
    const perBuyerMax = tables.perBuyerMax(ITEM_ID);
    for (const [buyerId, quantity] of sums.units) {
      const booked = tables.heldUnits(ITEM_ID, buyerId);
      if (quantity > perBuyerMax || quantity !== booked) {
        this.#fail("U2", `${buyerId} has ${quantity} units, ${booked} on record`);
      }
    }
    const expected = isInPostgres ? 0 : granted - moved;
    if (stock.granted !== expected) this.#fail("P2", `granted ${stock.granted}, log and orders say ${expected}`);
  }

  /** Units with an open payment come back only after the provider said that it will never be paid. */
  #checkRelease(order: OrderRow): void {
    const { provider } = this.#world;
    if (order.paymentId === null || this.#ended.has(order.rid) || this.#world.faults.hasRestored) return;
    this.#ended.add(order.rid);
    const status = provider.broken.has(order.paymentId) ? null : provider.payments.get(order.paymentId)?.status;
    if (status === "open" || status === "processing" || status === "succeeded") {
      this.#fail("M1", `${order.rid} was released while its payment is ${status}`);
    }
  }

  #checkBucket(server: BucketModel, bucket: BucketData): void {
    const { available, leased, reserved, grantedIn, seq } = bucket;
    const text = `available ${available}, leased ${leased}, reserved ${reserved}, granted ${grantedIn}`;
    if (available + leased + reserved !== grantedIn || Math.min(available, leased, reserved) < 0)
      this.#fail("R1", text);
    let sum = 0;
    for (const lease of bucket.leases.values()) sum += lease.left;
    if (sum !== leased) this.#fail("R2", `leased ${leased}, leases ${sum}`);
    const lastSeq = server.data.streams.get(streamKey(bucket))?.lastSeq ?? 0;
    if (lastSeq !== seq) this.#fail("R3", `number ${seq}, stream ${lastSeq}`);
  }

  /** X1 and X2 on the buckets that Postgres believes in; and what could be sold now. */
  #checkBetween(): void {
    const { books, redis, timeline } = this.#world;
    const { mode, epoch } = books.tables.saleRow(SALE_ID).sale;
    const stock = books.tables.stockRow(ITEM_ID);
    if (this.#sums.epoch !== epoch) this.#sums = this.#addUp(epoch);
    let uncommitted = 0;
    if (mode === "redis" || mode === "draining") {
      for (const server of redis.servers) {
        for (const bucket of server.data.buckets.values()) {
          if (bucket.epoch === epoch && bucket.runId === server.runId) uncommitted += this.#checkAgainstBooks(bucket);
        }
      }
    }
    const units = stock.total - stock.held - stock.sold - uncommitted;
    if (this.#sellable.at(-1)?.units !== units) this.#sellable.push({ atMs: timeline.nowMs, units });
  }

  /** Answers the units that the bucket has accepted and Postgres does not have. */
  #checkAgainstBooks({ bucket, grantedIn, reserved, seq }: BucketData): number {
    const { granted, committed, seqMax } = bucketOf(this.#sums, bucket);
    if (this.#world.faults.isUnrecovered) return Math.max(0, reserved - committed);
    if (grantedIn > granted) this.#fail("X1", `bucket was credited ${grantedIn} of ${granted}`);
    if (committed > reserved || seqMax > seq) {
      this.#fail("X2", `orders of ${committed} units up to ${seqMax}, accepted ${reserved} up to ${seq}`);
    }
    return reserved - committed;
  }

  #fail(check: string, detail: string): void {
    this.#world.fail(check, detail);
  }
}

function bucketOf(sums: Sums, bucket: number): BucketSums {
  let found = sums.buckets[bucket];
  if (found === undefined) {
    found = { granted: 0, committed: 0, seqMax: 0 };
    sums.buckets[bucket] = found;
  }
  return found;
}
