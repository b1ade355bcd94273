/**
 * Publishes this process's counters to the stats store once a second, so that statistics cover all nodes and restarts.
 *
 * Figures are cumulative and the run's own, so a publication that failed, or whose answer was lost, is simply
 * followed by the next one. One is in flight at a time; a slow database makes statistics late, never a queue.
 */
import { isFault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import { type FunnelCounts, type FunnelCountsReader, isAcceptance } from "../../ports/funnel-counts.ts";
import type { DecisionRates, RunReport, StatsStore } from "../../ports/stats-store.ts";
import type { Decision, Log } from "../../ports/telemetry.ts";

const INTERVAL_MS = 1_000;
/** A process without traffic still says that it is alive, but not every second. */
const IDLE_TICKS_MAX = 2;
/** Rates are means over this many intervals: calm enough to read, quick enough to believe. */
const RATE_SAMPLES = 5;

export interface StatsReporterOptions {
  readonly counts: FunnelCountsReader;
  readonly store: StatsStore;
  /** Unique to this start of this process. */
  readonly runId: string;
  backlog(): number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StatsReporter {
  start(): void;
  /** Publishes one last time and ends. */
  stop(): Promise<void>;
  /** Publishes now, or waits for the publication that is under way. */
  publishNow(): Promise<void>;
}

interface Sample {
  readonly atMs: number;
  readonly accepted: number;
  readonly refused: number;
}

export function createStatsReporter(options: StatsReporterOptions): StatsReporter {
  const { clock, log, counts, store } = options;
  const measure = createRateMeter(clock);
  let cancelTimer: (() => void) | null = null;
  let publishing: Promise<void> | null = null;
  let lastTotal = -1;
  let idleTicks = 0;
  let isFailing = false;

  async function publish(): Promise<void> {
    try {
      await store.publish(describe(counts.readCounts()));
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn({ error, retryable: isFault(error) && error.retryable }, "statistics not published");
      isFailing = true;
    }
  }

  function publishNow(): Promise<void> {
    publishing ??= publish().finally(() => {
      publishing = null;
    });
    return publishing;
  }

  function describe(read: readonly FunnelCounts[]): RunReport {
    const nothing = { counts: new Map<number, number>(), sumMs: 0 };
    const isComplete = read.some((sale) => sale.saleId === null);
    const idle: FunnelCounts = { saleId: null, decisions: {}, accepted: nothing, refused: nothing };
    const all = isComplete ? read : [idle, ...read];
    return {
      runId: options.runId,
      backlog: options.backlog(),
      sales: measure(all),
    };
  }

  /** Nothing new is published only every few ticks: enough to stay alive, and for rates to fall to zero. */
  function isWorthwhile(): boolean {
    const total = counts.readTotal();
    idleTicks = total === lastTotal ? idleTicks + 1 : 0;
    lastTotal = total;
    return idleTicks <= RATE_SAMPLES || idleTicks % IDLE_TICKS_MAX === 0;
  }

  function schedule(): void {
    cancelTimer = clock.setTimer(INTERVAL_MS, () => {
      schedule();
      if (isWorthwhile()) void publishNow();
    });
  }

  return {
    start() {
      if (cancelTimer === null) schedule();
    },
    async stop() {
      cancelTimer?.();
      cancelTimer = null;
      await publishing;
      await publishNow();
    },
    publishNow,
  };
}

type MeasuredCounts = FunnelCounts & { readonly rates: DecisionRates };

/** Adds each sale's rates over the last samples; one call is one sample. */
function createRateMeter(clock: Clock): (sales: readonly FunnelCounts[]) => readonly MeasuredCounts[] {
  const samples = new Map<string | null, readonly Sample[]>();
  let previousMs = clock.monotonicMs();

  function measureOne(sale: FunnelCounts, atMs: number): MeasuredCounts {
    // A sale that appears now had nothing at the sample before: its first second is the one everybody watches.
    const known = samples.get(sale.saleId) ?? [{ atMs: previousMs, accepted: 0, refused: 0 }];
    const now: Sample = { atMs, ...totalsOf(sale) };
    samples.set(sale.saleId, [...known, now].slice(-RATE_SAMPLES - 1));
    const oldest = known[0] ?? now;
    const elapsedS = (atMs - oldest.atMs) / 1_000;
    if (elapsedS <= 0) return { ...sale, rates: { acceptedPerS: 0, refusedPerS: 0 } };
    const acceptedPerS = (now.accepted - oldest.accepted) / elapsedS;
    const refusedPerS = (now.refused - oldest.refused) / elapsedS;
    return { ...sale, rates: { acceptedPerS, refusedPerS } };
  }

  return (sales) => {
    const atMs = clock.monotonicMs();
    const measured = sales.map((sale) => measureOne(sale, atMs));
    previousMs = atMs;
    return measured;
  };
}

function totalsOf(sale: FunnelCounts): { accepted: number; refused: number } {
  const totals = { accepted: 0, refused: 0 };
  for (const [decision, count] of Object.entries(sale.decisions) as [Decision, number][]) {
    totals[isAcceptance(decision) ? "accepted" : "refused"] += count;
  }
  return totals;
}
