/**
 * `doorbuster demo` as a process of its own, with a folder for temporary files that a test can look into afterwards.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** See the head of this file. It runs from the moment it is made. */
export class DemoCommand {
  readonly folder: string;
  /** The exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Everything it has said so far. */
  output = "";
  readonly #child: ChildProcess;

  constructor(flags: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), "doorbuster-test-"));
    // The servers of the demonstration may run as another user.
    chmodSync(this.folder, 0o755);
    const child = spawn(process.execPath, ["--no-orphans", MAIN, "demo", ...flags], {
      env: { PATH: process.env["PATH"] ?? "", TMPDIR: this.folder, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    this.ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  interrupt(): void {
    this.#child.kill("SIGTERM");
  }

  /** Ends it if it still runs, and removes its folder. */
  remove(): void {
    this.#child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
