/**
 * The ramp: a ledger that was away, or a node that starts into a crowd, gets its work back little by little.
 *
 * Everybody who waited for the ledger comes at once when it is back, and would push it over again. So the limit begins
 * at a twentieth and grows evenly. A node that starts in peace needs none of it: it watches for a moment whether
 * attempts press, and forgets about the ramp when they do not.
 *
 * all → little: no flush was answered for AWAY_MS, or the node has just become warm.
 * little → growing: the first answer after that; or attempts that press while the node watches.
 * growing → all: after `rampMs`. From watching: after WATCH_MS without pressing.
 */
import type { Clock } from "../../ports/clock.ts";

/** A ledger without an answer for this long was away. */
export const AWAY_MS = 2_000;
/** How long a node that has just started watches whether attempts press. */
export const WATCH_MS = 1_000;
/** Where the ramp begins. */
export const RAMP_FRACTION_MIN = 0.05;
/** Attempts in flight that always pass: fewer would not keep one batch together. */
export const RAMP_ATTEMPTS_MIN = 64;

type State =
  | { readonly kind: "all" }
  | { readonly kind: "watching"; readonly sinceMs: number }
  | { readonly kind: "away" }
  | { readonly kind: "growing"; readonly sinceMs: number };

const ALL: State = { kind: "all" };

/** See the head of this file. */
export class Ramp {
  readonly #clock: Clock;
  readonly #rampMs: number;
  #state: State = ALL;
  /** When the oldest attempt came that the ledger has not answered since; null = it answers. */
  #awaySinceMs: number | null = null;
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: { clock: Clock; rampMs: number }) {
    this.#clock = parts.clock;
    this.#rampMs = parts.rampMs;
  }

  /** The node has just become warm. */
  begin(): void {
    if (this.#rampMs > 0) this.#state = { kind: "watching", sinceMs: this.#clock.monotonicMs() };
  }

  /** Whether one more attempt may go to the ledger, given the limit that holds without the ramp. */
  admits(load: { readonly inFlight: number; readonly limit: number }): boolean {
    if (this.#state === ALL) return true;
    const fraction = this.#fraction();
    if (fraction >= 1) {
      this.#state = ALL;
      return true;
    }
    if (load.inFlight < Math.max(RAMP_ATTEMPTS_MIN, load.limit * fraction)) return true;
    if (this.#state.kind === "watching") this.#state = { kind: "growing", sinceMs: this.#state.sinceMs };
    return false;
  }

  /** One flush came back, or was given up. */
  observe(flush: { readonly isAnswered: boolean; readonly latencyMs: number }): void {
    if (this.#rampMs === 0) return;
    const nowMs = this.#clock.monotonicMs();
    const askedAtMs = Math.max(nowMs - flush.latencyMs, this.#answeredAtMs);
    this.#awaySinceMs ??= askedAtMs;
    const wasAway = nowMs - this.#awaySinceMs >= AWAY_MS;
    if (!flush.isAnswered) {
      if (wasAway) this.#state = { kind: "away" };
      return;
    }
    if (wasAway || this.#state.kind === "away") this.#state = { kind: "growing", sinceMs: nowMs };
    this.#awaySinceMs = null;
    this.#answeredAtMs = nowMs;
  }

  #fraction(): number {
    const state = this.#state;
    if (state.kind === "all") return 1;
    if (state.kind === "away") return RAMP_FRACTION_MIN;
    const elapsedMs = this.#clock.monotonicMs() - state.sinceMs;
    if (state.kind === "watching") return elapsedMs >= WATCH_MS ? 1 : RAMP_FRACTION_MIN;
    return RAMP_FRACTION_MIN + (1 - RAMP_FRACTION_MIN) * (elapsedMs / this.#rampMs);
  }
}
