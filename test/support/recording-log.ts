/**
 * A log that keeps its lines, for tests of what an operator gets to know; and a Random that gives the same every time.
 */
import type { Random } from "../../src/ports/random.ts";
import type { Log } from "../../src/ports/telemetry.ts";

interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class RecordingLog implements Log {
  readonly lines: Line[] = [];

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: "debug", message, fields });
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: "info", message, fields });
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: "warn", message, fields });
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: "error", message, fields });
  }

  /** How many lines of a level there are. */
  count(level: Line["level"]): number {
    return this.lines.filter((line) => line.level === level).length;
  }
}

/** Ids count up; every fraction is a half, so jitter vanishes. */
export function evenRandom(): Random {
  let drawn = 0;
  return {
    id: () => {
      drawn += 1;
      return `id${String(drawn).padStart(20, "0")}`;
    },
    fraction: () => 0.5,
  };
}
