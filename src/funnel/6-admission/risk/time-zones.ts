/**
 * How far a time zone is from UTC now. Names come from strangers, so what is remembered of them has a bound.
 */

const ZONES_MAX = 1_024;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

interface KnownOffset {
  /** Null = there is no such zone. */
  readonly minutes: number | null;
  readonly untilMs: number;
}

const known = new Map<string, KnownOffset>();

/** Minutes east of UTC, or null for a name that is no time zone. */
export function zoneOffsetMinutes(zone: string, nowMs: number): number | null {
  const remembered = known.get(zone);
  if (remembered !== undefined && nowMs < remembered.untilMs) return remembered.minutes;
  if (known.size >= ZONES_MAX) known.clear();
  const minutes = computeOffset(zone, nowMs);
  known.set(zone, { minutes, untilMs: (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS });
  return minutes;
}

function computeOffset(timeZone: string, nowMs: number): number | null {
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    });
    const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, Number(value)]));
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
    const there = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"));
    return Math.round((there - nowMs) / MINUTE_MS);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
