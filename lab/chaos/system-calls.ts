/**
 * System calls of running processes, delayed or failed from outside by strace.
 *
 * Needs strace and the right to attach, which root has unless the machine forbids it; `whyNoStrace` says so in words. The
 * traced processes are slower while it lasts, and whole again afterwards.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { waitUntil } from "../../test/support/waiting.ts";

const ATTACHES_WITHIN_MS = 10_000;

/** In strace's own words: which calls, and "error=EIO" or "delay_exit=2000000". */
export interface SystemCallFault {
  readonly calls: readonly string[];
  readonly effect: string;
}

export interface SystemCallDisturbance {
  /** Detaches; answers how many calls were disturbed. */
  end(): Promise<number>;
}

/** Null when system calls can be disturbed here, else the reason in words. */
export function whyNoStrace(): string | null {
  const { status, error } = spawnSync("strace", ["-o", "/dev/null", "true"], { stdio: "ignore" });
  if (error !== undefined) return "strace is not installed";
  return status === 0 ? null : "strace may not trace here";
}

/** Attaches to the processes, with all their threads and what they will start. */
export async function disturbSystemCalls(
  pids: readonly number[],
  fault: SystemCallFault,
): Promise<SystemCallDisturbance> {
  const calls = fault.calls.join(",");
  const args = ["-f", "-qq", ...pids.flatMap((pid) => ["-p", String(pid)]), "-e", `trace=${calls}`];
  const tracer = spawn("strace", [...args, "-e", "signal=none", "-e", `inject=${calls}:${fault.effect}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let hits = 0;
  tracer.stderr.setEncoding("utf8").on("data", (text: string) => {
    hits += text.split(/\((?:INJECTED|DELAYED)/).length - 1;
  });
  const endWithUs = (): void => void tracer.kill("SIGINT");
  process.once("exit", endWithUs);
  const ended = new Promise<void>((resolve) => tracer.once("exit", () => resolve()));
  await waitUntil("strace to attach", () => pids.some(isTraced) || tracer.exitCode !== null, {
    withinMs: ATTACHES_WITHIN_MS,
    everyMs: 5,
  });
  return {
    end: async () => {
      tracer.kill("SIGINT");
      await ended;
      process.off("exit", endWithUs);
      return hits;
    },
  };
}

function isTraced(pid: number): boolean {
  return /TracerPid:\s*[1-9]/.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
