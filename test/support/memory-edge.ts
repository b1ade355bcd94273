/**
 * An edge in memory, on an injected clock: what the adapter is held equal to, and what tests of its users run on.
 *
 * `isAway` plays an edge that is gone; every call is counted.
 */
import { Fault } from "../../src/domain/faults.ts";
import type { Clock } from "../../src/ports/clock.ts";
import {
  type EdgeState,
  type LimitUses,
  NONCES_PER_SESSION_MAX,
  type NonceClaim,
  type SharedText,
} from "../../src/ports/edge-state.ts";

export class MemoryEdge implements EdgeState {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #arrivalsMs = new Map<string, number[]>();
  readonly #nonces = new Map<string, { readonly nonces: readonly string[]; readonly untilMs: number }>();
  readonly #texts = new Map<string, { readonly text: string; readonly madeMs: number; readonly untilMs: number }>();
  readonly #turnsUntilMs = new Map<string, number>();
  isAway = false;
  callCount = 0;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  async shareLimits({ scope, costsMs, aheadMsMax, uses }: LimitUses): Promise<readonly number[]> {
    const nowMs = this.#enter();
    return uses.flatMap((use) => {
      const known = this.#arrivalsMs.get(`${scope} ${use.key}`) ?? [];
      const arrivals = costsMs.map((costMs, limit) =>
        Math.min(
          nowMs + aheadMsMax,
          Math.max(known[limit] ?? Number.NEGATIVE_INFINITY, nowMs - use.ageMs) + use.requests * costMs,
        ),
      );
      this.#arrivalsMs.set(`${scope} ${use.key}`, arrivals);
      return arrivals.map((arrivalMs) => Math.max(0, Math.ceil(arrivalMs - nowMs)));
    });
  }

  async claimNonce({ sessionKey, nonceKey, ttlMs }: NonceClaim): Promise<boolean> {
    const nowMs = this.#enter();
    const known = this.#nonces.get(sessionKey);
    const nonces = known !== undefined && nowMs < known.untilMs ? known.nonces : [];
    if (nonces.includes(nonceKey)) return false;
    const kept = [nonceKey, ...nonces].slice(0, NONCES_PER_SESSION_MAX);
    this.#nonces.set(sessionKey, { nonces: kept, untilMs: nowMs + ttlMs });
    return true;
  }

  async readShared(request: { key: string; freshMs: number; makeMsMax: number }): Promise<SharedText> {
    const nowMs = this.#enter();
    const entry = this.#texts.get(request.key);
    const known = entry !== undefined && nowMs < entry.untilMs ? entry : null;
    const text = known?.text ?? null;
    const ageMs = known === null ? 0 : nowMs - known.madeMs;
    if (known !== null && ageMs < request.freshMs) return { text, ageMs, isOursToMake: false };
    const isOursToMake = nowMs >= (this.#turnsUntilMs.get(request.key) ?? 0);
    if (isOursToMake) this.#turnsUntilMs.set(request.key, nowMs + request.makeMsMax);
    return { text, ageMs, isOursToMake };
  }

  async writeShared(entry: { key: string; text: string; ageMs: number; ttlMs: number }): Promise<void> {
    const nowMs = this.#enter();
    const { key, text, ageMs, ttlMs } = entry;
    this.#texts.set(key, { text, madeMs: nowMs - ageMs, untilMs: nowMs + ttlMs });
    this.#turnsUntilMs.delete(key);
  }

  isReachable(): boolean {
    return !this.isAway;
  }

  start(): void {
    this.isAway = false;
  }

  async stop(): Promise<void> {
    this.isAway = true;
  }

  #enter(): number {
    this.callCount += 1;
    if (this.isAway) throw new Fault("EDGE_UNAVAILABLE");
    return this.#clock.monotonicMs();
  }
}
