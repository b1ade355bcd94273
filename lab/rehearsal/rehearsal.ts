/**
 * A rehearsal from beginning to end: two sales of its own, one rate after the other on each, and what that came to.
 *
 * The first sale has units for everybody: how many acceptances a second. The second has one: how many refusals, which is what
 * nearly everybody gets on the day. Each trial is a swarm with a schedule of its own in processes of its own. The time is
 * bounded: a trial that would not end in it is not begun. Both sales are closed whatever happens, and close by themselves
 * should this process die; the holds end by themselves, the last of them the rehearsal's time and a minute after it.
 */
import { availableParallelism } from "node:os";
import type { MeasuredRate } from "../../src/domain/certificate.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { RehearsalMeasurement, RehearsalProgress, RehearsalTask } from "../../src/ports/rehearsal-runner.ts";
import type { WatchedProcess } from "../swarm/generator/processor-watch.ts";
import type { Scenario } from "../swarm/generator/scenario.ts";
import { runSwarm } from "../swarm/generator/swarm.ts";
import { addressOf, parseTargets } from "../swarm/generator/target.ts";
import type { Target } from "../swarm/generator/wire.ts";
import { OperatorClient } from "../swarm/operator-client.ts";
import { wait } from "../swarm/system-clock.ts";
import { kneeOf, nextRate, type Trial } from "./knee.ts";
import { findListener } from "./listening-process.ts";
import { BUYER_POPULATION, limitOf, readTrial, type TrialReading, type Wanted } from "./reading.ts";

/** How much longer than the whole rehearsal a hold lasts, and its sales at the most. */
const HOLD_MS_AFTER = 60_000;

const SKU = "ticket";
const START_PER_S = 250;
const RATE_PER_S_MAX = 200_000;
const PRECISION = 1.2;
/** Units for every trial of the accepting part. */
const STOCK = 5_000_000;
/** The share of the time that acceptances get. */
const ACCEPTING_SHARE = 0.6;
const PRACTICE_MS = 1_000;
const PATIENCE_MS = 3_000;
const READY_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 50;
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
  readonly #sales: string[] = [];
  readonly #kept = { accepted: 0, refused: 0 };
  #trials = 0;
  #lastTrialMs = 0;

  constructor(options: RehearsalOptions) {
    const { task, clock } = options;
    this.#options = options;
    this.#operator = new OperatorClient({ address: task.adminUrl, token: task.adminToken });
    this.#targets = parseTargets(task.targets, task.ownHost);
    this.#watched = task.servers.flatMap(({ part, port }) => {
      const pid = findListener(port);
      return pid === null ? [] : [{ part, pid, children: part === "postgres" }];
    });
    this.#startedMs = clock.monotonicMs();
  }

  async play(): Promise<RehearsalMeasurement> {
    const { durationMs } = this.#options.task;
    this.#tell("preparing", 0);
    const accepting = await this.#openSale("accept", STOCK);
    const ledger = await this.#ledgerOf(accepting);
    await this.#trial(accepting, { ratePerS: START_PER_S, wanted: "accepted", trialMs: PRACTICE_MS });
    const accepts = await this.#search(accepting, { wanted: "accepted", untilMs: durationMs * ACCEPTING_SHARE });
    if (accepts === null) {
      throw new Error("No rate was kept, however low. Look at the deployment's health before its capacity.");
    }
    const refusing = await this.#openSale("refuse", 1);
    await this.#ledgerOf(refusing);
    const refuses = await this.#search(refusing, {
      wanted: "refused",
      untilMs: durationMs,
      startPerS: accepts.ratePerS,
    });
    this.#tell("ending", 0);
    const { nodes } = await this.#stats(accepting);
    return { accepts, refuses, ledger, nodes };
  }

  async close(): Promise<void> {
    for (const id of this.#sales) await this.#operator.closeSale(id);
  }

  /** One rate after the other until the knee or the time; null when no rate was kept. */
  async #search(
    saleId: string,
    { wanted, untilMs, startPerS = START_PER_S }: { wanted: Wanted; untilMs: number; startPerS?: number },
  ): Promise<MeasuredRate | null> {
    const readings: TrialReading[] = [];
    const trials = (): readonly Trial[] => readings;
    const search = { startPerS, maxPerS: RATE_PER_S_MAX, precision: PRECISION };
    const trialMs = trialMsOf(this.#options.task.durationMs);
    for (;;) {
      const ratePerS = nextRate(trials(), search);
      if (ratePerS === null || (readings.length > 0 && !this.#hasTimeFor(trialMs, untilMs))) break;
      if (readings.length === 0 && wanted === "refused" && !this.#hasTimeFor(trialMs, untilMs)) return null;
      readings.push(await this.#trial(saleId, { ratePerS, wanted, trialMs }));
      this.#kept[wanted] = kneeOf(trials()).keptPerS ?? 0;
    }
    return measuredRate(readings, this.#generatorProcesses);
  }

  #hasTimeFor(trialMs: number, untilMs: number): boolean {
    const needsMs = Math.max(trialMs + OVERHEAD_MS, this.#lastTrialMs * NEXT_TRIAL_FACTOR);
    return this.#elapsedMs() + needsMs <= untilMs;
  }

  async #trial(
    saleId: string,
    { ratePerS, wanted, trialMs }: { ratePerS: number; wanted: Wanted; trialMs: number },
  ): Promise<TrialReading> {
    const { task, clock, signal } = this.#options;
    this.#tell(wanted === "accepted" ? "accepting" : "refusing", ratePerS);
    const beganMs = clock.monotonicMs();
    const result = await runSwarm({
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
    return readTrial(result, { ratePerS, wanted, latencyMsMax: task.latencyMsMax });
  }

  /** A sale of our own that is open on every target. Ends by itself, should nobody close it. */
  async #openSale(name: string, stock: number): Promise<string> {
    const { task, clock } = this.#options;
    const nowMs = clock.nowMs();
    const id = `${task.id}-${name}`;
    const call = {
      ...{ id, name: `Rehearsal (${name})`, holdMs: this.#holdMs(), perBuyerMax: 1, challenge: "none" },
      buckets: task.buckets,
      opensAt: nowMs - 1_000,
      closesAt: nowMs + task.durationMs + HOLD_MS_AFTER,
      items: [{ sku: SKU, name: "Nothing for sale", price: { amount: 100, currency: "EUR" }, stock, perBuyerMax: 1 }],
    };
    await this.#operator.createSale(call);
    this.#sales.push(id);
    await this.#operator.warmUp(id);
    for (const target of this.#targets) await this.#untilKnownAt(target, id);
    return id;
  }

  /** Whoever does not know the sale is not this deployment, and gets no load. */
  async #untilKnownAt(target: Target, saleId: string): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + READY_WITHIN_MS;
    const url = `${addressOf(target)}/v1/sales/${saleId}`;
    while (clock.monotonicMs() < deadlineMs) {
      this.#options.signal.throwIfAborted();
      const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(READY_WITHIN_MS) });
      const isJson = response.headers.get("content-type")?.includes("json") === true;
      const sale = isJson ? ((await response.json()) as { id?: string; state?: string }) : {};
      if (sale.id === saleId && (sale.state === "open" || sale.state === "empty")) return;
      await wait(clock, LOOK_EVERY_MS);
    }
    throw new Error(`${addressOf(target)} does not know the rehearsal's sale: it is not a node of this deployment.`);
  }

  /** The ledger that decides about the sale: the one that should, given a while to take over. */
  async #ledgerOf(saleId: string): Promise<"redis" | "postgres"> {
    const { task, clock, signal } = this.#options;
    const deadlineMs = clock.monotonicMs() + READY_WITHIN_MS;
    for (;;) {
      const { mode } = await this.#operator.readSale(saleId);
      if (mode === task.ledger) return task.ledger;
      if (clock.monotonicMs() >= deadlineMs) return "postgres";
      signal.throwIfAborted();
      await wait(clock, LOOK_EVERY_MS);
    }
  }

  async #stats(saleId: string): Promise<{ nodes: number }> {
    const { adminUrl, adminToken } = this.#options.task;
    const response = await fetch(`${adminUrl}/v1/admin/sales/${saleId}/stats`, {
      headers: { authorization: `Bearer ${adminToken}` },
      signal: AbortSignal.timeout(READY_WITHIN_MS),
    });
    return (await response.json()) as { nodes: number };
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

/** What the trials say together; null when no rate was kept. */
function measuredRate(readings: readonly TrialReading[], generatorProcesses: number): MeasuredRate | null {
  const { keptPerS, missedPerS } = kneeOf(readings);
  const kept = readings.findLast(({ ratePerS, verdict }) => ratePerS === keptPerS && verdict === "kept");
  const missed = readings.findLast(({ ratePerS, verdict }) => ratePerS === missedPerS && verdict !== "kept") ?? null;
  if (keptPerS === null || kept === undefined) return null;
  return {
    ratePerS: keptPerS,
    latencyMsP99: kept.latencyMsP99,
    missedPerS,
    ...limitOf(missed, { cores: availableParallelism(), generatorProcesses }),
    cpuUsPerDecision: kept.cpuUsPerDecision,
  };
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
