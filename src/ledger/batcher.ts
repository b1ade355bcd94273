/**
 * The batcher of one item: attempts that arrive while a flush is in flight leave together in the next one.
 *
 * One transaction for up to 256 attempts is what makes a durable answer affordable. The one thing to know: an outcome
 * that is not known is never guessed. A flush without an answer is sent again with the same rids; when that does not
 * help either, its attempts end as LEDGER_UNAVAILABLE and nothing is compensated, because the ledger may have them. A
 * refusal is one only when no earlier call for the attempt is still open: that call might accept it afterwards. An
 * attempt that ends as LEDGER_OVERLOADED was never sent. Stock and limits are the ledger's.
 *
 * Fairness is arrival order, as long as the queue moves. When its oldest attempt has waited too long (the ledger stalled),
 * the newest go first: serving everybody in order would answer everybody too late, and the newest are still there. Who
 * waits longer than the deadline is told so, whether or not a flight is free to notice. Retries have a budget: while the
 * ledger answers nobody, sending everything three times would keep it down.
 *
 *   submit → ready ──take ≤ 256──► flight ──answer──► settled
 *      └──► parked (same buyer) ──┘   └─ no answer: same rids again, ≤ 2 times ─► LEDGER_UNAVAILABLE
 */
import { Fault, isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import { RetryBudget } from "../domain/retry-budget.ts";
import type { Clock } from "../ports/clock.ts";
import type { Attempt, AttemptOutcome, BatchOutcome, Ledger } from "../ports/ledger.ts";
import type { Random } from "../ports/random.ts";
import { AttemptQueue, type PendingAttempt } from "./attempt-queue.ts";

/** Attempts in one transaction. */
export const BATCH_ATTEMPTS_MAX = 256;
/** Flushes of one item under way at once: one decides while the next one travels. */
export const FLIGHTS_MAX = 2;
/** How long a lone attempt waits for company. */
export const GATHER_MS = 1;
/** Callers waiting for an answer of one item; beyond it the batcher is overloaded. */
export const PENDING_MAX = 16_384;
/** An attempt that waited longer than this for its flush is not sent any more. */
export const QUEUE_WAIT_MS_MAX = 3_000;
/** A queue whose oldest attempt has waited longer than this is behind: the newest go first until it has caught up. */
export const BEHIND_MS = 300;
/** One call of the ledger without an answer after this counts as unknown. */
export const CALL_DEADLINE_MS = 2_000;
/** Calls for the same rids: the first, and two more. */
export const TRIES_MAX = 3;
/** No further try starts later than this after the first. */
export const FLIGHT_MS_MAX = 4_000;
/** Calls that may be open, those included whose answer nobody waits for any more. */
export const CALLS_OPEN_MAX = 8;
/** Units that are waited for although the ledger stalls and nothing is certain: somebody must find out that it is back. */
export const STALLED_UNITS_MIN = 8;

/** Retries of calls without an answer: one in ten, one more a second, and some for a short failure under load. */
export const RETRY_BUDGET = { perTry: 0.1, perS: 1, savedMax: 20 };

const RETRY_DELAY_MS = 50;

/** Attempts on their way, through one call or several. */
interface Flight {
  /** Calls that were given up and may still be decided. */
  openCalls: number;
}

/** What a flush taught, for the latch and for the concurrency limit. Times are monotonic. */
export interface FlushReport {
  readonly attempts: readonly Attempt[];
  /** Null when the ledger gave no answer. */
  readonly answer: BatchOutcome | null;
  /** When the answered call began: the answer may be as old as that. */
  readonly askedAtMs: number;
  /** From the arrival of the oldest attempt until now. */
  readonly latencyMs: number;
  /** How long the oldest attempt that is still in the queue has waited; 0 when there is none. */
  readonly oldestWaitingMs: number;
}

export interface BatcherParts {
  readonly ledger: Pick<Ledger, "reserve" | "certainUnits">;
  readonly clock: Clock;
  readonly random: Random;
  readonly saleId: SaleId;
  readonly itemId: number;
  /** The sale's epoch as this node knows it. */
  readonly epoch: () => number;
  /** Reads the epoch again after the ledger said that ours is old. */
  readonly refreshEpoch: () => Promise<void>;
  /** Called before the attempts of the flush get their answers. Must not throw. */
  readonly onFlush: (report: FlushReport) => void;
}

/** See the head of this file. */
export class Batcher {
  readonly #parts: BatcherParts;
  readonly #queue = new AttemptQueue();
  readonly #retries = new RetryBudget(RETRY_BUDGET);
  #flightCount = 0;
  #callCount = 0;
  #cancelGather: (() => void) | null = null;
  #cancelDeadline: (() => void) | null = null;

  constructor(parts: BatcherParts) {
    this.#parts = parts;
  }

  /** Callers without an answer yet. */
  get pendingCount(): number {
    return this.#queue.pendingCount;
  }

  /** Flushes under way. */
  get flightCount(): number {
    return this.#flightCount;
  }

  /**
   * The ledger's outcome. The identical attempt twice at once shares one outcome, the later one as a replay. Rejects with
   * LEDGER_OVERLOADED (certainly not reserved) or LEDGER_UNAVAILABLE (unknown: ask again with the same rid).
   */
  submit(attempt: Attempt): Promise<AttemptOutcome> {
    if (this.#queue.pendingCount >= PENDING_MAX) return Promise.reject(new Fault("LEDGER_OVERLOADED"));
    const certainUnits = this.#parts.ledger.certainUnits?.(this.#parts.itemId) ?? null;
    if (certainUnits !== null && this.#queue.pendingUnits >= Math.max(certainUnits, STALLED_UNITS_MIN)) {
      return Promise.reject(new Fault("LEDGER_OVERLOADED", { internal: "the ledger stalls, and no more is certain" }));
    }
    const outcome = this.#queue.add(attempt, this.#parts.clock.monotonicMs());
    this.#schedule();
    return outcome;
  }

  /** Flushes at once when a batch is full or has waited long enough, else when the gathering time is over. */
  #schedule(): void {
    if (this.#queue.readyCount === 0) return;
    if (this.#flightCount >= FLIGHTS_MAX) {
      this.#watchDeadline();
      return;
    }
    const waitedMs = this.#parts.clock.monotonicMs() - this.#queue.oldestReadyAtMs;
    if (this.#queue.readyCount >= BATCH_ATTEMPTS_MAX || waitedMs >= GATHER_MS) {
      this.#flush();
      return;
    }
    this.#cancelGather ??= this.#parts.clock.setTimer(GATHER_MS, () => {
      this.#cancelGather = null;
      if (this.#flightCount < FLIGHTS_MAX && this.#queue.readyCount > 0) this.#flush();
    });
  }

  /** While no flight is free, somebody has to tell those whose time is over. */
  #watchDeadline(): void {
    if (this.#cancelDeadline !== null) return;
    const { clock } = this.#parts;
    const inMs = this.#queue.oldestReadyAtMs + QUEUE_WAIT_MS_MAX - clock.monotonicMs();
    this.#cancelDeadline = clock.setTimer(Math.max(GATHER_MS, inMs + GATHER_MS), () => {
      this.#cancelDeadline = null;
      this.#take({ attemptsMax: 0, newestFirst: false });
      this.#schedule();
    });
  }

  #flush(): void {
    this.#cancelGather?.();
    this.#cancelGather = null;
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
    const waitedMs = this.#parts.clock.monotonicMs() - this.#queue.oldestReadyAtMs;
    const batch = this.#take({ attemptsMax: BATCH_ATTEMPTS_MAX, newestFirst: waitedMs > BEHIND_MS });
    if (batch.length === 0) {
      this.#schedule();
      return;
    }
    this.#flightCount += 1;
    void this.#fly(batch).finally(() => {
      this.#flightCount -= 1;
      this.#schedule();
    });
    this.#schedule();
  }

  /** The next batch. Those whose time is over are told on the way. */
  #take(which: { readonly attemptsMax: number; readonly newestFirst: boolean }): PendingAttempt[] {
    const notBeforeMs = this.#parts.clock.monotonicMs() - QUEUE_WAIT_MS_MAX;
    const { batch, expired } = this.#queue.take({ ...which, notBeforeMs });
    for (const pending of expired) {
      this.#queue.fail(pending, new Fault("LEDGER_OVERLOADED", { internal: "waited too long for a flush" }));
    }
    return batch;
  }

  /** Takes a batch to its end: every attempt of it is settled or failed when this resolves. Never rejects. */
  async #fly(batch: readonly PendingAttempt[]): Promise<void> {
    const endsAtMs = this.#parts.clock.monotonicMs() + FLIGHT_MS_MAX;
    const flight: Flight = { openCalls: 0 };
    let waiting = batch;
    let failure: unknown = null;
    this.#retries.earn();
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const askedAtMs = this.#parts.clock.monotonicMs();
      if (tries > 1 && askedAtMs >= endsAtMs) break;
      try {
        const answer = await this.#call(waiting, flight);
        const unknown = this.#settle(waiting, answer, { askedAtMs, mayStillAccept: flight.openCalls > 0 });
        if (unknown.pending.length === 0) return;
        waiting = unknown.pending;
        failure = unknown.fault;
      } catch (error) {
        failure = error;
      }
      if (!isFault(failure) || !failure.retryable) break;
      if (tries < TRIES_MAX && !this.#maySendAgain(failure)) break;
      if (tries < TRIES_MAX) await this.#prepareNextTry(failure);
    }
    await this.#abandon(waiting, failure);
  }

  /** One call, answered or given up in time. An answer that comes later is not used: the same rids are asked again. */
  #call(batch: readonly PendingAttempt[], flight: Flight): Promise<BatchOutcome> {
    const { ledger, clock, saleId, itemId } = this.#parts;
    if (this.#callCount >= CALLS_OPEN_MAX) {
      return Promise.reject(new Fault("LEDGER_UNAVAILABLE", { internal: "too many calls without an answer" }));
    }
    this.#callCount += 1;
    const attempts = batch.map((pending) => pending.attempt);
    return new Promise((resolve, reject) => {
      let isGivenUp = false;
      const cancel = clock.setTimer(CALL_DEADLINE_MS, () => {
        isGivenUp = true;
        flight.openCalls += 1;
        reject(new Fault("LEDGER_UNAVAILABLE", { internal: "no answer in time" }));
      });
      ledger
        .reserve({ saleId, itemId, epoch: this.#parts.epoch(), attempts })
        .then(resolve, reject)
        .finally(() => {
          cancel();
          if (isGivenUp) flight.openCalls -= 1;
          this.#callCount -= 1;
        });
    });
  }

  /** A fenced call cost the ledger nothing and is answered at once by the next one: no budget is needed for it. */
  #maySendAgain(fault: Fault): boolean {
    return fault.code === "LEDGER_FENCED" || this.#retries.spend(this.#parts.clock.monotonicMs());
  }

  /** Fenced: nothing happened, the epoch is read again. Otherwise: a short, spread wait. */
  async #prepareNextTry(fault: Fault): Promise<void> {
    const { clock, random } = this.#parts;
    const isFenced = fault.code === "LEDGER_FENCED";
    const refreshed = isFenced ? this.#parts.refreshEpoch().catch((error: unknown) => error) : null;
    const delayMs = isFenced ? CALL_DEADLINE_MS : RETRY_DELAY_MS * (1 + random.fraction());
    await new Promise<void>((resolve) => {
      const cancel = clock.setTimer(delayMs, resolve);
      void refreshed?.then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Gives everybody his answer; what the ledger does not know about comes back, to be asked again. */
  #settle(
    batch: readonly PendingAttempt[],
    answer: BatchOutcome,
    call: { readonly askedAtMs: number; readonly mayStillAccept: boolean },
  ): { pending: readonly PendingAttempt[]; fault: Fault | null } {
    if (answer.outcomes.length !== batch.length) throw new Error("The ledger answered another number of attempts.");
    this.#report(batch, answer, call.askedAtMs);
    const unknown: { pending: PendingAttempt[]; fault: Fault | null } = { pending: [], fault: null };
    for (const [index, pending] of batch.entries()) {
      const outcome = answer.outcomes[index];
      if (outcome === undefined) continue;
      if (outcome.kind === "unknown") {
        unknown.pending.push(pending);
        unknown.fault = outcome.fault;
      } else if (outcome.kind === "refused" && call.mayStillAccept) {
        unknown.pending.push(pending);
        unknown.fault = new Fault("LEDGER_UNAVAILABLE", { internal: "an earlier call is still open" });
      } else {
        this.#queue.settle(pending, outcome, call.askedAtMs);
      }
    }
    return unknown;
  }

  /** The tries are used up, or the ledger refused the batch as such: then the bad attempt is found by halving. */
  async #abandon(batch: readonly PendingAttempt[], failure: unknown): Promise<void> {
    const isRefused = isFault(failure, "DATABASE_REFUSED");
    if (isRefused && batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      await this.#fly(batch.slice(0, half));
      await this.#fly(batch.slice(half));
      return;
    }
    this.#report(batch, null, this.#parts.clock.monotonicMs());
    const isKnown = isFault(failure) && failure.retryable;
    const error = isKnown || failure === null ? new Fault("LEDGER_UNAVAILABLE", { cause: failure }) : failure;
    for (const pending of batch) this.#queue.fail(pending, error);
  }

  #report(batch: readonly PendingAttempt[], answer: BatchOutcome | null, askedAtMs: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const oldestAtMs = batch.reduce((oldest, pending) => Math.min(oldest, pending.arrivedAtMs), nowMs);
    const attempts = batch.map((pending) => pending.attempt);
    const oldestWaitingMs = this.#queue.readyCount === 0 ? 0 : nowMs - this.#queue.oldestReadyAtMs;
    this.#parts.onFlush({ attempts, answer, askedAtMs, latencyMs: nowMs - oldestAtMs, oldestWaitingMs });
  }
}
