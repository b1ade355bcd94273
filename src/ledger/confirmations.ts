/**
 * Waiting for the commit: turns hints of the workers into the answers that stage 7 waits for.
 *
 * One promise for everything that a bucket accepted in one call, because it travels to Postgres as one entry. A hint may
 * be quicker than the answer it belongs to, so hints that nobody waits for are kept for a while; a hint may be lost, so
 * everybody waits only until a deadline, which one timer keeps for all. Nothing here is truth: who hears null asks
 * Postgres, later, or tells the buyer that his reservation is queued.
 */
import type { BucketEpoch } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitFeed, CommitHint } from "../ports/commit-feed.ts";
import type { Confirmation } from "../ports/ledger.ts";
import { bucketKey, entryKey } from "./bucket-key.ts";

/** Hints that came before anybody waited for them; the oldest are forgotten. */
export const EARLY_HINTS_MAX = 4_096;

interface Waiter {
  readonly deadlineMs: number;
  readonly resolve: (confirmation: Confirmation | null) => void;
  /** Forgets the waiter; called once, by its hint or by its deadline. */
  readonly forget: () => void;
  isDone: boolean;
}

export interface ConfirmationsParts {
  readonly commits: Pick<CommitFeed, "subscribe">;
  readonly clock: Clock;
  /** How long an answer waits for its commit. 0 = not at all. */
  readonly waitMs: number;
  /** Hears each hint that nobody waited for: too late, or somebody else's. Must not throw. */
  readonly onUnclaimed?: (hint: CommitHint) => void;
}

/** See the head of this file. */
export class Confirmations {
  readonly #parts: ConfirmationsParts;
  readonly #byEntry = new Map<string, Waiter[]>();
  readonly #bySeq = new Map<string, Map<number, Waiter[]>>();
  readonly #early = new Map<string, CommitHint>();
  /** In the order of their deadlines, because everybody waits equally long. */
  #queue: Waiter[] = [];
  #cancelTimer: (() => void) | null = null;
  #unsubscribe: (() => void) | null = null;

  constructor(parts: ConfirmationsParts) {
    this.#parts = parts;
  }

  /** Answers that wait now. */
  get waitingCount(): number {
    return this.#queue.reduce((count, waiter) => count + (waiter.isDone ? 0 : 1), 0);
  }

  start(): void {
    this.#unsubscribe ??= this.#parts.commits.subscribe((hint) => this.#hear(hint));
  }

  /** Everybody who waits hears null. */
  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const waiter of this.#queue) finish(waiter, null);
    this.#queue = [];
  }

  /** What became of an entry of a bucket's stream; null when nobody said so in time. Never rejects. */
  ofEntry(entry: BucketEpoch & { readonly lastSeq: number }): Promise<Confirmation | null> {
    const key = entryKey(entry, entry.lastSeq);
    const early = this.#early.get(key);
    if (early !== undefined) {
      this.#early.delete(key);
      return Promise.resolve(confirmationOf(early));
    }
    return this.#wait((waiter) => {
      this.#byEntry.set(key, [...(this.#byEntry.get(key) ?? []), waiter]);
      return () => removeFrom(this.#byEntry, key, waiter);
    });
  }

  /**
   * What becomes of one sequence number whose entry is not known. Ask before asking Postgres: then what is not there is
   * still to come.
   */
  ofSeq(place: BucketEpoch & { readonly seq: number }): Promise<Confirmation | null> {
    const key = bucketKey(place);
    return this.#wait((waiter) => {
      const seqs = this.#bySeq.get(key) ?? new Map<number, Waiter[]>();
      this.#bySeq.set(key, seqs);
      seqs.set(place.seq, [...(seqs.get(place.seq) ?? []), waiter]);
      return () => {
        removeFrom(seqs, place.seq, waiter);
        if (seqs.size === 0 && this.#bySeq.get(key) === seqs) this.#bySeq.delete(key);
      };
    });
  }

  #wait(register: (waiter: Waiter) => () => void): Promise<Confirmation | null> {
    const { clock, waitMs } = this.#parts;
    if (waitMs <= 0 || this.#unsubscribe === null) return Promise.resolve(null);
    return new Promise((resolve) => {
      let forget: () => void = () => undefined;
      const deadlineMs = clock.monotonicMs() + waitMs;
      const waiter: Waiter = { deadlineMs, resolve, forget: () => forget(), isDone: false };
      forget = register(waiter);
      this.#queue.push(waiter);
      this.#watchDeadlines();
    });
  }

  #hear(hint: CommitHint): void {
    const key = entryKey(hint, hint.lastSeq);
    const waiting = this.#byEntry.get(key);
    const confirmation = confirmationOf(hint);
    if (waiting === undefined) {
      this.#keepEarly(key, hint);
      this.#parts.onUnclaimed?.(hint);
    } else {
      for (const waiter of waiting) finish(waiter, confirmation);
    }
    const seqs = this.#bySeq.get(bucketKey(hint));
    if (seqs === undefined) return;
    for (const [seq, waiters] of [...seqs]) {
      if (seq < hint.firstSeq || seq > hint.lastSeq) continue;
      for (const each of waiters) finish(each, confirmation);
    }
  }

  #keepEarly(key: string, hint: CommitHint): void {
    this.#early.set(key, hint);
    if (this.#early.size <= EARLY_HINTS_MAX) return;
    const oldest = this.#early.keys().next();
    if (oldest.done !== true) this.#early.delete(oldest.value);
  }

  /** One timer, for the first deadline. Those that were answered meanwhile leave the queue with it. */
  #watchDeadlines(): void {
    const { clock } = this.#parts;
    const first = this.#queue[0];
    if (this.#cancelTimer !== null || first === undefined) return;
    this.#cancelTimer = clock.setTimer(Math.max(0, first.deadlineMs - clock.monotonicMs()), () => {
      this.#cancelTimer = null;
      const nowMs = clock.monotonicMs();
      const waiting = this.#queue.findIndex((waiter) => !waiter.isDone && waiter.deadlineMs > nowMs);
      const over = waiting === -1 ? this.#queue : this.#queue.slice(0, waiting);
      this.#queue = waiting === -1 ? [] : this.#queue.slice(waiting);
      for (const waiter of over) finish(waiter, null);
      this.#watchDeadlines();
    });
  }
}

function finish(waiter: Waiter, confirmation: Confirmation | null): void {
  if (waiter.isDone) return;
  waiter.isDone = true;
  waiter.forget();
  waiter.resolve(confirmation);
}

function removeFrom<Key>(waiters: Map<Key, Waiter[]>, key: Key, waiter: Waiter): void {
  const others = (waiters.get(key) ?? []).filter((other) => other !== waiter);
  if (others.length > 0) waiters.set(key, others);
  else waiters.delete(key);
}

/** Null when not all of the entry became holds: each buyer must be told his own. */
function confirmationOf(hint: CommitHint): Confirmation | null {
  return hint.holdUntil === null ? null : { status: "held", holdUntil: hint.holdUntil };
}
