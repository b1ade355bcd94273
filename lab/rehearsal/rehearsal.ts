/**
 * A rehearsal from beginning to end: two sales of its own, one rate after the other on each, and what that came to.
 *
 * The first sale has units for everybody: how many acceptances a second. The second has one: how many refusals, which is what
 * nearly everybody gets on the day. Each trial is a swarm with a schedule of its own in processes of its own. The time is
 * bounded: a trial that would not end in it is not begun. The sales are own-sales.ts: closed whatever happens, and closing by
 * themselves should this process die; the holds end by themselves, the last of them the rehearsal's time and a minute after it.
 */
import { availableParallelism } from "node:os";
import type { MeasuredRate } from "../../src/domain/certificate.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { RehearsalMeasurement, RehearsalProgress, RehearsalTask } from "../../src/ports/rehearsal-runner.ts";
import type { WatchedProcess } from "../swarm/generator/processor-watch.ts";
import type { Scenario } from "../swarm/generator/scenario.ts";
import { runSwarm } from "../swarm/generator/swarm.ts";
import { parseTargets } from "../swarm/generator/target.ts";
import type { Target } from "../swarm/generator/wire.ts";
import { OperatorClient } from "../swarm/operator-client.ts";
import { kneeOf, nextRate, type Trial } from "./knee.ts";
import { measuredRate } from "./measured-rate.ts";
import { OwnSales, SKU } from "./own-sales.ts";
import { BUYER_POPULATION, readTrial, type TrialReading, type Wanted } from "./reading.ts";
import { watchedServers } from "./watched-servers.ts";

/** How much longer than the whole rehearsal a hold lasts, and its sales at the most. */
const HOLD_MS_AFTER = 60_000;

const START_PER_S = 250;
const RATE_PER_S_MAX = 200_000;
const PRECISION = 1.2;
/** Units for every trial of the accepting part. */
const STOCK = 5_000_000;
/** The share of the time that acceptances get. */
const ACCEPTING_SHARE = 0.6;
const PRACTICE_MS = 1_000;
const PATIENCE_MS = 3_000;
/** A trial takes its own length and this, before anything is known. */
const OVERHEAD_MS = 3_500;
/** The next trial signs more requests than the last. */
const NEXT_TRIAL_FACTOR = 1.25;
const CONNECTIONS_MAX = 256;
const CORES_PER_GENERATOR = 4;

export interface RehearsalOptions {
  readonly task: RehearsalTask;
  readonly clock: Clock;
  readonly onProgress: (progress: RehearsalProgress) => void;
  readonly signal: AbortSignal;
  /** For tests. */
  readonly swarm?: typeof runSwarm;
}

/** Runs a rehearsal. Rejects with words for the operator when nothing could be measured. */
export async function rehearse(options: RehearsalOptions): Promise<RehearsalMeasurement> {
  const rehearsal = new Rehearsal(options);
  try {
    return await rehearsal.play();
  } finally {
    await rehearsal.close();
  }
}

/** How long one trial sends. */
function trialMsOf(durationMs: number): number {
  if (durationMs >= 60_000) return 3_000;
  return durationMs >= 30_000 ? 1_500 : 1_000;
}

class Rehearsal {
  readonly #options: RehearsalOptions;
  readonly #operator: OperatorClient;
  readonly #targets: readonly Target[];
  readonly #watched: readonly WatchedProcess[];
  readonly #generatorProcesses = Math.max(1, Math.floor(availableParallelism() / CORES_PER_GENERATOR));
  readonly #startedMs: number;
  readonly #sales: OwnSales;
  readonly #kept = { accepted: 0, refused: 0 };
  #trials = 0;
  #lastTrialMs = 0;

  constructor(options: RehearsalOptions) {
    const { task, clock } = options;
    this.#options = options;
    this.#operator = new OperatorClient({ address: task.adminUrl, token: task.adminToken });
    this.#targets = parseTargets(task.targets, task.ownHost);
    this.#watched = watchedServers(task.servers);
    this.#startedMs = clock.monotonicMs();
    this.#sales = new OwnSales({
      ...{ task, clock, signal: options.signal, operator: this.#operator, targets: this.#targets },
      holdMs: this.#holdMs(),
    });
  }

  async play(): Promise<RehearsalMeasurement> {
    const { durationMs } = this.#options.task;
    this.#tell("preparing", 0);
    const accepting = await this.#sales.open("accept", STOCK);
    await this.#trial(accepting, { ratePerS: START_PER_S, wanted: "accepted", trialMs: PRACTICE_MS });
    const accepts = await this.#search(accepting, { wanted: "accepted", untilMs: durationMs * ACCEPTING_SHARE });
    const refusing = await this.#sales.open("refuse", 1);
    // Null is "there was no time": refusals that were tried and kept at no rate are a failure, like acceptances.
    const refuses = this.#hasTimeFor(trialMsOf(durationMs), durationMs)
      ? await this.#search(refusing, { wanted: "refused", untilMs: durationMs, startPerS: accepts.ratePerS })
      : null;
    this.#tell("ending", 0);
    return { accepts, refuses, ledger: this.#sales.ledger, nodes: await this.#operator.countNodes(accepting) };
  }

  /** Never rejects: see own-sales.ts. */
  async close(): Promise<void> {
    await this.#sales.close();
  }

  /** One rate after the other until the knee or the time, one at the least. Rejects when none was kept. */
  async #search(
    saleId: string,
    { wanted, untilMs, startPerS = START_PER_S }: { wanted: Wanted; untilMs: number; startPerS?: number },
  ): Promise<MeasuredRate> {
    const readings: TrialReading[] = [];
    const trials = (): readonly Trial[] => readings;
    const search = { startPerS, maxPerS: RATE_PER_S_MAX, precision: PRECISION };
    const trialMs = trialMsOf(this.#options.task.durationMs);
    for (;;) {
      const ratePerS = nextRate(trials(), search);
      if (ratePerS === null || (readings.length > 0 && !this.#hasTimeFor(trialMs, untilMs))) break;
      readings.push(await this.#trial(saleId, { ratePerS, wanted, trialMs }));
      this.#kept[wanted] = kneeOf(trials()).keptPerS ?? 0;
    }
    const machine = { cores: availableParallelism(), generatorProcesses: this.#generatorProcesses };
    return measuredRate(readings, machine, wanted);
  }

  #hasTimeFor(trialMs: number, untilMs: number): boolean {
    const needsMs = Math.max(trialMs + OVERHEAD_MS, this.#lastTrialMs * NEXT_TRIAL_FACTOR);
    return this.#elapsedMs() + needsMs <= untilMs;
  }

  async #trial(
    saleId: string,
    { ratePerS, wanted, trialMs }: { ratePerS: number; wanted: Wanted; trialMs: number },
  ): Promise<TrialReading> {
    const { task, clock, signal, swarm = runSwarm } = this.#options;
    this.#tell(wanted === "accepted" ? "accepting" : "refusing", ratePerS);
    const beganMs = clock.monotonicMs();
    const result = await swarm({
      scenario: scenarioOf({ ratePerS, trialMs, seed: this.#trials + 1, holdMs: this.#holdMs() }),
      targets: this.#targets,
      operator: this.#operator,
      secret: task.secret,
      saleId,
      sku: SKU,
      processes: this.#generatorProcesses,
      watched: this.#watched,
      clock,
      signal,
    });
    this.#trials += 1;
    this.#lastTrialMs = clock.monotonicMs() - beganMs;
    if (result.audit?.balanced !== true) {
      throw new Error(
        `The audit of ${saleId} does not balance. That is worse than any lack of speed: look at it first.`,
      );
    }
    await this.#sales.checkLedger(saleId);
    return readTrial(result, { ratePerS, wanted, latencyMsMax: task.latencyMsMax });
  }

  /** Longer than the rehearsal: no unit comes back while it runs. */
  #holdMs(): number {
    return this.#options.task.durationMs + HOLD_MS_AFTER;
  }

  #elapsedMs(): number {
    return this.#options.clock.monotonicMs() - this.#startedMs;
  }

  #tell(phase: RehearsalProgress["phase"], ratePerS: number): void {
    this.#options.onProgress({
      ...{ phase, ratePerS, trials: this.#trials },
      acceptsPerS: this.#kept.accepted,
      refusesPerS: this.#kept.refused,
      elapsedMs: Math.round(this.#elapsedMs()),
    });
  }
}

function scenarioOf(trial: { ratePerS: number; trialMs: number; seed: number; holdMs: number }): Scenario {
  const { ratePerS, trialMs, seed, holdMs } = trial;
  return {
    ...{ name: "rehearsal", description: "", seed, patienceMs: PATIENCE_MS },
    sale: { stock: STOCK, perBuyerMax: 1, holdMs },
    connections: { mode: "keep-alive", max: CONNECTIONS_MAX, ahead: CONNECTIONS_MAX },
    populations: {
      [BUYER_POPULATION]: {
        ...{ kind: "buyer", ratePerS, quantity: 1, triesMax: 1 },
        arrivals: { curve: "poisson", startMs: 0, durationMs: trialMs },
      },
    },
  };
}
