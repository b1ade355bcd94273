/**
 * One run of the crowd against one sale: sessions, opening, rush, payments, resale, audit, verdict.
 *
 * Knows nothing of how the shop was started: it needs two addresses and an operator's token. The opening is put far
 * enough ahead that everybody can have a session, and moved when that takes longer. Crowd processes are stopped on every
 * way out.
 */
import { availableParallelism } from "node:os";
import type { Clock } from "../../src/ports/clock.ts";
import { CrowdProcess } from "./crowd-process.ts";
import { type Evidence, judge, type OrderRow } from "./judge.ts";
import { type Audit, type NewSale, OperatorClient } from "./operator-client.ts";
import { MemoryWatch } from "./process-memory.ts";
import type { Progress } from "./progress.ts";
import type { RunResult } from "./report.ts";
import { wait } from "./system-clock.ts";
import { countAccepted, countHasty, countRows, sumTallies, type TallySum } from "./tally.ts";

const WORKER_COUNT_MAX = 2;
const PER_BUYER_MAX = 4;
const SALE_LASTS_MS = 3_600_000;
/** The countdown that buyers see before their sessions are counted in; the opening is moved when everybody is ready. */
const COUNTDOWN_MS_MIN = 5_000;
const COUNTDOWN_MS_PER_BUYER = 0.15;
/** While sessions are still being opened, the opening is put off when it comes this close. */
const POSTPONED_BELOW_MS = 3_000;
const POSTPONED_BY_MS = 8_000;
/** Signing first requests ahead of time, half of it to spare. */
const PREPARATION_MS_PER_BUYER = 0.02;
/** After the last buyer went home, for holds that ended to be swept and notifications to arrive. */
const SETTLE_WITHIN_MS = 15_000;
const SETTLE_POLL_MS = 500;
const CONSISTENT_READS_MAX = 20;
const CLOCK_SAMPLES = 7;

/** How long the parts of a run take. */
export interface RunTimings {
  /** From the last session to the opening at least; the early birds come 1.5 s before it. */
  readonly preparationMs: number;
  /** From the opening to the last arrival. */
  readonly rushMs: number;
  readonly arrivals: "rush" | "even";
  /** How long units wait for payment. */
  readonly holdMs: number;
  /** The longest a buyer thinks before paying. */
  readonly thinkMsMax: number;
  /** Patient buyers wait for units that come back until this long after the opening. */
  readonly patienceMs: number;
}

/** Fits a crowd of 100,000 on two cores into a minute and a half. */
export const RUN_TIMINGS: RunTimings = {
  preparationMs: 2_500,
  rushMs: 10_000,
  arrivals: "rush",
  holdMs: 36_000,
  thinkMsMax: 8_000,
  patienceMs: 50_000,
};

/** Somebody who waits for the sale, or disturbs it. What rejects here fails the run. */
export interface RunCompanion {
  /** Before the opening is settled. */
  beforeRush(saleId: string): Promise<void>;
  /** From the opening on, beside the crowd; the run ends when both have. */
  duringRush(sale: { saleId: string; opensAtMs: number }): Promise<void>;
}

/** A sale that lasts long enough for parts of the deployment to die and come back while it goes on. */
export const DISTURBED_TIMINGS: RunTimings = {
  preparationMs: 2_500,
  rushMs: 30_000,
  arrivals: "even",
  holdMs: 36_000,
  thinkMsMax: 8_000,
  patienceMs: 55_000,
};

export interface RunOptions {
  readonly buyerCount: number;
  readonly stock: number;
  readonly seed: number;
  readonly hostname: string;
  readonly port: number;
  readonly adminAddress: string;
  readonly adminToken: string;
  /** Processes of the shop now, for the memory figure. */
  readonly shopPids: () => readonly number[];
  /** How many nodes the address stands for; 1 when absent. */
  readonly nodeCount?: number;
  /** Who else has business with the sale while it runs. */
  readonly companion?: RunCompanion;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly timings: RunTimings;
  /** How long holds that ended and payments on their way may take to settle afterwards. */
  readonly settleWithinMs?: number;
  /** When the whole run began, by the monotonic clock. */
  readonly startedAtMs: number;
}

/** Runs the crowd once and judges it. Rejects when the run itself could not be carried out. */
export async function runCrowd(options: RunOptions): Promise<RunResult & { readonly saleId: string }> {
  const operator = new OperatorClient({ address: options.adminAddress, token: options.adminToken });
  const processes: CrowdProcess[] = [];
  const pids = (): number[] => [process.pid, ...options.shopPids(), ...processes.flatMap((crowd) => crowd.pid ?? [])];
  const memory = new MemoryWatch(options.clock, pids);
  memory.start();
  try {
    const opening = await announce(options, operator);
    for (let index = 0; index < workerCount(options); index++) processes.push(new CrowdProcess());
    const opensAtMs = await prepareCrowd(options, operator, opening, processes);
    await Promise.all([
      rushAndPay(options, operator, opening.saleId, opensAtMs, processes),
      options.companion?.duringRush({ saleId: opening.saleId, opensAtMs }),
    ]);
    const tally = tallyOf(processes);
    const evidence = await collectEvidence(options, operator, { ...opening, opensAtMs }, processes, tally);
    return {
      saleId: opening.saleId,
      buyerCount: options.buyerCount,
      evidence,
      findings: judge(evidence),
      tally,
      durationMs: options.clock.monotonicMs() - options.startedAtMs,
      residentBytesPeak: memory.residentBytesPeak,
      lagMsMax: Math.max(...processes.map((crowd) => crowd.lagMsMax)),
    };
  } finally {
    memory.stop();
    options.progress.stop();
    for (const crowd of processes) crowd.stop();
  }
}

interface Opening {
  readonly saleId: string;
  readonly sale: NewSale;
  readonly serverOffsetMs: number;
}

async function announce(options: RunOptions, operator: OperatorClient): Promise<Opening> {
  const serverOffsetMs = await measureServerOffset(options);
  const countdownMs = COUNTDOWN_MS_MIN + options.buyerCount * COUNTDOWN_MS_PER_BUYER;
  const opensAt = Math.round(options.clock.nowMs() + serverOffsetMs + countdownMs);
  const sale: NewSale = {
    name: "Doorbuster demo",
    opensAt,
    closesAt: opensAt + SALE_LASTS_MS,
    holdMs: options.timings.holdMs,
    perBuyerMax: PER_BUYER_MAX,
    items: splitStock(options.stock).map((item) => ({
      ...item,
      price: { amount: 4_900, currency: "EUR" },
      perBuyerMax: PER_BUYER_MAX,
    })),
  };
  const { id } = await operator.createSale(sale);
  const stock = sale.items.map((item) => `${item.stock.toLocaleString("en-US")} ${item.sku}`).join(", ");
  options.progress.say(`Sale ${id}: ${stock}; at most ${PER_BUYER_MAX} each.`);
  return { saleId: id, sale, serverOffsetMs };
}

/** Sessions for everybody, then a first request each; answers when the sale opens, by this machine's clock. */
async function prepareCrowd(
  options: RunOptions,
  operator: OperatorClient,
  opening: Opening,
  processes: readonly CrowdProcess[],
): Promise<number> {
  const { clock, progress } = options;
  const { sale, saleId, serverOffsetMs } = opening;
  let opensAtMs = sale.opensAt - serverOffsetMs;
  progress.start(() => {
    const minted = processes.reduce((sum, crowd) => sum + crowd.mintedCount, 0);
    const secondsLeft = ((opensAtMs - clock.nowMs()) / 1_000).toFixed(1);
    return `opens in ${secondsLeft} s · ${count(minted)} of ${count(options.buyerCount)} buyers have a session`;
  });
  processes.forEach((crowd, workerIndex) => {
    crowd.send({
      type: "setup",
      shape: {
        seed: options.seed,
        items: sale.items,
        rushMs: options.timings.rushMs,
        arrivals: options.timings.arrivals,
        thinkMsMax: options.timings.thinkMsMax,
      },
      buyerCount: options.buyerCount,
      workerIndex,
      workerCount: processes.length,
      hostname: options.hostname,
      port: options.port,
      saleId,
      skus: sale.items.map((item) => item.sku),
      perBuyerMax: sale.items.map((item) => item.perBuyerMax),
      nodeCount: options.nodeCount ?? 1,
    });
  });
  const ready = Promise.all(processes.map((crowd) => crowd.until("ready")));
  while (!(await isSettledWithin(clock, ready, SETTLE_POLL_MS))) {
    // A sale that has opened cannot be put off any more.
    if (opensAtMs - clock.nowMs() > POSTPONED_BELOW_MS) continue;
    opensAtMs = Math.round(clock.nowMs() + POSTPONED_BY_MS);
    await operator.moveOpening(saleId, Math.round(opensAtMs + serverOffsetMs));
  }
  await options.companion?.beforeRush(saleId);
  const preparationMs = options.timings.preparationMs + options.buyerCount * PREPARATION_MS_PER_BUYER;
  opensAtMs = Math.round(clock.nowMs() + preparationMs);
  await operator.moveOpening(saleId, Math.round(opensAtMs + serverOffsetMs));
  await operator.warmUp(saleId);
  const patienceUntilMs = opensAtMs + options.timings.patienceMs;
  for (const crowd of processes) crowd.send({ type: "rush", opensAtMs, patienceUntilMs, serverOffsetMs });
  await Promise.all(processes.map((crowd) => crowd.until("prepared")));
  return opensAtMs;
}

/** False when the work takes longer; rejects when it does. */
async function isSettledWithin(clock: Clock, work: Promise<unknown>, withinMs: number): Promise<boolean> {
  let cancel = (): void => undefined;
  const late = new Promise<false>((resolve) => {
    cancel = clock.setTimer(withinMs, () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    cancel();
  }
}

/** The rush, the payments and the resale, until the last buyer has gone home. */
async function rushAndPay(
  options: RunOptions,
  operator: OperatorClient,
  saleId: string,
  opensAtMs: number,
  processes: readonly CrowdProcess[],
): Promise<void> {
  const { clock, progress } = options;
  progress.start(() => {
    const { rows, payments } = tallyOf(processes);
    const sinceMs = clock.nowMs() - opensAtMs;
    if (sinceMs < 0) return `opens in ${(-sinceMs / 1_000).toFixed(1)} s · early birds are at the door`;
    const arrived = processes.reduce((sum, crowd) => sum + crowd.arrivedCount, 0);
    const active = processes.reduce((sum, crowd) => sum + crowd.activeCount, 0);
    const accepted = countAccepted(rows);
    return `+${(sinceMs / 1_000).toFixed(1)} s · ${count(arrived)} arrived, ${count(active)} active · ${count(countRows(rows, {}))} answers, ${count(accepted)} accepted · ${count(payments.paid)} paid`;
  });
  const finished = Promise.all(processes.map((crowd) => crowd.until("finished")));
  const sendHome = sendHomeWhenSold(options, operator, saleId, opensAtMs, processes);
  await finished;
  await sendHome;
  progress.stop();
}

/** Nobody needs to wait for stock that is sold to the last unit. */
async function sendHomeWhenSold(
  options: RunOptions,
  operator: OperatorClient,
  saleId: string,
  opensAtMs: number,
  processes: readonly CrowdProcess[],
): Promise<void> {
  const { clock } = options;
  const isRunning = (): boolean => processes.some((crowd) => !crowd.hasReached("finished"));
  await wait(clock, opensAtMs + options.timings.rushMs - clock.nowMs());
  while (isRunning()) {
    const audit = await auditWhenPossible(operator, saleId);
    if (audit?.items.every((item) => item.sold === item.total)) break;
    await wait(clock, SETTLE_POLL_MS * 2);
  }
  for (const crowd of processes) crowd.send({ type: "go_home" });
}

/** Null while the deployment is too disturbed to audit: there is a next time. */
async function auditWhenPossible(operator: OperatorClient, saleId: string): Promise<Audit | null> {
  try {
    return await operator.audit(saleId);
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

/** Waits until holds that ended are swept and everything paid has settled, then reads orders and stock. */
async function collectEvidence(
  options: RunOptions,
  operator: OperatorClient,
  opening: Opening & { opensAtMs: number },
  processes: readonly CrowdProcess[],
  tally: TallySum,
): Promise<Evidence> {
  const { clock, progress } = options;
  const { saleId, sale, serverOffsetMs, opensAtMs } = opening;
  progress.start(() => "the last holds end, the last payments settle");
  const deadlineMs = clock.monotonicMs() + (options.settleWithinMs ?? SETTLE_WITHIN_MS);
  while (clock.monotonicMs() < deadlineMs && (await operator.audit(saleId)).items.some((item) => item.held > 0)) {
    await wait(clock, SETTLE_POLL_MS);
  }
  progress.start(() => "comparing every answer with every order");
  const { orders, audit } = await readConsistently(options, operator, saleId);
  progress.stop();
  return {
    opensAtMs: opensAtMs + serverOffsetMs,
    readAtMs: clock.nowMs() + serverOffsetMs,
    items: sale.items.map(({ sku, stock, perBuyerMax }) => ({ sku, stock, perBuyerMax })),
    observations: processes.flatMap((crowd) => crowd.observations),
    orders,
    audit,
    internalErrorCount: countRows(tally.rows, { reason: "internal" }),
    hasty: countHasty(tally.rows),
  };
}

/**
 * Orders come page by page and stock in another answer; holds may end in between. What was read counts only if the stock
 * was the same before and after, otherwise it is read again.
 */
async function readConsistently(
  options: RunOptions,
  operator: OperatorClient,
  saleId: string,
): Promise<{ orders: OrderRow[]; audit: Audit }> {
  for (let tries = 1; ; tries++) {
    const before = await operator.audit(saleId);
    const orders = await operator.orders(saleId);
    const audit = await operator.audit(saleId);
    const isUnchanged = JSON.stringify(before.items) === JSON.stringify(audit.items);
    if (isUnchanged || tries === CONSISTENT_READS_MAX) return { orders, audit };
    await wait(options.clock, SETTLE_POLL_MS);
  }
}

/** Server clock minus ours, from the exchange with the shortest round trip. */
async function measureServerOffset(options: RunOptions): Promise<number> {
  let roundTripMsMin = Number.POSITIVE_INFINITY;
  let offsetMs = 0;
  for (let sample = 0; sample < CLOCK_SAMPLES; sample++) {
    const sentMs = options.clock.nowMs();
    const response = await fetch(`http://${options.hostname}:${options.port}/v1/time`);
    const { now } = (await response.json()) as { now: number };
    const receivedMs = options.clock.nowMs();
    const roundTripMs = receivedMs - sentMs;
    if (roundTripMs < roundTripMsMin) {
      roundTripMsMin = roundTripMs;
      offsetMs = Math.round(now - (sentMs + receivedMs) / 2);
    }
  }
  return offsetMs;
}

/** Three items: most of the stock, a good part, and a scarce rest. */
function splitStock(stock: number): { sku: string; name: string; stock: number }[] {
  const standing = Math.max(1, Math.floor(stock * 0.6));
  const seated = Math.max(1, Math.floor(stock * 0.3));
  return [
    { sku: "standing", name: "Standing", stock: standing },
    { sku: "seated", name: "Seated", stock: seated },
    { sku: "front-row", name: "Front row", stock: Math.max(1, stock - standing - seated) },
  ];
}

function tallyOf(processes: readonly CrowdProcess[]): TallySum {
  return sumTallies(processes.flatMap((crowd) => crowd.tally ?? []));
}

function workerCount(options: RunOptions): number {
  return Math.max(1, Math.min(WORKER_COUNT_MAX, availableParallelism(), options.buyerCount));
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
