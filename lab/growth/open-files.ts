/**
 * How many files this process and those it starts may have open, raised where we may: 20,000 connections need as many.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const WANTED = 65_536;
/** What a process has open besides connections. */
const OTHER_FILES = 500;

/** Raises the limit of this process; those it starts from now on inherit it. Where that is not allowed, it stays. */
export function raiseOpenFiles(): void {
  spawnSync("prlimit", ["--pid", String(process.pid), `--nofile=${WANTED}:${WANTED}`], { stdio: "ignore" });
}

/** The connections that a process may have. */
export function connectionsPossible(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0) - OTHER_FILES;
}
