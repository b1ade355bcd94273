/**
 * Processor time of processes, from /proc: what a decision costs, whatever else the machine is doing.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Linux reports in hundredths of a second on every platform we run on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_S = 100;

interface ProcessStat {
  readonly parent: number;
  readonly cpuMs: number;
}

/** CPU milliseconds used so far by a process and, with `children`, by the processes it started. */
export function cpuMsOf(pid: number, options: { children: boolean }): number {
  const own = readStat(pid)?.cpuMs ?? 0;
  if (!options.children) return own;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .reduce((sum, stat) => sum + (stat?.parent === pid ? stat.cpuMs : 0), own);
}

function readStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    // Gone between listing and reading: it uses no more processor time.
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
  // Fields count from after the command's closing parenthesis: state is 0, ppid 1, utime 11, stime 12 (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { parent: Number(fields[1]), cpuMs: (ticks * 1_000) / TICKS_PER_S };
}
