/**
 * How much memory a group of processes uses together, sampled from /proc, with the peak.
 *
 * Resident memory (VmRSS) summed over processes counts shared code once for each of them: the cautious figure. Where there
 * is no /proc the peak stays zero and the report says that it was not measured.
 */
import { readFileSync } from "node:fs";
import type { Clock } from "../../src/ports/clock.ts";

const SAMPLE_INTERVAL_MS = 500;
const BYTES_PER_KB = 1_024;

/** Samples until stopped. */
export class MemoryWatch {
  /** The highest sum of resident memory seen, in bytes; 0 = not measurable here. */
  residentBytesPeak = 0;
  private readonly clock: Clock;
  private readonly pids: () => readonly number[];
  private cancel: (() => void) | null = null;

  constructor(clock: Clock, pids: () => readonly number[]) {
    this.clock = clock;
    this.pids = pids;
  }

  start(): void {
    this.sample();
    this.cancel = this.clock.setTimer(SAMPLE_INTERVAL_MS, () => this.start());
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private sample(): void {
    let bytes = 0;
    for (const pid of this.pids()) bytes += residentBytesOf(pid);
    this.residentBytesPeak = Math.max(this.residentBytesPeak, bytes);
  }
}

/** Resident memory of a process; 0 when it is gone or /proc does not exist. */
export function residentBytesOf(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? 0 : Number(kilobytes) * BYTES_PER_KB;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return 0;
    throw error;
  }
}
