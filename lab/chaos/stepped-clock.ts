/**
 * A wall clock that can be stepped, for a program that is not ours: a small library, compiled on the spot and preloaded.
 *
 * Needs Linux and a C compiler; `whyNoSteppedClock` says so in words. Why it is not libfaketime is
 * written in stepped-clock.c.
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("./stepped-clock.c", import.meta.url));
const US_PER_MS = 1_000;

/** Null when a clock can be stepped here, else the reason in words. */
export function whyNoSteppedClock(): string | null {
  if (process.platform !== "linux") return "a library is preloaded on Linux only";
  const { error } = spawnSync("cc", ["--version"], { stdio: "ignore" });
  return error === undefined
    ? null
    : "there is no C compiler (cc) for the stepped clock: apt-get install gcc libc6-dev";
}

/** See the file comment. */
export class SteppedClock {
  /** What the program has to be started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;

  /** Compiles into the folder and keeps the step there. */
  constructor(folder: string) {
    this.#path = join(folder, "stepped-clock");
    const library = join(folder, "stepped-clock.so");
    const { status, stderr } = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, SOURCE], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`the stepped clock was not compiled: ${stderr}`);
    this.step(0);
    this.env = { LD_PRELOAD: library, STEPPED_CLOCK_FILE: this.#path };
  }

  /** The clock is off by that much from now on; 0 is the truth. */
  step(shiftMs: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(shiftMs * US_PER_MS));
    // Written in place, because the program has the file mapped.
    writeFileSync(this.#path, bytes, { flag: existsSync(this.#path) ? "r+" : "w" });
  }
}
