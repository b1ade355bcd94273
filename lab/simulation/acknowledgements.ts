/**
 * What buyers were told, in their own words: the only record of promises that no server can lose.
 */
import type { ReservationStatus } from "../../src/domain/reservation.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import type { SimProcess } from "./timeline.ts";

/** One rid and everything its buyer heard of it. */
export interface Acknowledged {
  readonly attempt: Attempt;
  /** "queued" until Postgres was named. */
  isConfirmed: boolean;
  /** As it was told with the first confirmed answer. */
  holdUntil: number | null;
  readonly toldAtMs: number;
  /** The nodes that told him, each in the life it had. */
  readonly witnesses: Set<SimProcess>;
}

/** See the head of this file. */
export class Ledgerbook {
  readonly accepted = new Map<string, Acknowledged>();
  /** Sessions of buyers that are not over. */
  openSessions = 0;
  /** Attempts without an answer, and all that were ever made. */
  openAsks = 0;
  asks = 0;
  /** Answers of each kind, for the report. */
  readonly counts = new Map<string, number>();

  /**
   * True when nobody is left who could know: Redis forgot, and every node that told the buyer is gone. He has his receipt,
   * and asking again with the same key decides anew.
   */
  isForgotten(rid: string, hasRedisForgotten: boolean): boolean {
    const known = this.accepted.get(rid);
    if (known === undefined || known.isConfirmed || !hasRedisForgotten) return false;
    return [...known.witnesses].every((process) => process.state === "dead");
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Writes an acceptance down; answers what contradicts an earlier one. */
  accept(
    attempt: Attempt,
    answer: { readonly status: ReservationStatus; readonly holdUntil: number },
    told: { readonly by: SimProcess; readonly atMs: number },
  ): string | null {
    const isConfirmed = answer.status !== "queued";
    const known = this.accepted.get(attempt.rid);
    if (known === undefined) {
      const holdUntil = isConfirmed ? answer.holdUntil : null;
      const witnesses = new Set([told.by]);
      this.accepted.set(attempt.rid, { attempt, isConfirmed, holdUntil, toldAtMs: told.atMs, witnesses });
      return null;
    }
    known.witnesses.add(told.by);
    // A node that cannot ask Postgres knows of its own acceptance only that it was one.
    if (!isConfirmed) return null;
    const before = known.holdUntil;
    known.isConfirmed = true;
    known.holdUntil ??= answer.holdUntil;
    return before !== null && before !== answer.holdUntil ? `held until ${before}, now ${answer.holdUntil}` : null;
  }
}
