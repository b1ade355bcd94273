/**
 * How many pictures one session may have: some at once, then one every few seconds, because each was drawn for it alone.
 *
 * Without it one buyer's program could empty the shelf for everybody. Who has had his share gets a proof of work. A table of
 * fixed size; two sessions that meet in one place share one allowance, which is rare and costs them a wait. Where nodes share
 * an edge each picture is told to it and what was taken on all nodes comes back; nobody waits for that, and an edge that is
 * away leaves each process to what it knows.
 */
import { isFault } from "../domain/faults.ts";
import type { SessionId } from "../domain/ids.ts";
import type { EdgeState } from "../ports/edge-state.ts";

/** At once, for whoever needs another one and another one. */
export const PICTURES_AT_ONCE = 8;
/** Then one in this time. */
export const PICTURE_INTERVAL_MS = 4_000;

const PLACES = 65_536;
const FNV_START = 0x811c9dc5;
const FNV_FACTOR = 0x01000193;

const SCOPE = "pictures";
/** Nobody is charged further ahead than twice his share. */
const AHEAD_MS_MAX = 2 * PICTURES_AT_ONCE * PICTURE_INTERVAL_MS;

/** How nodes keep their counts in step. */
export interface SharedPictures {
  readonly edge: Pick<EdgeState, "shareLimits" | "isReachable">;
  /** The name of a session that all nodes know it by, hashed. */
  nameOf(sessionId: SessionId): string;
  onBug(error: unknown): void;
}

/** One per process, for all kinds that are drawn. All times wall clock. */
export class PictureAllowance {
  readonly #shared: SharedPictures | null;
  /** When a session that has had pictures will again be as one that has had none. */
  readonly #paidUntil = new Float64Array(PLACES);

  /** `shared` is null where nodes share no edge. */
  constructor(shared: SharedPictures | null = null) {
    this.#shared = shared;
  }

  /** Whether the session may have a picture now. */
  allows(sessionId: SessionId, nowMs: number): boolean {
    const aheadMs = (this.#paidUntil[placeOf(sessionId)] ?? 0) - nowMs;
    return aheadMs <= (PICTURES_AT_ONCE - 1) * PICTURE_INTERVAL_MS;
  }

  /** It got one. */
  note(sessionId: SessionId, nowMs: number): void {
    const place = placeOf(sessionId);
    this.#paidUntil[place] = Math.max(this.#paidUntil[place] ?? 0, nowMs) + PICTURE_INTERVAL_MS;
    if (this.#shared?.edge.isReachable() === true) void this.#tell(this.#shared, sessionId, nowMs);
  }

  async #tell({ edge, nameOf, onBug }: SharedPictures, sessionId: SessionId, nowMs: number): Promise<void> {
    const uses = [{ key: nameOf(sessionId), requests: 1, ageMs: 0 }];
    try {
      const request = { scope: SCOPE, costsMs: [PICTURE_INTERVAL_MS], aheadMsMax: AHEAD_MS_MAX, uses };
      const [aheadMs = 0] = await edge.shareLimits(request);
      const place = placeOf(sessionId);
      this.#paidUntil[place] = Math.max(this.#paidUntil[place] ?? 0, nowMs + aheadMs);
    } catch (error) {
      if (!isFault(error, "EDGE_UNAVAILABLE")) onBug(error);
    }
  }
}

/** Session ids are random and made by us, so that nobody chooses a place. */
function placeOf(sessionId: SessionId): number {
  let hash = FNV_START;
  for (let index = 0; index < sessionId.length; index += 1) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(index), FNV_FACTOR);
  }
  return (hash ^ (hash >>> 16)) & (PLACES - 1);
}
