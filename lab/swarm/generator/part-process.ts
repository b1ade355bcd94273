/**
 * The coordinator's end of one process of a swarm: starts it, sends commands, hears its reports.
 *
 * A process that dies or says it failed fails the run; its stderr goes to ours. Stopping ends exactly that process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LineReader } from "../protocol.ts";
import type { Command, PartProgress, Report } from "./messages.ts";
import type { ScoreSnapshot } from "./scoreboard.ts";

const PART_PATH = fileURLToPath(new URL("./part.ts", import.meta.url));

type Milestone = "prepared" | "signed" | "finished";

export class PartProcess {
  progress: PartProgress = { sent: 0, answered: 0, accepted: 0, decided: 0, errors: 0, latencyMsP99: 0 };
  mintedCount = 0;
  score: ScoreSnapshot | null = null;
  residentBytes = 0;
  readonly #child: ChildProcess;
  readonly #reached = new Set<Milestone>();
  readonly #waiting: { milestone: Milestone; resolve: () => void; reject: (error: Error) => void }[] = [];
  #failure: Error | null = null;

  constructor() {
    this.#child = spawn(process.execPath, [PART_PATH], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = new LineReader();
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      for (const line of lines.push(text)) this.#hear(JSON.parse(line) as Report);
    });
    this.#child.stdin?.on("error", (error) => this.#fail(error));
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code, signal) => {
      if (!this.#reached.has("finished"))
        this.#fail(new Error(`a process of the swarm ended early (${signal ?? code})`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(command: Command): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Resolves when the process has come so far; rejects when it failed. */
  until(milestone: Milestone): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#reached.has(milestone)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ milestone, resolve, reject });
    });
  }

  stop(): void {
    this.#child.stdin?.end();
    this.#child.kill("SIGTERM");
  }

  #hear(report: Report): void {
    switch (report.type) {
      case "failed":
        this.#fail(new Error(`a process of the swarm failed: ${report.message}`));
        break;
      case "minted":
        this.mintedCount = report.count;
        break;
      case "progress":
        this.progress = report;
        break;
      case "prepared":
      case "signed":
        this.#reach(report.type);
        break;
      case "finished":
        this.score = report.score;
        this.residentBytes = report.residentBytes;
        this.#reach("finished");
        break;
    }
  }

  #reach(milestone: Milestone): void {
    this.#reached.add(milestone);
    for (const waiter of this.#waiting) if (waiter.milestone === milestone) waiter.resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiting) waiter.reject(this.#failure);
  }
}
