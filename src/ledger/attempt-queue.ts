/**
 * The attempts of one item that have no answer yet, in the order in which they may be sent.
 *
 * A batch may hold one attempt per buyer (and so per rid), therefore at most one attempt of a buyer is ready; his others
 * are parked behind it. The identical attempt is not queued twice: it joins the one that is already there, also while
 * that is in flight; but a refusal that was decided before somebody joined is not his, and he is asked for anew. No step
 * takes longer for one buyer's thousands of attempts. Whether the oldest or the newest go first is the batcher's choice;
 * a buyer's own attempts keep their order either way.
 */
import type { Attempt, AttemptOutcome } from "../ports/ledger.ts";

interface Caller {
  /** Monotonic. */
  readonly joinedAtMs: number;
  readonly resolve: (outcome: AttemptOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** An attempt with those who wait for its answer. */
export interface PendingAttempt {
  readonly attempt: Attempt;
  /** Monotonic. */
  readonly arrivedAtMs: number;
  /** The first is who asked first; the others get the outcome as a replay. */
  readonly callers: Caller[];
}

/** Which attempts {@link AttemptQueue.take} takes. */
export interface TakeBounds {
  readonly attemptsMax: number;
  readonly notBeforeMs: number;
  readonly newestFirst: boolean;
}

/** See the head of this file. Bounded by its owner, who looks at {@link pendingCount}. */
export class AttemptQueue {
  #ready: PendingAttempt[] = [];
  readonly #readyBuyers = new Set<string>();
  readonly #parked = new Map<string, PendingAttempt[]>();
  readonly #byRid = new Map<string, PendingAttempt>();
  #pendingCount = 0;
  #pendingUnits = 0;

  /** Callers without an answer. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Units that the attempts without an answer ask for. */
  get pendingUnits(): number {
    return this.#pendingUnits;
  }

  /** Attempts that could be sent now. */
  get readyCount(): number {
    return this.#ready.length;
  }

  /** When the first of the ready ones arrived; only with {@link readyCount} above zero. */
  get oldestReadyAtMs(): number {
    return this.#ready[0]?.arrivedAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** Queues an attempt, or joins the identical one. */
  add(attempt: Attempt, arrivedAtMs: number): Promise<AttemptOutcome> {
    this.#pendingCount += 1;
    return new Promise((resolve, reject) => {
      const caller = { joinedAtMs: arrivedAtMs, resolve, reject };
      const known = this.#byRid.get(attempt.rid);
      if (known !== undefined && isSameAttempt(known.attempt, attempt)) known.callers.push(caller);
      else this.#queue({ attempt, arrivedAtMs, callers: [caller] });
    });
  }

  #queue(pending: PendingAttempt): void {
    const { rid, buyerId, quantity } = pending.attempt;
    this.#pendingUnits += quantity;
    // The same rid with another quantity goes to the ledger by itself, which answers key_reused.
    if (!this.#byRid.has(rid)) this.#byRid.set(rid, pending);
    if (this.#readyBuyers.has(buyerId)) this.#park(pending);
    else this.#makeReady(pending);
  }

  /**
   * Takes the next attempts, in order of arrival: the oldest ones, or with `newestFirst` the newest. Those that arrived
   * before `notBeforeMs` come back as expired.
   */
  take(bounds: TakeBounds): { batch: PendingAttempt[]; expired: PendingAttempt[] } {
    const expired = this.#takeExpired(bounds.notBeforeMs);
    const count = Math.min(bounds.attemptsMax, this.#ready.length);
    const start = bounds.newestFirst ? this.#ready.length - count : 0;
    const batch: PendingAttempt[] = [];
    for (const pending of this.#ready.splice(start, count)) {
      // One that was parked for long may stand behind younger ones.
      (pending.arrivedAtMs < bounds.notBeforeMs ? expired : batch).push(pending);
    }
    // Each buyer's next one is ready only now: it goes into a later batch.
    for (const pending of expired) this.#unpark(pending.attempt.buyerId);
    for (const pending of batch) this.#unpark(pending.attempt.buyerId);
    return { batch, expired };
  }

  #takeExpired(notBeforeMs: number): PendingAttempt[] {
    const firstInTime = this.#ready.findIndex((pending) => pending.arrivedAtMs >= notBeforeMs);
    return this.#ready.splice(0, firstInTime === -1 ? this.#ready.length : firstInTime);
  }

  /**
   * Gives the outcome to everybody who asked. `askedAtMs` is when the call that answered began: who joined after that may
   * have been accepted elsewhere since, so a refusal as old as the call is not the answer to him. He is queued again.
   */
  settle(pending: PendingAttempt, outcome: AttemptOutcome, askedAtMs: number): void {
    this.#forget(pending);
    if (outcome.kind === "accepted") {
      const [first, ...others] = pending.callers;
      first?.resolve(outcome);
      if (others.length > 0) for (const caller of others) caller.resolve({ ...outcome, replayed: true });
      return;
    }
    const late: Caller[] = [];
    for (const caller of pending.callers) {
      if (caller.joinedAtMs > askedAtMs) late.push(caller);
      else caller.resolve(outcome);
    }
    const [first] = late;
    if (first === undefined) return;
    this.#pendingCount += late.length;
    this.#queue({ attempt: pending.attempt, arrivedAtMs: first.joinedAtMs, callers: late });
  }

  /** Tells everybody who asked that there is no outcome. */
  fail(pending: PendingAttempt, error: unknown): void {
    this.#forget(pending);
    for (const caller of pending.callers) caller.reject(error);
  }

  #forget(pending: PendingAttempt): void {
    this.#pendingCount -= pending.callers.length;
    this.#pendingUnits -= pending.attempt.quantity;
    if (this.#byRid.get(pending.attempt.rid) === pending) this.#byRid.delete(pending.attempt.rid);
  }

  #makeReady(pending: PendingAttempt): void {
    this.#readyBuyers.add(pending.attempt.buyerId);
    this.#ready.push(pending);
  }

  #park(pending: PendingAttempt): void {
    const { buyerId } = pending.attempt;
    const parked = this.#parked.get(buyerId);
    if (parked === undefined) this.#parked.set(buyerId, [pending]);
    else parked.push(pending);
  }

  #unpark(buyerId: string): void {
    this.#readyBuyers.delete(buyerId);
    const parked = this.#parked.get(buyerId);
    const next = parked?.shift();
    if (parked?.length === 0) this.#parked.delete(buyerId);
    if (next !== undefined) this.#makeReady(next);
  }
}

function isSameAttempt(left: Attempt, right: Attempt): boolean {
  return left.quantity === right.quantity && left.buyerId === right.buyerId;
}
