/**
 * The coordinator's end of one crowd process: starts it, sends commands, collects what it reports.
 *
 * A process that dies or says it failed fails the run; its stderr goes to ours. Stopping closes its stdin and ends
 * exactly that process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Observation } from "./observation.ts";
import { type Command, LineReader, type Report } from "./protocol.ts";
import type { TallySnapshot } from "./tally.ts";

const WORKER_PATH = fileURLToPath(new URL("./worker.ts", import.meta.url));

type Milestone = "ready" | "prepared" | "finished";

/** One crowd process and everything it said so far. */
export class CrowdProcess {
  readonly observations: Observation[] = [];
  mintedCount = 0;
  arrivedCount = 0;
  activeCount = 0;
  lagMsMax = 0;
  tally: TallySnapshot | null = null;
  private readonly child: ChildProcess;
  private readonly reached = new Set<Milestone>();
  private readonly waiting: { milestone: Milestone; resolve: () => void; reject: (error: Error) => void }[] = [];
  private failure: Error | null = null;

  constructor() {
    this.child = spawn(process.execPath, [WORKER_PATH], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = new LineReader();
    this.child.stdout?.setEncoding("utf8");
    this.child.stdout?.on("data", (text: string) => {
      for (const line of lines.push(text)) this.hear(JSON.parse(line) as Report);
    });
    this.child.stdin?.on("error", (error) => this.fail(error));
    this.child.on("error", (error) => this.fail(error));
    this.child.on("exit", (code, signal) => {
      if (!this.reached.has("finished")) this.fail(new Error(`a crowd process ended early (${signal ?? code})`));
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  send(command: Command): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Resolves when the process has reported the milestone; rejects when it failed. */
  until(milestone: Milestone): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.reached.has(milestone)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ milestone, resolve, reject });
    });
  }

  hasReached(milestone: Milestone): boolean {
    return this.reached.has(milestone);
  }

  stop(): void {
    this.child.stdin?.end();
    this.child.kill("SIGTERM");
  }

  private hear(report: Report): void {
    switch (report.type) {
      case "failed":
        this.fail(new Error(`a crowd process failed: ${report.message}`));
        break;
      case "minted":
        this.mintedCount = report.count;
        break;
      case "observations":
        for (const row of report.rows) this.observations.push(row);
        break;
      case "progress":
        this.tally = report.tally;
        this.activeCount = report.activeCount;
        this.arrivedCount = report.arrivedCount;
        break;
      case "ready":
        this.mintedCount = report.count;
        this.reach("ready");
        break;
      case "prepared":
        this.reach("prepared");
        break;
      case "finished":
        this.tally = report.tally;
        this.lagMsMax = report.lagMsMax;
        this.activeCount = 0;
        this.reach("finished");
        break;
    }
  }

  private reach(milestone: Milestone): void {
    this.reached.add(milestone);
    for (const waiter of this.waiting) if (waiter.milestone === milestone) waiter.resolve();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const waiter of this.waiting) waiter.reject(this.failure);
  }
}
