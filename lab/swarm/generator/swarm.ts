/**
 * A swarm from beginning to end: target, sale, buyers, opening, load, audit, result. The entry for programs.
 *
 * Everything that could go wrong before the first request is checked before the first request. The load runs in processes of
 * its own, so that rendering and asking never make it late; this one starts them, moves the opening to when they are ready,
 * and adds up. Nothing is left running, and a sale that was made here is closed, or it is said that it is not.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../../src/ports/clock.ts";
import type { OperatorClient } from "../operator-client.ts";
import { wait } from "../system-clock.ts";
import { checkServesBuyers, readServerOffset, untilHeard } from "./buyers-address.ts";
import type { PartProgress } from "./messages.ts";
import { PartProcess } from "./part-process.ts";
import { type Plan, planOf, type RecordedCurves } from "./plan.ts";
import { ProcessorWatch, type WatchedProcess } from "./processor-watch.ts";
import { resultOf, type SwarmResult, unitsAcceptedOf } from "./result.ts";
import type { Scenario } from "./scenario.ts";
import { type ScoreSum, sumScores } from "./scoreboard.ts";
import {
  auditWhenSettled,
  closeSwarmSale,
  createSwarmSale,
  findSwarmSale,
  mayBeMade,
  type SwarmSale,
  untilInMode,
} from "./swarm-sale.ts";
import { hostOf, isLoopback } from "./target.ts";
import type { Target } from "./wire.ts";

const HOUR_MS = 3_600_000;
const RUN_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz";
const RUN_LENGTH = 6;
/** From the announcement of the opening to the opening: every node has to hear of it. */
const ANNOUNCED_MS = 1_500;
/** By so much at least before the opening. */
const HEARD_MS_BEFORE = 100;
/** Signing of one request, generously, on a busy machine. */
const SIGN_MS_EACH = 0.008;
const GRACE_MS = 30_000;
const PROGRESS_INTERVAL_MS = 250;
const GENERATOR = "generator";
const SALE_CHARACTERS = 12;

export interface SwarmOptions {
  readonly scenario: Scenario;
  readonly recorded?: RecordedCurves;
  /** Arrivals in all, when not as many as the scenario says. */
  readonly requests?: number | null;
  /** Checked by target.ts; connections take turns among them. */
  readonly targets: readonly Target[];
  readonly operator: OperatorClient;
  /** The deployment's SECRET: sessions are minted with it. */
  readonly secret: string;
  /** A sale that is there and open; absent or null = the swarm makes its own and closes it. */
  readonly saleId?: string | null;
  readonly sku?: string | null;
  /** Wait until this ledger decides about the sale. */
  readonly mode?: "redis" | "postgres" | null;
  readonly processes?: number;
  /** Whose processor time counts. */
  readonly watched?: readonly WatchedProcess[];
  /** Only for comparing with closed-loop tools. */
  readonly countsFrom?: "schedule" | "sending";
  readonly clock: Clock;
  /** Without it trouble goes to stderr. */
  readonly onProgress?: (progress: SwarmProgress | SwarmTrouble) => void;
  /** Ends the run early, in order; what was sent until then is lost. */
  readonly signal?: AbortSignal;
}

/** What is going on. */
export interface SwarmProgress extends PartProgress {
  readonly phase: "preparing" | "signing" | "waiting" | "running" | "auditing";
  /** Buyers with a session, of how many. */
  readonly minted: number;
  readonly identities: number;
  /** Arrivals in all; who comes again or pays sends more. */
  readonly requests: number;
  /** The last arrival, after the opening. */
  readonly endMs: number;
  /** After the opening; negative before it. */
  readonly atMs: number;
}

/** What is left to do by hand after a run that ends without a result; a result has it among its warnings. */
export interface SwarmTrouble {
  readonly phase: "trouble";
  readonly trouble: string;
}

/** Runs a swarm. Rejects when it could not be carried out; what went badly during the run is in the result's findings. */
export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  const plan = planOf(options.scenario, options.recorded ?? {}, options.requests ?? null);
  const { operator, clock, saleId = null, sku = null } = options;
  const serverOffsetMs = await measureServerOffset(options);
  if (saleId) return playOn(await findSwarmSale(operator, saleId, sku), { options, plan, serverOffsetMs });
  // Named here, so that it can be closed even if the answer to its making is lost.
  const id = `swarm-${randomText(SALE_CHARACTERS)}`;
  let result: SwarmResult;
  let isMade = false;
  try {
    const sale = await createSwarmSale(operator, options.scenario, { id, nowMs: clock.nowMs() + serverOffsetMs });
    isMade = true;
    result = await playOn(sale, { options, plan, serverOffsetMs });
  } catch (error) {
    const trouble = isMade || mayBeMade(error) ? await closeSwarmSale(operator, id, clock) : null;
    if (trouble !== null) tellTrouble(trouble, options);
    throw error;
  }
  const trouble = await closeSwarmSale(operator, id, clock);
  return trouble === null ? result : { ...result, warnings: [...result.warnings, trouble] };
}

function tellTrouble(trouble: string, { onProgress }: SwarmOptions): void {
  if (onProgress === undefined) process.stderr.write(`${trouble}\n`);
  else onProgress({ phase: "trouble", trouble });
}

/** The run on a sale that is there; none of its processes outlives it. */
async function playOn(sale: SwarmSale, more: Omit<RunParts, "sale" | "parts">): Promise<SwarmResult> {
  const { options } = more;
  await checkServesBuyers(options.targets, sale.id);
  const parts = Array.from({ length: options.processes ?? 1 }, () => new PartProcess());
  const run = new Run({ ...more, sale, parts });
  const abort = (): void => run.stop();
  options.signal?.addEventListener("abort", abort);
  try {
    options.signal?.throwIfAborted();
    return await run.play();
  } finally {
    options.signal?.removeEventListener("abort", abort);
    run.stop();
  }
}

function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => RUN_CHARACTERS[byte % RUN_CHARACTERS.length]).join("");
}

/** How far the server's clock is from ours; on this machine they are the same. */
async function measureServerOffset({ targets, clock }: SwarmOptions): Promise<number> {
  const [target] = targets;
  if (target === undefined) throw new Error("a swarm without a target");
  return isLoopback(target.hostname) ? 0 : await readServerOffset(target, clock);
}

interface RunParts {
  readonly options: SwarmOptions;
  readonly plan: Plan;
  readonly sale: SwarmSale;
  readonly parts: readonly PartProcess[];
  readonly serverOffsetMs: number;
}

class Run {
  readonly #options: SwarmOptions;
  readonly #plan: Plan;
  readonly #sale: SwarmSale;
  readonly #parts: readonly PartProcess[];
  readonly #serverOffsetMs: number;
  #phase: SwarmProgress["phase"] = "preparing";
  #opensAtMs = 0;
  #cancelProgress: (() => void) | null = null;

  constructor({ options, plan, sale, parts, serverOffsetMs }: RunParts) {
    this.#options = options;
    this.#plan = plan;
    this.#sale = sale;
    this.#parts = parts;
    this.#serverOffsetMs = serverOffsetMs;
  }

  stop(): void {
    this.#cancelProgress?.();
    this.#cancelProgress = null;
    for (const part of this.#parts) part.stop();
  }

  async play(): Promise<SwarmResult> {
    const options = this.#options;
    this.#tell();
    await this.#prepare();
    await this.#sign();
    const watch = await this.#release();
    await this.#untilFinished();
    this.#phase = "auditing";
    watch.stop();
    const score = sumScores(this.#parts.flatMap((part) => part.score ?? []));
    const audit = await auditWhenSettled(options.operator, this.#sale, {
      takenMin: this.#takenAtLeast(score),
      clock: options.clock,
    });
    return resultOf({
      scenario: options.scenario.name,
      seed: options.scenario.seed,
      opensAt: this.#opensAtMs,
      plan: this.#plan,
      processes: this.#parts.length,
      score,
      residentBytes: this.#parts.reduce((sum, part) => sum + part.residentBytes, 0),
      sale: this.#sale,
      audit,
      keepsUnits: this.#keepsUnits(),
      samples: ProcessorWatch.isPossible ? watch.samples : null,
      generatorPart: GENERATOR,
    });
  }

  /** Sessions for everybody. */
  async #prepare(): Promise<void> {
    const { scenario, recorded = {}, requests = null, targets, secret, countsFrom = "schedule", clock } = this.#options;
    const [first] = targets;
    const run = randomText(RUN_LENGTH);
    const common = { scenario, recorded, requests, targets, secret, countsFrom, run };
    this.#parts.forEach((process, part) => {
      process.send({
        ...{ type: "prepare", ...common, part, partCount: this.#parts.length },
        host: first === undefined ? "" : hostOf(first),
        // Whole seconds, as tokens have them.
        expiresAt: Math.ceil((clock.nowMs() + this.#serverOffsetMs + HOUR_MS) / 1_000) * 1_000,
        saleId: this.#sale.id,
        sku: this.#sale.sku,
      });
    });
    await Promise.all(this.#parts.map((process) => process.until("prepared")));
  }

  /** First attempts signed for the opening as it is planned. */
  async #sign(): Promise<void> {
    this.#phase = "signing";
    const { clock } = this.#options;
    const signingMs = (this.#plan.buyerCount * SIGN_MS_EACH) / this.#parts.length;
    this.#opensAtMs = Math.round(clock.nowMs() + signingMs + ANNOUNCED_MS + Math.max(0, -this.#plan.startMs));
    const command = { type: "sign", opensAtMs: this.#opensAtMs, serverOffsetMs: this.#serverOffsetMs } as const;
    for (const process of this.#parts) process.send(command);
    await Promise.all(this.#parts.map((process) => process.until("signed")));
  }

  /** Moves the opening to when all are ready, and lets them go. */
  async #release(): Promise<ProcessorWatch> {
    const { operator, clock, mode = null } = this.#options;
    this.#phase = "waiting";
    if (mode !== null) await untilInMode(operator, this.#sale.id, { mode, clock });
    const earliestMs = clock.nowMs() + ANNOUNCED_MS + Math.max(0, -this.#plan.startMs);
    this.#opensAtMs = Math.max(this.#opensAtMs, Math.round(earliestMs));
    if (this.#sale.isOwn) {
      await operator.moveOpening(this.#sale.id, Math.round(this.#opensAtMs + this.#serverOffsetMs));
      await operator.warmUp(this.#sale.id);
      await untilHeard(this.#options.targets, this.#sale.id, {
        opensAt: Math.round(this.#opensAtMs + this.#serverOffsetMs),
        deadlineMs: this.#opensAtMs + Math.min(0, this.#plan.startMs) - HEARD_MS_BEFORE,
        clock,
      });
    }
    for (const process of this.#parts) process.send({ type: "go", opensAtMs: this.#opensAtMs });
    await wait(clock, this.#opensAtMs + Math.min(0, this.#plan.startMs) - clock.nowMs());
    this.#phase = "running";
    const watch = new ProcessorWatch(clock, this.#watched());
    watch.start();
    return watch;
  }

  #watched(): readonly WatchedProcess[] {
    const own = this.#parts.map(({ pid }) => ({ part: GENERATOR, pid, children: false }));
    return [...own, ...(this.#options.watched ?? [])];
  }

  /** Ends parts that do not end by themselves. */
  async #untilFinished(): Promise<void> {
    const { clock, scenario } = this.#options;
    const withinMs = this.#opensAtMs + this.#plan.endMs + scenario.patienceMs + GRACE_MS - clock.nowMs();
    const cancel = clock.setTimer(withinMs, () => {
      for (const part of this.#parts) part.stop();
    });
    try {
      await Promise.all(this.#parts.map((process) => process.until("finished")));
    } finally {
      cancel();
    }
  }

  /** Units that must be taken once everything accepted is written down; fewer where some may have come back. */
  #takenAtLeast(score: ScoreSum): number {
    if (!this.#keepsUnits()) return 0;
    return this.#sale.takenBefore + unitsAcceptedOf({ plan: this.#plan, score });
  }

  /** True when no unit comes back while the swarm looks. */
  #keepsUnits(): boolean {
    const { populations, sale, patienceMs } = this.#options.scenario;
    const mayReturn = Object.values(populations).some((one) => one.kind === "buyer" && one.giveBack !== undefined);
    return !mayReturn && this.#plan.endMs + patienceMs < sale.holdMs;
  }

  #tell(): void {
    const { clock, onProgress } = this.#options;
    if (onProgress === undefined) return;
    const show = (): void => {
      const sum = (of: (part: PartProcess) => number): number =>
        this.#parts.reduce((total, part) => total + of(part), 0);
      onProgress({
        phase: this.#phase,
        minted: sum((part) => part.mintedCount),
        identities: this.#plan.identityCount,
        requests: this.#plan.requestCount,
        endMs: this.#plan.endMs,
        atMs: this.#opensAtMs === 0 ? 0 : clock.nowMs() - this.#opensAtMs,
        sent: sum((part) => part.progress.sent),
        answered: sum((part) => part.progress.answered),
        accepted: sum((part) => part.progress.accepted),
        decided: sum((part) => part.progress.decided),
        errors: sum((part) => part.progress.errors),
        latencyMsP99: Math.max(0, ...this.#parts.map((part) => part.progress.latencyMsP99)),
      });
      this.#cancelProgress = clock.setTimer(PROGRESS_INTERVAL_MS, show);
    };
    show();
  }
}
