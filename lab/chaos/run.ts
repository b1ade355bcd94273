/**
 * A run of the laboratory: deals repetitions to variants, keeps a deployment up as long as its shape is wanted, and collects
 * the reports.
 *
 * A repetition that throws (a sale that never goes on again, a server that does not come back) is a failed one, and the
 * deployment it leaves behind is thrown away.
 */
import { join } from "node:path";
import type { Clock } from "../../src/ports/clock.ts";
import { writeHistory } from "./history.ts";
import { runRepetition } from "./repetition.ts";
import { type ChaosReport, describeRepetition, type RepetitionReport, summarize } from "./report.ts";
import type { Scenario, Variant } from "./scenario.ts";
import { ChaosStack, type StackShape } from "./stack.ts";

const SEEDS_PER_SCENARIO = 1_000;

export interface RunOptions {
  readonly scenarios: readonly Scenario[];
  readonly times: number;
  readonly seed: number;
  /** Only variants whose name contains it. */
  readonly variantText: string;
  /** Without Redis. */
  readonly isPostgresMode: boolean;
  /** For histories of failed repetitions. */
  readonly folder: string;
  readonly clock: Clock;
  readonly say: (text: string) => void;
  /** Keeps a text under a name, beside the report. */
  readonly keep: (name: string, text: string) => void;
}

/** Runs everything that was asked for. Rejects only when the laboratory itself is broken. */
export async function runChaos(options: RunOptions): Promise<ChaosReport> {
  return await new Run(options).run();
}

class Run {
  readonly #options: RunOptions;
  readonly #reports: RepetitionReport[] = [];
  #stack: ChaosStack | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  async run(): Promise<ChaosReport> {
    const { clock, scenarios, seed } = this.#options;
    const startedAt = new Date(clock.nowMs()).toISOString();
    const startedAtMs = clock.monotonicMs();
    const leftOut = new Map<string, string[]>();
    try {
      for (const scenario of scenarios) leftOut.set(scenario.id, await this.#runScenario(scenario));
    } finally {
      await this.#stack?.stop();
    }
    return {
      seed,
      startedAt,
      tookMs: clock.monotonicMs() - startedAtMs,
      scenarios: scenarios.map((one) => summarize(one, this.#reports, leftOut.get(one.id) ?? [])),
      repetitions: this.#reports,
    };
  }

  /** Answers which variants were left out, and why. */
  async #runScenario(scenario: Scenario): Promise<string[]> {
    const { times, say, seed, variantText, isPostgresMode } = this.#options;
    const leftOut: string[] = [];
    const variants = scenario.variants.filter((variant) => {
      const why = variant.whyNot?.() ?? null;
      if (why !== null) leftOut.push(`(${variant.name}): ${why}`);
      return why === null && variant.name.includes(variantText);
    });
    for (const text of leftOut) say(`${scenario.id} ${text}`);
    for (const [index, variant] of variants.entries()) {
      const shape: StackShape = isPostgresMode ? { ...variant.shape, topology: "none" } : variant.shape;
      // Dealt in turn, run in blocks: variants of one shape need one deployment.
      for (let turn = index; turn < times; turn += variants.length) {
        const number = Number(scenario.id.slice(1));
        const repetitionSeed = seed * SEEDS_PER_SCENARIO * 100 + number * SEEDS_PER_SCENARIO + turn;
        await this.#runOne(scenario, { ...variant, shape }, { repetition: turn + 1, seed: repetitionSeed });
      }
    }
    return leftOut;
  }

  async #runOne(scenario: Scenario, variant: Variant, turn: { repetition: number; seed: number }): Promise<void> {
    const { clock, folder, keep, say } = this.#options;
    const startedAtMs = clock.monotonicMs();
    const name = `${scenario.id}-${turn.repetition}`;
    let report: RepetitionReport;
    try {
      const stack = await this.#stackOf(variant.shape, turn.seed);
      const result = await runRepetition({ scenario, variant, ...turn, stack });
      report = result.report;
      if (report.violations.length > 0) writeHistory(join(folder, `${name}.history.ndjson`), result.history);
    } catch (error) {
      report = brokenRepetition(scenario, variant, turn, { error, tookMs: clock.monotonicMs() - startedAtMs });
    }
    this.#reports.push(report);
    say(describeRepetition(report));
    if (report.violations.length === 0) return;
    keep(`${name}.output.txt`, `${describeRepetition(report)}\n${this.#stack?.output ?? ""}`);
    await this.#stack?.stop();
    this.#stack = null;
  }

  async #stackOf(shape: StackShape, seed: number): Promise<ChaosStack> {
    const { clock, say } = this.#options;
    if (this.#stack !== null && JSON.stringify(this.#stack.shape) === JSON.stringify(shape)) return this.#stack;
    await this.#stack?.stop();
    this.#stack = null;
    const startedAtMs = clock.monotonicMs();
    this.#stack = await ChaosStack.start({ shape, seed, clock });
    const tookMs = Math.round(clock.monotonicMs() - startedAtMs);
    say(
      `A deployment with ${shape.topology} Redis, ${shape.apiNodes} API nodes, ${shape.workers} workers is up (${tookMs} ms)`,
    );
    return this.#stack;
  }
}

function brokenRepetition(
  scenario: Scenario,
  variant: Variant,
  turn: { repetition: number; seed: number },
  end: { error: unknown; tookMs: number },
): RepetitionReport {
  const text = end.error instanceof Error ? (end.error.stack ?? end.error.message) : String(end.error);
  return {
    scenario: scenario.id,
    variant: variant.name,
    ...turn,
    saleId: "",
    injections: [],
    downtimeMs: 0,
    recoveryMs: 0,
    requests: 0,
    accepted: 0,
    unanswered: 0,
    lost: 0,
    oversold: 0,
    stranded: 0,
    linearization: "undecided",
    epochs: 0,
    tookMs: end.tookMs,
    violations: [`could not be carried out: ${text}`],
  };
}
