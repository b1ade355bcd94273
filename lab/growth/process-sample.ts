/**
 * Resident memory and open files of processes, from /proc: what a process holds, looked at from outside.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Deployment } from "../bench/deployment.ts";
import type { MeasuredProcess } from "../bench/measure.ts";

const BYTES_PER_KB = 1_024;

/** What a process, and with `children` those it started, holds now. */
export interface ProcessSample {
  readonly residentBytes: number;
  readonly openFiles: number;
}

export function sampleOf({ pid, children }: MeasuredProcess): ProcessSample {
  const pids = children ? [pid, ...childrenOf(pid)] : [pid];
  return {
    residentBytes: pids.reduce((sum, one) => sum + residentBytesOf(one), 0),
    openFiles: pids.reduce((sum, one) => sum + openFilesOf(one), 0),
  };
}

/** The resident memory of all processes of a part; shared pages count once for each of them. */
export function residentBytesOfPart(deployment: Deployment, part: string): number {
  const processes = deployment.processes.filter((one) => one.part === part);
  return processes.reduce((sum, one) => sum + sampleOf(one).residentBytes, 0);
}

function residentBytesOf(pid: number): number {
  const status = readOrNothing(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "";
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * BYTES_PER_KB;
}

function openFilesOf(pid: number): number {
  return readOrNothing(() => readdirSync(`/proc/${pid}/fd`))?.length ?? 0;
}

function childrenOf(parent: number): readonly number[] {
  const text = readOrNothing(() => readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8")) ?? "";
  return text
    .split(" ")
    .filter((pid) => pid !== "")
    .map(Number);
}

/** Null when the process ended meanwhile: it holds nothing any more. */
function readOrNothing<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}
