/**
 * Many schedules on several processes: seed after seed, until all are done or one fails.
 *
 * Each process takes every n-th seed (campaign-part.ts) and reports now and then, so that the seeds that were run do not depend on how
 * fast a process is. What is found is only a seed; it is run again, made smaller and traced by whoever asked.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Failure } from "./scene.ts";

/** What one process says, a line each. */
export interface PartReport {
  readonly schedules: number;
  readonly moments: number;
  readonly virtualMs: number;
  /** Schedules in which Redis forgot something. */
  readonly losses: number;
  /** Changes of epoch. */
  readonly epochs: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly found: { readonly seed: number; readonly failure: Failure } | null;
}

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly schedules: number;
  readonly processes: number;
  /** A mutant's name; null = the real design. */
  readonly mutant: string | null;
  /** Hears now and then how many have been run. */
  readonly onProgress?: (schedules: number) => void;
}

export interface CampaignResult extends PartReport {
  readonly tookMs: number;
}

const PART = join(import.meta.dirname, "campaign-part.ts");
const NOTHING: PartReport = { schedules: 0, moments: 0, virtualMs: 0, losses: 0, epochs: 0, counts: {}, found: null };

/** Runs them all. With a finding the other processes are ended, and the lowest seed that was found is the result. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const startedAtMs = performance.now();
  const run = Array.from({ length: options.processes }, () => 0);
  const children = run.map((_, index) =>
    startPart(options, index, (schedules) => {
      run[index] = schedules;
      options.onProgress?.(run.reduce((sum, count) => sum + count, 0));
    }),
  );
  const reports = await Promise.all(
    children.map(async (child) => {
      const report = await child.report;
      if (report.found !== null) for (const other of children) other.end();
      return report;
    }),
  );
  return { ...reports.reduce(add, NOTHING), tookMs: performance.now() - startedAtMs };
}

function startPart(
  options: CampaignOptions,
  index: number,
  onProgress: (schedules: number) => void,
): { report: Promise<PartReport>; end: () => void } {
  const { firstSeed, schedules, processes, mutant } = options;
  const own = Math.ceil((schedules - index) / processes);
  const values = [firstSeed + index, processes, own, mutant ?? ""].map(String);
  const child = spawn(process.execPath, [PART, ...values], { stdio: ["ignore", "pipe", "inherit"] });
  let last = NOTHING;
  let isEnded = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    last = JSON.parse(line) as PartReport;
    onProgress(last.schedules);
  });
  const report = new Promise<PartReport>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0 || isEnded) resolve(last);
      else reject(new Error(`a part of the campaign ended with ${code}`));
    });
  });
  const end = () => {
    isEnded = true;
    child.kill();
  };
  return { report, end };
}

function add(left: PartReport, right: PartReport): PartReport {
  const counts: Record<string, number> = { ...left.counts };
  for (const [what, count] of Object.entries(right.counts)) counts[what] = (counts[what] ?? 0) + count;
  const found = [left.found, right.found].filter((each) => each !== null).sort((a, b) => a.seed - b.seed)[0] ?? null;
  return {
    schedules: left.schedules + right.schedules,
    moments: left.moments + right.moments,
    virtualMs: left.virtualMs + right.virtualMs,
    losses: left.losses + right.losses,
    epochs: left.epochs + right.epochs,
    counts,
    found,
  };
}
