/**
 * Writes down the way of a puzzle's piece as the server reads it: "0,0;180,12;…", milliseconds and distance.
 *
 * The server wants to see a movement and not only its end; what it takes for one is said in src/challenges/slide-track.ts.
 * A long way is thinned out in its middle.
 */

interface WayPoint {
  readonly atMs: number;
  readonly leftPx: number;
}

const POINTS_MIN = 4;
const POINTS_MAX = 64;
const DURATION_MS_MIN = 300;

/** One per puzzle; times of any monotonic clock. */
export class SlideWay {
  #startMs: number | null = null;
  #points: WayPoint[] = [{ atMs: 0, leftPx: 0 }];

  /** The piece is touched. Only the first time counts. */
  begin(nowMs: number): void {
    this.#startMs ??= nowMs;
  }

  /** The piece is here now. */
  move(nowMs: number, leftPx: number): void {
    // A movement nobody saw begin began a moment before.
    this.begin(nowMs - 1);
    const atMs = Math.max(1, Math.round(nowMs - (this.#startMs ?? nowMs)));
    const last = this.#points[this.#points.length - 1];
    // Of several movements within a millisecond the last one counts.
    if (last !== undefined && last.atMs >= atMs) this.#points.pop();
    this.#points.push({ atMs: Math.max(atMs, last?.atMs ?? 0), leftPx: Math.round(leftPx) });
    if (this.#points.length > POINTS_MAX) this.#thinOut();
  }

  /** Whether there is enough of it: somebody who hit the place with one click has not moved anything. */
  get isMovement(): boolean {
    const last = this.#points[this.#points.length - 1];
    return this.#points.length >= POINTS_MIN && (last?.atMs ?? 0) >= DURATION_MS_MIN;
  }

  toString(): string {
    return this.#points.map(({ atMs, leftPx }) => `${atMs},${leftPx}`).join(";");
  }

  /** Keeps beginning and end, and of what lies between every second point. */
  #thinOut(): void {
    this.#points = this.#points.filter((_, index, all) => index === 0 || index >= all.length - 4 || index % 2 === 1);
  }
}
