/**
 * A server that somebody else wrote, or one of our nodes, as a child process: what it says is kept, and its end is ours.
 *
 * Waiting is on a probe, never on time alone, and gives up at once when the program ends instead of answering. A program
 * that is still there when this process exits is ended with it. Which program, and what "ready" means, is the caller's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../../src/ports/clock.ts";
import { wait } from "../swarm/system-clock.ts";

const OUTPUT_CHARACTERS_MAX = 100_000;
const PROBE_INTERVAL_MS = 50;
const PROBE_WITHIN_MS = 1_000;

export interface ChildProgramOptions {
  /** As a person would call it: "Redis", "node api-2". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** What ends it, and whatever it started itself, when this process exits without stopping it. */
  readonly exitSignal?: NodeJS.Signals;
}

/** A program that was started. */
export class ChildProgram {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #ended: Promise<void>;
  #output = "";

  constructor(options: ChildProgramOptions) {
    const { command, args, env, exitSignal = "SIGKILL" } = options;
    this.name = options.name;
    this.#clock = options.clock;
    const child = spawn(command, args, { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", keep);
    const endWithUs = (): void => void child.kill(exitSignal);
    process.once("exit", endWithUs);
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => {
        keep(`${error.message}\n`);
        resolve();
      });
      child.once("exit", () => resolve());
    });
    void this.#ended.then(() => process.off("exit", endWithUs));
  }

  /** 0 when it could not be started at all. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it printed. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when the probe is true. Rejects, with what the program said, when it ended or took too long. */
  async untilReady(probe: () => Promise<boolean>, withinMs: number): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + withinMs;
    for (;;) {
      if (!this.isRunning) throw new Error(`${this.name} ended while it was starting. It said:\n${this.#output}`);
      if (await probe()) return;
      if (this.#clock.monotonicMs() >= deadlineMs) {
        throw new Error(`${this.name} was not ready after ${withinMs / 1_000} s. It said:\n${this.#output}`);
      }
      await wait(this.#clock, PROBE_INTERVAL_MS);
    }
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.isRunning) this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to end and insists after a while. */
  async stop(options: { signal: NodeJS.Signals; withinMs: number }): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(options.signal);
    const cancel = this.#clock.setTimer(options.withinMs, () => this.#child.kill("SIGKILL"));
    await this.#ended;
    cancel();
  }
}

/** True when the address answers with the status; no answer is false. */
export async function answers(url: string, status: number): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_WITHIN_MS) });
    await response.body?.cancel();
    return response.status === status;
  } catch (error) {
    // Refused, reset or too slow: whatever it is, nothing useful listens there yet.
    if (error instanceof Error) return false;
    throw error;
  }
}
