/**
 * Who may use the one session of the embedded database next: the hot path before everybody else.
 *
 * In one queue a flush of 200 attempts waits behind 70 statements of checkouts, and a sale that could be decided in two
 * seconds takes fifteen. So there are two lanes. The general lane is not starved: after HOT_IN_ROW_MAX hot turns it gets
 * one, and a general statement is short. Real PostgreSQL needs none of this: there the hot path has connections of its own.
 */
import { Fault } from "../../domain/faults.ts";

/** Hot turns in a row while somebody waits in the general lane. */
export const HOT_IN_ROW_MAX = 4;
/** Whoever waited this long for a turn is told that the database is not available; nothing was sent. */
export const TURN_WAIT_MS_MAX = 3_000;
/** Waiting statements of both lanes; beyond it the newcomer is turned away at once. */
export const TURNS_WAITING_MAX = 4_096;

export type Lane = "hot" | "general";

interface Waiter {
  readonly begin: () => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Gives out turns, one at a time. */
export class SessionTurns {
  readonly #waiting: Record<Lane, Set<Waiter>> = { hot: new Set(), general: new Set() };
  #isTaken = false;
  #hotInRow = 0;

  /** Runs the work when its turn has come, and passes the turn on when the work has settled. */
  async run<Result>(lane: Lane, work: () => Promise<Result>): Promise<Result> {
    if (this.#isTaken) await this.#wait(lane);
    else this.#isTaken = true;
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  #wait(lane: Lane): Promise<void> {
    const { hot, general } = this.#waiting;
    if (hot.size + general.size >= TURNS_WAITING_MAX) return Promise.reject(noTurn("too many statements are waiting"));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        begin: () => {
          clearTimeout(waiter.timer);
          resolve();
        },
        timer: setTimeout(() => {
          this.#waiting[lane].delete(waiter);
          reject(noTurn(`no turn within ${TURN_WAIT_MS_MAX} ms`));
        }, TURN_WAIT_MS_MAX),
      };
      this.#waiting[lane].add(waiter);
    });
  }

  /** The turn goes from hand to hand: it is never free while somebody waits, so nobody can slip in between. */
  #passOn(): void {
    const { hot, general } = this.#waiting;
    const isGeneralDue = general.size > 0 && (hot.size === 0 || this.#hotInRow >= HOT_IN_ROW_MAX);
    const lane = isGeneralDue ? general : hot;
    const [next] = lane;
    this.#hotInRow = lane === hot && next !== undefined ? this.#hotInRow + 1 : 0;
    if (next === undefined) {
      this.#isTaken = false;
      return;
    }
    lane.delete(next);
    next.begin();
  }
}

function noTurn(internal: string): Fault {
  return new Fault("DATABASE_UNAVAILABLE", { internal });
}
