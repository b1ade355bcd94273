/**
 * `npm run bench:ledgers`: the redis ledger beside the postgres ledger, over HTTP, in one run on the same machine.
 *
 * Four processes for buyers, two workers and durable servers each time; every attempt is signed and of another buyer, and
 * the stock does not end. Each ledger is measured twice, in turns, because a machine has moods. Then, for the redis
 * ledger: how long a buyer who heard "queued" waits for the hold at 70 % of that ledger's maximum, and what Redis needs
 * for a unit and for a refusal. Writes docs/benchmarks/<day>-ledgers.md, or the file of `--write`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type LedgerName, type Load, withLedger } from "./ledger-bench.ts";
import { type LedgerFigures, renderLedgerReport } from "./ledger-report.ts";
import type { Measurement } from "./measure.ts";

const ROUNDS = 2;
const DURATION_MS = 4_000;
const STEADY_DURATION_MS = 6_000;
const STEADY_SHARE = 0.7;
const FOLLOW_EVERY = 100;

/** Nobody waits for the commit: every acceptance is a 202. */
const AT_ONCE = { ACK_WAIT_MS: "0" };

function tell(name: string, { requestsPerS, latencyMsP99, outcomes }: Measurement): void {
  process.stderr.write(`${name}: ${Math.round(requestsPerS)}/s, p99 ${latencyMsP99} ms, ${JSON.stringify(outcomes)}\n`);
}

async function measureMaximum(ledger: LedgerName, settings: Readonly<Record<string, string>>): Promise<Measurement> {
  const measurement = await withLedger(ledger, settings, (bench) => bench.accept(CLOSED_LOOP));
  tell(`${ledger}, maximum ${JSON.stringify(settings)}`, measurement);
  return measurement;
}

const CLOSED_LOOP: Load = { ratePerS: null, durationMs: DURATION_MS };

async function run(): Promise<LedgerFigures> {
  const maxima: Record<keyof LedgerFigures["maxima"], Measurement[]> = { postgres: [], redis: [], atOnce: [] };
  for (let round = 0; round < ROUNDS; round++) {
    maxima.postgres.push(await measureMaximum("postgres", {}));
    maxima.redis.push(await measureMaximum("redis", {}));
    maxima.atOnce.push(await measureMaximum("redis", AT_ONCE));
  }
  const steady = (ledger: LedgerName): Load => ({
    ratePerS: STEADY_SHARE * Math.max(...maxima[ledger].map((one) => one.requestsPerS)),
    durationMs: STEADY_DURATION_MS,
    followEvery: FOLLOW_EVERY,
  });
  const postgresSteady = await withLedger("postgres", {}, (bench) => bench.accept(steady("postgres")));
  tell("postgres, at 70 %", postgresSteady);
  const redisSteady = await withLedger("redis", {}, (bench) => bench.accept(steady("redis")));
  tell("redis, at 70 %", redisSteady);
  const [queued, memory] = await withLedger("redis", AT_ONCE, async (bench) => {
    const measurement = await bench.accept(steady("redis"));
    return [measurement, await bench.weigh()] as const;
  });
  tell("redis, at 70 %, answered at once", queued);
  return { maxima, postgresSteady, redisSteady, queued, memory };
}

const day = new Date(Date.now()).toISOString().slice(0, 10);
const { values } = parseArgs({ options: { write: { type: "string" } } });
const file = values.write ?? join(import.meta.dirname, `../../docs/benchmarks/${day}-ledgers.md`);
const report = renderLedgerReport(await run(), day);
process.stdout.write(report);
writeFileSync(file, report);
process.exit(0);
