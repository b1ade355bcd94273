/**
 * The way of a slide as its solution tells it: when the piece was where, from the start to its place.
 *
 * "0,0;180,12;…": milliseconds since the piece was first touched, and its distance from the left edge, each a whole number.
 * A mouse, a finger and the arrow keys all make such a way, and all are welcome. What none of them makes: a way without
 * steps, one in no time, or one of equal steps at equal intervals. Such checks raise the price of a program that has the
 * place already; they prove nothing, and so they refuse only what no hand does.
 */

interface TrackPoint {
  /** Milliseconds since the first one. */
  readonly atMs: number;
  readonly leftPx: number;
}

/** A way that was read, and its checks. */
export interface SlideTrack {
  /** Where the piece was left. */
  readonly endPx: number;
  readonly durationMs: number;
  /** Whether a hand may have made it. */
  readonly isPlausible: boolean;
}

/** Fewer positions are no movement; the page thins out longer ways. */
const TRACK_POINTS_MIN = 4;
export const TRACK_POINTS_MAX = 64;
/** Nobody looks, grasps and places a piece in less. */
export const SLIDE_MS_MIN = 300;
/** From so many steps on, a hand shows some unevenness. */
const EVEN_STEPS_MIN = 5;
/** More of the way than this in one step is a jump, which needs corrections after it. */
const JUMP_SHARE = 0.8;
const STEPS_AFTER_JUMP_MIN = 2;

const TRACK_PATTERN = new RegExp(
  `^0,0(?:;[1-9][0-9]{0,5},(?:0|[1-9][0-9]{0,2})){${TRACK_POINTS_MIN - 1},${TRACK_POINTS_MAX - 1}}$`,
);

/** Null when the text is no way at all: it must begin at the left edge, and time must go on. */
export function readTrack(text: string): SlideTrack | null {
  if (!TRACK_PATTERN.test(text)) return null;
  const points = text.split(";").map(readPoint);
  const last = points[points.length - 1];
  if (last === undefined) return null;
  for (let index = 1; index < points.length; index += 1) {
    if ((points[index]?.atMs ?? 0) <= (points[index - 1]?.atMs ?? 0)) return null;
  }
  const isPlausible = last.atMs >= SLIDE_MS_MIN && !isEven(points) && !isJump(points);
  return { endPx: last.leftPx, durationMs: last.atMs, isPlausible };
}

function readPoint(text: string): TrackPoint {
  const [at = "", left = ""] = text.split(",");
  return { atMs: Number(at), leftPx: Number(left) };
}

/** Equal steps at equal intervals, as a loop makes them; the last step may be the rest of the way. */
function isEven(points: readonly TrackPoint[]): boolean {
  const steps = points.slice(1).map((point, index) => ({
    ms: point.atMs - (points[index]?.atMs ?? 0),
    px: point.leftPx - (points[index]?.leftPx ?? 0),
  }));
  if (steps.length < EVEN_STEPS_MIN) return false;
  const [first, ...others] = steps.slice(0, -1);
  return others.every((step) => step.ms === first?.ms && step.px === first.px);
}

/** Nearly the whole way at once, and then hardly anything. */
function isJump(points: readonly TrackPoint[]): boolean {
  const end = points[points.length - 1]?.leftPx ?? 0;
  for (let index = 1; index < points.length; index += 1) {
    const step = Math.abs((points[index]?.leftPx ?? 0) - (points[index - 1]?.leftPx ?? 0));
    if (step > end * JUMP_SHARE) return points.length - 1 - index < STEPS_AFTER_JUMP_MIN;
  }
  return false;
}
