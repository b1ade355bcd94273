/**
 * The document of `npm run bench:ledgers`: method, machine, tables and how the figures stand to what is asked of them.
 */
import { cpus, totalmem, version } from "node:os";
import type { Measurement } from "./measure.ts";

/** Everything one run measured. */
export interface LedgerFigures {
  readonly maxima: Readonly<Record<"postgres" | "redis" | "atOnce", readonly Measurement[]>>;
  readonly postgresSteady: Measurement;
  readonly redisSteady: Measurement;
  /** At 70 %, every acceptance answered as queued at once and some of them followed. */
  readonly queued: Measurement;
  readonly memory: {
    readonly bytesPerUnit: number;
    readonly usedBytesPerUnit: number;
    readonly bytesPerRefusal: number;
    readonly refusals: number;
  };
}

const QUEUED_TO_HELD_MS_MAX = 250;
const BYTES_PER_UNIT_MAX = 300;

const METHOD = `\`npm run bench:ledgers\`: four API processes, two workers, PostgreSQL and Redis (\`appendonly yes\`, \`appendfsync always\`), all durable, and the load
generator on the same cores. Every attempt is signed, of another buyer, for one unit of one item whose stock does not end. The maximum is a closed loop of 4 s
after 1.5 s of warm-up over 1,024 connections, for each ledger twice and in turns, on a fresh deployment each time that has sold to 30,000 buyers or for 3 s before. "At 70 %" is an open loop of 6 s at 0.7 of
that ledger's better maximum; latency counts from the scheduled instant. CPU is that of nodes, workers, PostgreSQL and Redis, load generator not included.
"Answered at once": \`ACK_WAIT_MS=0\`, so every acceptance is a 202; otherwise answers wait up to 250 ms for their commit. "Queued → held": one in a hundred is asked for every 5 ms until it is held. Memory is the sum of
\`MEMORY USAGE\` over all keys, every element counted; refusals are those of the ledger itself (\`limit_reached\`), not of a latch before it.`;

/** The whole document. */
export function renderLedgerReport(figures: LedgerFigures, day: string): string {
  const { maxima, postgresSteady, redisSteady, queued, memory } = figures;
  const rows = [
    ...maxima.postgres.map((one) => row("postgres, maximum", one)),
    ...maxima.redis.map((one) => row("redis, maximum", one)),
    ...maxima.atOnce.map((one) => row("redis, maximum, answered at once", one)),
    row("postgres, at 70 %", postgresSteady),
    row("redis, at 70 %", redisSteady),
    row("redis, at 70 %, answered at once", queued),
  ];
  const lag = sorted(queued.followedMs);
  const ratioOf = (which: readonly Measurement[]): string => (best(which) / best(maxima.postgres)).toFixed(2);
  return `# The two ledgers side by side, ${day}

${METHOD}

Machine: ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 1e9)} GB, ${version()}. Load generator included.

| ledger | accepted per second | of them 202 | CPU µs per decision | nodes + workers + Redis + PostgreSQL | p50 ms | p99 ms | other answers |
| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |
${rows.join("\n")}

| figure | measured | asked for |
| --- | ---: | ---: |
| redis to postgres, accepted per second, better of two | ${ratioOf(maxima.redis)} | ≥ 1.00 |
| the same, answered at once | ${ratioOf(maxima.atOnce)} | ≥ 1.00 |
| queued → held, p50 (${lag.length} followed) | ${atShare(lag, 0.5).toFixed(0)} ms | – |
| queued → held, p99 | ${atShare(lag, 0.99).toFixed(0)} ms | ≤ ${QUEUED_TO_HELD_MS_MAX} ms |
| queued → held, longest | ${atShare(lag, 1).toFixed(0)} ms | – |
| Redis keys per reserved unit | ${memory.bytesPerUnit.toFixed(0)} B | ≤ ${BYTES_PER_UNIT_MAX} B |
| Redis memory in use per reserved unit | ${memory.usedBytesPerUnit.toFixed(0)} B | – |
| Redis keys per refusal (${memory.refusals.toLocaleString("en")} refusals) | ${memory.bytesPerRefusal.toFixed(3)} B | 0 B |
`;
}

function row(name: string, measurement: Measurement): string {
  const { outcomes, failures } = measurement;
  const queued = outcomes["queued"] ?? 0;
  const accepted = (outcomes["accepted"] ?? 0) + queued;
  const other = Object.entries(outcomes).filter(([outcome]) => outcome !== "accepted" && outcome !== "queued");
  const others = [...other, ...(failures > 0 ? [["no answer", failures] as const] : [])];
  const figures = [
    Math.round(acceptedPerS(measurement)).toLocaleString("en"),
    `${((100 * queued) / Math.max(1, accepted)).toFixed(1)} %`,
    measurement.cpuUsPerDecision.toFixed(1),
    ["nodes", "workers", "redis", "postgres"]
      .map((part) => (measurement.cpuUsByPart[part] ?? 0).toFixed(0))
      .join(" + "),
    measurement.latencyMsP50.toFixed(1),
    measurement.latencyMsP99.toFixed(1),
    others.map(([outcome, count]) => `${count} ${outcome}`).join(", ") || "–",
  ];
  return `| ${[name, ...figures].join(" | ")} |`;
}

function best(measurements: readonly Measurement[]): number {
  return Math.max(...measurements.map(acceptedPerS));
}

function acceptedPerS({ requestsPerS, outcomes }: Measurement): number {
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return (requestsPerS * ((outcomes["accepted"] ?? 0) + (outcomes["queued"] ?? 0))) / Math.max(1, all);
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((left, right) => left - right);
}

function atShare(values: readonly number[], share: number): number {
  return values[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
}
