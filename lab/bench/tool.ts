/**
 * Measuring programs that others wrote: run to their end, and named with their package when they are not installed.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What the program printed. */
export async function runTool(program: "wrk" | "redis-benchmark", args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args)).stdout;
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (!isMissing) throw cause;
    const name = program === "wrk" ? "wrk" : "redis-tools";
    throw new Error(`${program} is needed: apt-get install ${name}`, { cause });
  }
}
