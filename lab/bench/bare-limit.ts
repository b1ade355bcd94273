/**
 * The bare server as a limit: running all the time, and measured before and after whatever is put beside it.
 *
 * A shared machine is a third faster in one minute than in the next, so a limit that was measured once at the beginning
 * says little about what is measured ten minutes later. The mean of the two neighbours is the limit of a row.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Runtime, runtimeCommand } from "../../test/support/node-process.ts";
import { type Figures, meanFigures } from "./ladder-row.ts";
import { type Measurement, measure } from "./measure.ts";

const CONNECTIONS = 64;

/** How long something is loaded, and how long before anything counts. */
export interface LoadTimes {
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export class BareLimit {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #times: LoadTimes;
  #before: Figures | null = null;

  private constructor(child: ChildProcess, port: number, times: LoadTimes) {
    this.#child = child;
    this.port = port;
    this.#times = times;
  }

  /** Starts the server of a runtime for the work and ends it after. */
  static async during<Result>(
    runtime: Runtime,
    times: LoadTimes,
    work: (limit: BareLimit) => Promise<Result>,
  ): Promise<Result> {
    const [command, flags] = runtimeCommand(runtime);
    const file = join(import.meta.dirname, "bare-server.ts");
    const child = spawn(command, [...flags, file], { stdio: ["ignore", "pipe", "inherit"] });
    const endWithUs = (): void => void child.kill("SIGKILL");
    process.once("exit", endWithUs);
    try {
      return await work(new BareLimit(child, await firstNumber(child), times));
    } finally {
      child.kill("SIGKILL");
      process.off("exit", endWithUs);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it does now. */
  async measure(): Promise<Measurement> {
    const plain = { ports: [this.port], book: null, repeat: true, connections: CONNECTIONS, ratePerS: null };
    return measure({ ...plain, ...this.#times }, [{ pid: this.pid, children: false, part: "nodes" }]);
  }

  /** Does the work between two measurements of the limit; the second is the first of what comes next. */
  async around<Result>(work: () => Promise<Result>): Promise<{ result: Result; limit: Figures }> {
    this.#before ??= figuresOf(await this.measure());
    const result = await work();
    const after = figuresOf(await this.measure());
    const limit = meanFigures([this.#before, after]);
    this.#before = after;
    return { result, limit };
  }
}

/** A measurement as it stands in the ladder. */
export function figuresOf(measurement: Measurement): Figures {
  const { requestsPerS, cpuUsPerDecision, cpuUsByPart, latencyMsP50, latencyMsP99 } = measurement;
  return { perS: requestsPerS, cpuUs: cpuUsPerDecision, cpuUsByPart, latencyMsP50, latencyMsP99 };
}

async function firstNumber(child: ChildProcess): Promise<number> {
  for await (const chunk of child.stdout ?? []) return Number(String(chunk).trim());
  throw new Error("the bare server ended before it said its port");
}
