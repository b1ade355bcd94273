/**
 * Port: time. Injected everywhere, so that the production core runs under a seeded clock in tests and simulation.
 */

export interface Clock {
  /** Wall clock, whole milliseconds since the epoch. May jump; use only for instants that people agreed on. */
  nowMs(): number;
  /** Monotonic milliseconds with fraction, from an arbitrary start. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls back once after the delay. The returned function cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void;
}
