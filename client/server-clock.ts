/**
 * The server's time on this device: measured, corrected for the round trip, and honest about its error.
 *
 * Only the server opens a sale; this is for countdowns and for timestamps under signatures. The reading with the
 * shortest round trip wins, because its error (half the round trip) is the smallest. Runs on the monotonic clock from
 * there, so that a device whose wall clock is changed keeps counting correctly.
 */

/** What is known about the server's time. */
export interface ClockReading {
  /** Server time minus the device's wall clock. */
  readonly offsetMs: number;
  /** The true offset is within this of `offsetMs`. */
  readonly errorMs: number;
  readonly roundTripMs: number;
}

interface Sample {
  readonly serverMs: number;
  readonly monotonicMs: number;
  readonly roundTripMs: number;
}

export interface ServerClockParts {
  /** Asks the server for its time. */
  readonly askServer: () => Promise<number>;
  readonly now: () => number;
  readonly monotonic: () => number;
}

/** The server tells whole milliseconds. */
const RESOLUTION_MS = 1;
const SAMPLES = 5;

/** Keeps the best sample of the server's time. Before the first one it trusts the device. */
export class ServerClock {
  readonly #parts: ServerClockParts;
  #best: Sample | null = null;

  constructor(parts: ServerClockParts) {
    this.#parts = parts;
  }

  /** Measures afresh and forgets earlier samples. Throws only when not a single sample could be had. */
  async sync(samples: number = SAMPLES): Promise<ClockReading> {
    let best: Sample | null = null;
    let failure: unknown = null;
    for (let count = 0; count < samples; count += 1) {
      try {
        const sample = await this.#sample();
        if (best === null || sample.roundTripMs < best.roundTripMs) best = sample;
      } catch (error) {
        failure = error;
      }
    }
    if (best === null) throw new Error("The server's time could not be read.", { cause: failure });
    this.#best = best;
    return this.#readingOf(best);
  }

  /** The last reading; null before the first {@link sync}. */
  reading(): ClockReading | null {
    return this.#best === null ? null : this.#readingOf(this.#best);
  }

  /** The server's time now, milliseconds since the epoch, with fraction. */
  now(): number {
    if (this.#best === null) return this.#parts.now();
    return this.#best.serverMs + (this.#parts.monotonic() - this.#best.monotonicMs);
  }

  async #sample(): Promise<Sample> {
    const sentAtMs = this.#parts.monotonic();
    const serverMs = await this.#parts.askServer();
    const roundTripMs = this.#parts.monotonic() - sentAtMs;
    // The server cuts to whole milliseconds: on average half of one is missing.
    return { serverMs: serverMs + RESOLUTION_MS / 2, monotonicMs: sentAtMs + roundTripMs / 2, roundTripMs };
  }

  #readingOf(sample: Sample): ClockReading {
    const serverNowMs = sample.serverMs + (this.#parts.monotonic() - sample.monotonicMs);
    return {
      offsetMs: serverNowMs - this.#parts.now(),
      errorMs: sample.roundTripMs / 2 + RESOLUTION_MS / 2,
      roundTripMs: sample.roundTripMs,
    };
  }
}
