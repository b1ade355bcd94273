/**
 * Warnings that a crowd can cause: the first one is logged, then at most one a second with how many were left out.
 *
 * When the database is down, every request of a sale meets the same fault; a line for each would cost more than the
 * requests and hide what matters. Bugs are not logged through this: each of those has an id that somebody may ask for.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";

const GAP_MS_MIN = 1_000;

interface Topic {
  loggedAtMs: number;
  left: number;
}

export class QuietLog {
  readonly #log: Log;
  readonly #clock: Clock;
  /** One entry a topic; topics are words of the code, so there are few. */
  readonly #topics = new Map<string, Topic>();

  constructor(parts: { log: Log; clock: Clock }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
  }

  /** Logs unless the topic was logged within the last second. `topic` must not come from a request. */
  warn(topic: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#topics.get(topic);
    if (known !== undefined && nowMs - known.loggedAtMs < GAP_MS_MIN) {
      known.left += 1;
      return;
    }
    this.#topics.set(topic, { loggedAtMs: nowMs, left: 0 });
    this.#log.warn({ ...fields, leftOut: known?.left ?? 0 }, message);
  }
}
