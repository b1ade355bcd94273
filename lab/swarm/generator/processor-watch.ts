/**
 * How much processor time named processes use, second by second, from /proc: what a decision costs, whoever pays for it.
 *
 * Where there is no /proc everything stays zero, and the report says that it was not measured.
 */
import { existsSync } from "node:fs";
import type { Clock } from "../../../src/ports/clock.ts";
import { cpuMsOf } from "../../bench/processor-time.ts";

const SAMPLE_INTERVAL_MS = 1_000;

/** A process, or several under one name. */
export interface WatchedProcess {
  /** As the report calls it: "api", "redis". */
  readonly part: string;
  readonly pid: number;
  /** PostgreSQL works in children of its server process. */
  readonly children: boolean;
}

/** Processor time by part. */
export type CpuByPart = Readonly<Record<string, number>>;

export interface CpuSample {
  readonly atMs: number;
  /** Since the watch began, in milliseconds. */
  readonly cpuMs: CpuByPart;
}

/** Samples from `start` to `stop`. */
export class ProcessorWatch {
  readonly samples: CpuSample[] = [];
  readonly #clock: Clock;
  readonly #processes: readonly WatchedProcess[];
  readonly #startedAt: readonly number[];
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, processes: readonly WatchedProcess[]) {
    this.#clock = clock;
    this.#processes = processes;
    this.#startedAt = processes.map((one) => cpuMsOf(one.pid, one));
  }

  static get isPossible(): boolean {
    return existsSync("/proc/self/stat");
  }

  start(): void {
    this.samples.push(this.#sample());
    this.#cancel = this.#clock.setTimer(SAMPLE_INTERVAL_MS, () => this.start());
  }

  /** The last sample. */
  stop(): CpuSample {
    this.#cancel?.();
    const last = this.#sample();
    this.samples.push(last);
    return last;
  }

  #sample(): CpuSample {
    const cpuMs: Record<string, number> = {};
    this.#processes.forEach((one, index) => {
      const usedMs = Math.max(0, cpuMsOf(one.pid, one) - (this.#startedAt[index] ?? 0));
      cpuMs[one.part] = (cpuMs[one.part] ?? 0) + usedMs;
    });
    return { atMs: this.#clock.nowMs(), cpuMs };
  }
}
