/**
 * Tells the push hubs that there is news, at most so often, however many commits there are.
 */
import type { Books } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";

const HINT_INTERVAL_MS = 100;

/** Collects occasions; the first is told at once, those that follow within the interval together. */
export class EventHints {
  readonly #parts: { readonly books: Pick<Books, "hintEvents">; readonly clock: Clock; readonly log: Log };
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | null = null;

  constructor(parts: { books: Pick<Books, "hintEvents">; clock: Clock; log: Log }) {
    this.#parts = parts;
  }

  /** Something was committed that a page may wait for. */
  note(): void {
    if (this.#cancelTimer !== null) return;
    const waitMs = this.#toldAtMs + HINT_INTERVAL_MS - this.#parts.clock.monotonicMs();
    if (waitMs <= 0) {
      this.#tell();
      return;
    }
    this.#cancelTimer = this.#parts.clock.setTimer(waitMs, () => this.#tell());
  }

  /** Tells what is still untold. */
  stop(): void {
    if (this.#cancelTimer === null) return;
    this.#cancelTimer();
    this.#tell();
  }

  /** A hint that is lost is no harm: pages poll after a while. */
  #tell(): void {
    const { books, clock, log } = this.#parts;
    this.#cancelTimer = null;
    this.#toldAtMs = clock.monotonicMs();
    books.hintEvents().catch((error: unknown) => log.debug({ error }, "pages could not be told of new events"));
  }
}
