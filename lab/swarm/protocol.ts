/**
 * What the coordinator and its crowd processes say to each other: one JSON object a line, over stdin and stdout.
 *
 * Plain pipes rather than the runtime's own IPC, because they behave the same on Bun and Node. Lines are bounded:
 * observations travel in batches, counts as cumulative snapshots.
 */
import type { Observation } from "./observation.ts";
import type { CrowdShape } from "./population.ts";
import type { TallySnapshot } from "./tally.ts";

/** Observations in one message, at most. */
export const OBSERVATIONS_PER_MESSAGE_MAX = 256;

/** The first line: everything a process needs to prepare its part of the crowd. */
export interface SetupCommand {
  readonly type: "setup";
  readonly shape: CrowdShape;
  readonly buyerCount: number;
  /** This process plays the buyers whose number leaves this remainder when divided by `workerCount`. */
  readonly workerIndex: number;
  readonly workerCount: number;
  readonly hostname: string;
  readonly port: number;
  readonly saleId: string;
  readonly skus: readonly string[];
  readonly perBuyerMax: readonly number[];
  /** How many nodes the address stands for. */
  readonly nodeCount: number;
}

/** Everybody has a session: the opening is settled. Times by this machine's clock, ms since the epoch. */
export interface RushCommand {
  readonly type: "rush";
  readonly opensAtMs: number;
  readonly patienceUntilMs: number;
  readonly serverOffsetMs: number;
}

/** Patient buyers go home now. */
export interface GoHomeCommand {
  readonly type: "go_home";
}

export type Command = SetupCommand | RushCommand | GoHomeCommand;

export type Report =
  | { readonly type: "minted"; readonly count: number }
  | { readonly type: "ready"; readonly count: number }
  | { readonly type: "prepared" }
  | {
      readonly type: "progress";
      readonly tally: TallySnapshot;
      readonly activeCount: number;
      readonly arrivedCount: number;
    }
  | { readonly type: "observations"; readonly rows: readonly Observation[] }
  | { readonly type: "finished"; readonly tally: TallySnapshot; readonly lagMsMax: number }
  | { readonly type: "failed"; readonly message: string };

/** Splits a stream of text into lines. */
export class LineReader {
  private rest = "";

  push(text: string): string[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    return lines.filter((line) => line !== "");
  }
}

/**
 * Obeys the commands on standard input, one JSON object a line, until it ends. A command that fails is told to `fail`, and
 * ends the process once that is written.
 */
export function obeyStandardInput<Told>(parts: {
  readonly obey: (command: Told) => Promise<void>;
  readonly fail: (message: string) => void;
}): void {
  const lines = new LineReader();
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (text: string) => {
    for (const line of lines.push(text)) {
      parts.obey(JSON.parse(line) as Told).catch((error: unknown) => {
        parts.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
        process.exitCode = 1;
        process.stdout.write("", () => process.exit());
      });
    }
  });
  process.stdin.on("end", () => process.exit());
}
