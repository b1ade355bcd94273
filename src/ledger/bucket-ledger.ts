/**
 * The redis ledger: buckets decide about units that Postgres has granted to them, workers write the orders after.
 *
 * A batch is split by the buyers' home buckets and each bucket is asked once. An acceptance is answered as "queued", with
 * a promise of its commit that everybody of the same answer shares. "Empty" is never a bucket's word alone: Postgres is
 * asked first, units are brought, and what was refused is asked again. An error is never "empty": an attempt that nothing
 * is known about comes back as unknown and goes again with the same rid. How units move is relay.ts; how modes change is
 * the conductor's business.
 *
 *   attempt ─► home bucket ─► number ─────► queued ─► confirmed (201) or not in time (202)
 *                          ├► repeat ─────► Postgres: held, paid, ended, or still queued
 *                          ├► empty ──────► Postgres: units? ─► top up, ask again ─► empty | sold_out
 *                          └► other no ───► Postgres: still this epoch? ─► that no | unknown
 */
import { Fault, isFault } from "../domain/faults.ts";
import type { BuyerId, Rid } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import type { Books } from "../ports/books.ts";
import { BUCKET_VERDICTS, type BucketAnswer, type BucketEpoch, type BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitFeed } from "../ports/commit-feed.ts";
import type {
  Attempt,
  AttemptOutcome,
  BatchOutcome,
  HoldersPage,
  Ledger,
  LedgerRefusal,
  QueuedReservation,
  ReserveBatch,
  Stock,
  UnknownOutcome,
} from "../ports/ledger.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import { readBucketHolders } from "./bucket-holders.ts";
import { bucketOf } from "./bucket-of.ts";
import { readBucketStock } from "./bucket-stock.ts";
import { Confirmations } from "./confirmations.ts";
import { EmptyDesk } from "./empty-desk.ts";
import { LeaseHolder } from "./lease-holder.ts";
import type { Relay } from "./relay.ts";
import { answerRepeats, type Repeat } from "./repeats.ts";
import { saleOfItem } from "./sale-of-item.ts";
import { StallWatch } from "./stall-watch.ts";
import { Unconfirmed } from "./unconfirmed.ts";

type Outcome = AttemptOutcome | UnknownOutcome;

const REFUSED: ReadonlyMap<number, AttemptOutcome> = new Map(
  Object.entries({
    limit_reached: BUCKET_VERDICTS.limit_reached,
    not_open: BUCKET_VERDICTS.not_open,
    closed: BUCKET_VERDICTS.closed,
    paused: BUCKET_VERDICTS.paused,
    bad_quantity: BUCKET_VERDICTS.bad_quantity,
    key_reused: BUCKET_VERDICTS.key_reused,
  } satisfies Partial<Record<LedgerRefusal, number>>).map(([reason, verdict]) => [
    verdict,
    Object.freeze({ kind: "refused" as const, reason: reason as LedgerRefusal }),
  ]),
);
const EMPTY: AttemptOutcome = Object.freeze({ kind: "refused", reason: "empty" });
const SOLD_OUT: AttemptOutcome = Object.freeze({ kind: "refused", reason: "sold_out" });

/** After so long without an acceptance workers ask ever more seldom (src/orders/idle-streams.ts) and have to be woken. */
const QUIET_MS_MIN = 10;

export interface BucketLedgerParts {
  readonly store: BucketStore;
  readonly books: Books;
  readonly postgres: Pick<Ledger, "readStock" | "readHolders">;
  readonly orders: Pick<OrderStore, "listOrdersByRid">;
  readonly relay: Pick<Relay, "topUp">;
  readonly commits: CommitFeed;
  readonly sales: SaleDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nodeId: string;
  /** How long an acceptance waits for its commit before it is answered as queued. */
  readonly ackWaitMs: number;
}

/** Attempts of one bucket, with their places in the batch. */
interface Share {
  readonly sale: Sale;
  readonly address: BucketEpoch;
  readonly attempts: readonly Attempt[];
  /** Where the attempts stand in the batch; null = the share is the whole batch. */
  readonly places: readonly number[] | null;
}

/** See the head of this file. Start it before the first batch, so that hints of commits are heard. */
export class BucketLedger implements Ledger {
  readonly #parts: BucketLedgerParts;
  readonly #confirmations: Confirmations;
  readonly #unconfirmed: Unconfirmed;
  readonly #leases: LeaseHolder;
  readonly #empties: EmptyDesk;
  readonly #stalls: StallWatch;
  /** When anything was accepted last, in any bucket. */
  #acceptedAtMs = Number.NEGATIVE_INFINITY;
  #resubmit: (batch: ReserveBatch) => Promise<BatchOutcome> = (batch) => this.reserve(batch);

  constructor(parts: BucketLedgerParts) {
    this.#parts = parts;
    const { commits, clock, ackWaitMs } = parts;
    this.#unconfirmed = new Unconfirmed({ ...parts, resubmit: (batch) => this.#resubmit(batch) });
    const onUnclaimed = this.#unconfirmed.hear.bind(this.#unconfirmed);
    this.#confirmations = new Confirmations({ commits, clock, waitMs: ackWaitMs, onUnclaimed });
    this.#leases = new LeaseHolder(parts);
    this.#empties = new EmptyDesk(parts);
    this.#stalls = new StallWatch(clock);
  }

  start(): void {
    this.#confirmations.start();
    this.#unconfirmed.start();
    this.#leases.start();
  }

  /** Gives the leases back; answers that wait for their commit go out as queued. */
  async stop(): Promise<void> {
    this.#confirmations.stop();
    await Promise.all([this.#unconfirmed.stop(), this.#leases.stop()]);
  }

  /** How long ago a bucket has answered anything, refusals of a fence included; Infinity before the first answer. */
  lastAnswerAgeMs(): number {
    return this.#stalls.answerAgeMs();
  }

  /** Acceptances that were answered as queued and are not in Postgres yet, as far as this node knows. */
  unconfirmedCount(): number {
    return this.#unconfirmed.count;
  }

  /** Who takes attempts whose epoch is over: the router, which knows who decides now. */
  routeResubmissions(resubmit: (batch: ReserveBatch) => Promise<BatchOutcome>): void {
    this.#resubmit = resubmit;
  }

  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const sale = this.#parts.sales.findSale(batch.saleId);
    if (sale === null) throw new Fault("LEDGER_FENCED", { internal: `no sale ${batch.saleId} in the catalogue` });
    const shares = sharesOf(sale, batch);
    const [only] = shares;
    if (shares.length === 1 && only !== undefined) return { outcomes: await this.#decide(only), stock: null };
    const answers = await Promise.allSettled(shares.map((share) => this.#decide(share)));
    const outcomes = new Array<Outcome>(batch.attempts.length);
    let failure: unknown = null;
    let answeredCount = 0;
    for (const [index, answer] of answers.entries()) {
      const places = shares[index]?.places ?? [];
      if (answer.status === "fulfilled") answeredCount += 1;
      else failure = answer.reason;
      for (const [position, place] of places.entries()) {
        outcomes[place] =
          (answer.status === "fulfilled" ? answer.value[position] : undefined) ?? unknownBecause(failure);
      }
    }
    if (answeredCount === 0) throw failure;
    return { outcomes, stock: null };
  }

  /** Asks one bucket. Throws when it gave no answer: then nothing is known of any attempt. */
  async #decide(share: Share): Promise<Outcome[]> {
    const answer = await this.#ask(share);
    const { outcomes, empties, refusals, repeats } = this.#read(share, answer);
    if (repeats.length > 0) await this.#answerRepeats(share, answer, repeats, outcomes);
    if (refusals.length > 0) await this.#confirmRefusals(share, refusals, outcomes);
    if (empties.length > 0) await this.#answerEmpties(share, empties, outcomes);
    return outcomes;
  }

  async #ask(share: Share): Promise<BucketAnswer> {
    const { store } = this.#parts;
    const { address, attempts } = share;
    const leaseId = this.#leases.leaseOf(address);
    const call = this.#stalls.begin(address.itemId);
    try {
      const answer = await store.reserve({ ...address, leaseId, attempts });
      this.#stalls.end(call, { isAnswer: true });
      const { leaseLeft, verdicts, seqBefore } = answer;
      let acceptedUnits = 0;
      for (const [index, attempt] of attempts.entries()) {
        if ((verdicts[index] ?? 0) > seqBefore) acceptedUnits += attempt.quantity;
      }
      this.#leases.learn(address, { leaseId, leaseLeft, acceptedUnits });
      if (acceptedUnits > 0) this.#wakeWorkers(address);
      return answer;
    } catch (error) {
      const isAnswer = isFault(error, "LEDGER_FENCED") || isFault(error, "LEDGER_BUCKET_MISSING");
      this.#stalls.end(call, { isAnswer });
      throw error;
    }
  }

  /** Workers who have just been busy ask again by themselves before a hint could reach them. */
  #wakeWorkers(address: BucketEpoch): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#acceptedAtMs >= QUIET_MS_MIN) this.#parts.commits.wake(address);
    this.#acceptedAtMs = nowMs;
  }

  /** Sorts what a bucket said into what is decided and what has to be looked into. */
  #read(
    share: Share,
    answer: BucketAnswer,
  ): { outcomes: Outcome[]; empties: number[]; refusals: number[]; repeats: { index: number; repeat: Repeat }[] } {
    const { attempts } = share;
    if (answer.verdicts.length !== attempts.length) throw new Error("The bucket answered another number of attempts.");
    const outcomes = new Array<Outcome>(attempts.length);
    const empties: number[] = [];
    const refusals: number[] = [];
    const repeats: { index: number; repeat: Repeat }[] = [];
    let fresh: Outcome | null = null;
    for (const [index, attempt] of attempts.entries()) {
      const verdict = answer.verdicts[index] ?? 0;
      if (verdict > answer.seqBefore) {
        fresh ??= this.#accept(share, answer);
        outcomes[index] = fresh;
      } else if (verdict === BUCKET_VERDICTS.empty) {
        empties.push(index);
        outcomes[index] = answer.left > 0 ? { kind: "refused", reason: "empty", left: answer.left } : EMPTY;
      } else if (verdict > 0 || verdict === BUCKET_VERDICTS.known || verdict === BUCKET_VERDICTS.ended) {
        repeats.push({ index, repeat: { attempt, verdict } });
      } else {
        const refused = REFUSED.get(verdict);
        if (refused === undefined) throw new Error(`The bucket answered ${verdict}.`);
        refusals.push(index);
        outcomes[index] = refused;
      }
    }
    return { outcomes, empties, refusals, repeats };
  }

  /**
   * A bucket that was cut off goes on refusing in its epoch when Postgres has accepted the same attempt in the next one:
   * while the epoch still is what it was, no other ledger has accepted anything.
   */
  async #confirmRefusals({ address }: Share, refusals: readonly number[], outcomes: Outcome[]): Promise<void> {
    try {
      await this.#empties.askStock(address);
    } catch (error) {
      const unknown = unknownBecause(error);
      for (const index of refusals) outcomes[index] = unknown;
    }
  }

  /** One outcome for everything that the call accepted: it is one entry of the stream and one commit. */
  #accept({ sale, address, attempts }: Share, answer: BucketAnswer): AttemptOutcome {
    const { nowMs, holdMs, seqBefore, verdicts } = answer;
    const holdUntil = nowMs + holdMs;
    const lastSeq = Math.max(...verdicts);
    const confirmation = this.#confirmations.ofEntry({ ...address, lastSeq }).then((confirmed) => {
      if (confirmed === null) {
        const rows = attempts.flatMap((attempt, index) => {
          const seq = verdicts[index] ?? 0;
          return seq > seqBefore ? [{ seq, attempt }] : [];
        });
        this.#unconfirmed.add({ saleId: sale.id, address, lastSeq, acceptedAtMs: nowMs, holdUntil, rows });
      }
      return confirmed;
    });
    return { kind: "accepted", status: "queued", holdUntil, replayed: false, confirmation };
  }

  async #answerRepeats(
    { sale, address }: Share,
    answer: BucketAnswer,
    repeats: readonly { index: number; repeat: Repeat }[],
    outcomes: Outcome[],
  ): Promise<void> {
    const { store, orders, log } = this.#parts;
    const { holdMs } = answer;
    const answered = await answerRepeats(
      { store, orders, confirmations: this.#confirmations, log },
      { ...address, holdMs },
      repeats.map(({ repeat }) => repeat),
    );
    for (const [position, { index, repeat }] of repeats.entries()) {
      const outcome = answered[position];
      if (outcome === undefined) continue;
      outcomes[index] = outcome.kind === "accepted" ? this.#watch({ sale, address, holdMs }, repeat, outcome) : outcome;
    }
  }

  /** A repeat that is queued still is remembered like a fresh acceptance: its first node may be gone. */
  #watch(
    { sale, address, holdMs }: { sale: Sale; address: BucketEpoch; holdMs: number },
    { attempt, verdict }: Repeat,
    outcome: Extract<AttemptOutcome, { kind: "accepted" }>,
  ): AttemptOutcome {
    if (outcome.confirmation === undefined) return outcome;
    const { holdUntil } = outcome;
    const confirmation = outcome.confirmation.then((confirmed) => {
      const rows = [{ seq: verdict, attempt }];
      const entry = { saleId: sale.id, address, lastSeq: null, acceptedAtMs: holdUntil - holdMs, holdUntil, rows };
      if (confirmed === null) this.#unconfirmed.add(entry);
      return confirmed;
    });
    return { ...outcome, confirmation };
  }

  /** Brings units and asks again, once. What could not be found out is unknown, never empty. */
  async #answerEmpties(share: Share, empties: readonly number[], outcomes: Outcome[]): Promise<void> {
    const { sale, address, attempts } = share;
    const refused = empties.flatMap((index) => attempts[index] ?? []);
    const retried: Share = { ...share, attempts: refused, places: null };
    try {
      const again = await this.#empties.handle({ sale, address, attempts: refused }, () => this.#ask(retried));
      const { stock, answer } = again;
      if (stock.sold === stock.total) for (const index of empties) outcomes[index] = SOLD_OUT;
      if (answer === null) return;
      const read = this.#read(retried, answer);
      if (read.repeats.length > 0) await this.#answerRepeats(retried, answer, read.repeats, read.outcomes);
      if (read.refusals.length > 0) await this.#confirmRefusals(retried, read.refusals, read.outcomes);
      for (const [position, index] of empties.entries()) outcomes[index] = read.outcomes[position] ?? EMPTY;
    } catch (error) {
      const unknown = unknownBecause(error);
      for (const index of empties) outcomes[index] = unknown;
    }
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    const { store, books, postgres, sales } = this.#parts;
    const items = itemIds.flatMap((itemId) => {
      const sale = saleOfItem(sales, itemId);
      return sale === null ? [] : [{ sale, itemId }];
    });
    const stocks = await readBucketStock({ store, books, items });
    const known = new Set(stocks.map(({ itemId }) => itemId));
    const moved = items.filter(({ itemId }) => !known.has(itemId)).map(({ itemId }) => itemId);
    // Another epoch by now: what Postgres says is all there is to know, and the latch knows its epoch.
    return moved.length === 0 ? stocks : [...stocks, ...(await postgres.readStock(moved))];
  }

  async readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage> {
    const sale = saleOfItem(this.#parts.sales, request.itemId);
    if (sale === null) throw new Fault("LEDGER_FENCED", { internal: `no item ${request.itemId} in the catalogue` });
    return readBucketHolders(this.#parts, sale, request);
  }

  async findQueued(request: { rid: Rid; buyerId: BuyerId }): Promise<QueuedReservation | null> {
    const waiting = this.#unconfirmed.find(request.rid);
    if (waiting !== null) return waiting.buyerId === request.buyerId ? waiting : null;
    const { sales, store } = this.#parts;
    const inBuckets = sales.listSales().filter((sale) => sale.mode === "redis" || sale.mode === "draining");
    const found = await Promise.all(
      inBuckets.flatMap((sale) =>
        sale.items.map(async ({ itemId }): Promise<QueuedReservation | null> => {
          const bucket = bucketOf(request.buyerId, sale.buckets);
          const known = await store.findReservation({ itemId, bucket, rid: request.rid });
          if (known === null || known.hasEnded || known.acceptedAtMs === 0) return null;
          if (known.buyerId !== request.buyerId) return null;
          const { quantity, acceptedAtMs } = known;
          const holdUntil = acceptedAtMs + sale.holdMs;
          return { ...request, quantity, saleId: sale.id, itemId, acceptedAtMs, holdUntil };
        }),
      ),
    );
    return found.find((known) => known !== null) ?? null;
  }

  certainUnits(itemId: number): number | null {
    return this.#stalls.isStalled(itemId) ? this.#leases.certainUnits(itemId) : null;
  }
}

/** The batch by home buckets, each share in the order of the batch. */
function sharesOf(sale: Sale, { itemId, epoch, attempts }: ReserveBatch): Share[] {
  if (sale.buckets === 1) return [{ sale, address: { itemId, bucket: 0, epoch }, attempts, places: null }];
  const shares = new Map<number, { attempts: Attempt[]; places: number[] }>();
  for (const [place, attempt] of attempts.entries()) {
    const bucket = bucketOf(attempt.buyerId, sale.buckets);
    const share = shares.get(bucket) ?? { attempts: [], places: [] };
    shares.set(bucket, share);
    share.attempts.push(attempt);
    share.places.push(place);
  }
  return Array.from(shares, ([bucket, share]) => ({ sale, address: { itemId, bucket, epoch }, ...share }));
}

function unknownBecause(error: unknown): UnknownOutcome {
  const fault = isFault(error) ? error : new Fault("LEDGER_UNAVAILABLE", { cause: error });
  return { kind: "unknown", fault };
}
