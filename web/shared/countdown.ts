/**
 * Remaining time as people read it: fixed-width digits for the eye, whole words for a screen reader.
 *
 * Remaining time is rounded up, so the digits reach zero at the very instant and never before it. Knowing the time is
 * the clock's work (client/); drawing is the pages'.
 */

const SECOND_MS = 1_000;
const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;
/** A wake-up this much after the boundary cannot land before it through timer rounding. */
const TICK_MARGIN_MS = 2;

function wholeSeconds(remainingMs: number): number {
  return Math.max(0, Math.ceil(remainingMs / SECOND_MS));
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** "04:59", "1:04:59" from an hour on, "2 d 01:04:59" from a day on. */
export function formatRemaining(remainingMs: number): string {
  const seconds = wholeSeconds(remainingMs);
  const days = Math.floor(seconds / DAY_S);
  const hours = Math.floor((seconds % DAY_S) / HOUR_S);
  const minutesAndSeconds = `${twoDigits(Math.floor((seconds % HOUR_S) / MINUTE_S))}:${twoDigits(seconds % MINUTE_S)}`;
  if (days > 0) return `${days} d ${twoDigits(hours)}:${minutesAndSeconds}`;
  return hours > 0 ? `${hours}:${minutesAndSeconds}` : minutesAndSeconds;
}

/** Milliseconds until the digits of {@link formatRemaining} change next; at most a second. */
export function tickDelayMs(remainingMs: number): number {
  const beyondBoundaryMs = ((remainingMs % SECOND_MS) + SECOND_MS) % SECOND_MS;
  return (beyondBoundaryMs === 0 ? SECOND_MS : beyondBoundaryMs) + TICK_MARGIN_MS;
}

/** The moments worth interrupting a screen reader for, in seconds; anything finer would only be noise. */
const SPOKEN_AT_S = [3_600, 600, 300, 60, 30, 10] as const;

/** What to say when the remaining time goes from one value to another, or null when nothing is due. */
export function spokenRemaining(change: { previousMs: number; currentMs: number }): string | null {
  const previous = wholeSeconds(change.previousMs);
  const current = wholeSeconds(change.currentMs);
  // The smallest mark crossed: after a sleeping laptop wakes up only the newest one is still true.
  const crossed = SPOKEN_AT_S.findLast((mark) => previous > mark && current <= mark);
  if (crossed === undefined || current === 0) return null;
  if (crossed >= HOUR_S) return "1 hour";
  return crossed >= MINUTE_S ? plural(crossed / MINUTE_S, "minute") : `${crossed} seconds`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
