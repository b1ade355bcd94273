/**
 * What the coordinator and the processes of a swarm say to each other: one JSON object a line, over stdin and stdout.
 *
 * The task goes over stdin because it carries the secret, which must not stand in a process list. Counts travel as cumulative
 * snapshots, whole ones at the end.
 */
import type { RecordedCurves } from "./plan.ts";
import type { Scenario } from "./scenario.ts";
import type { ScoreSnapshot } from "./scoreboard.ts";
import type { Target } from "./wire.ts";

/** The first line: everything a process needs to prepare its part. */
export interface PrepareCommand {
  readonly type: "prepare";
  readonly scenario: Scenario;
  readonly recorded: RecordedCurves;
  /** Arrivals in all, when not as many as the scenario says. */
  readonly requests: number | null;
  readonly part: number;
  readonly partCount: number;
  readonly targets: readonly Target[];
  /** As the Host header says it. */
  readonly host: string;
  readonly secret: string;
  readonly run: string;
  readonly expiresAt: number;
  readonly saleId: string;
  readonly sku: string;
  readonly countsFrom: "schedule" | "sending";
}

/** The opening as it is planned: first attempts are signed for it. By this machine's clock. */
export interface SignCommand {
  readonly type: "sign";
  readonly opensAtMs: number;
  readonly serverOffsetMs: number;
}

/** The opening as it will be. */
export interface GoCommand {
  readonly type: "go";
  readonly opensAtMs: number;
}

export type Command = PrepareCommand | SignCommand | GoCommand;

/** What is told while the run goes on. */
export interface PartProgress {
  readonly sent: number;
  readonly answered: number;
  readonly accepted: number;
  readonly decided: number;
  readonly errors: number;
  /** Of the attempts that were answered since the last report. */
  readonly latencyMsP99: number;
}

export type Report =
  | { readonly type: "minted"; readonly count: number }
  | { readonly type: "prepared"; readonly count: number; readonly tookMs: number }
  | { readonly type: "signed" }
  | ({ readonly type: "progress" } & PartProgress)
  | { readonly type: "finished"; readonly score: ScoreSnapshot; readonly residentBytes: number }
  | { readonly type: "failed"; readonly message: string };
