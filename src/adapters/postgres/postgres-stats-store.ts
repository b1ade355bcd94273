/**
 * Statistics of all runs in one table: implements StatsStore.
 *
 * A run overwrites its own rows with cumulative figures, so a lost answer is repaired by the next second's publication
 * and nothing is ever counted twice. The sums are made by PostgreSQL when somebody looks.
 */
import type { Database, Statement } from "../../ports/database.ts";
import { DECISIONS, type FunnelCounts, type LatencyRecord } from "../../ports/funnel-counts.ts";
import type { RunReport, SaleTotals, StatsStore } from "../../ports/stats-store.ts";
import type { Decision } from "../../ports/telemetry.ts";

/** A run that has not published for this long is not counted into rates and backlog any more. */
const RUN_ALIVE_MS = 5_000;

const PUBLISH: Statement = {
  name: "stats_publish",
  text: `INSERT INTO funnel_stats AS s (sale_id, run_id, decisions, accepted, accepted_sum_ms, refused, refused_sum_ms,
                                        accepted_per_s, refused_per_s, backlog)
         SELECT r.sale_id, $1, r.decisions, r.accepted, r.accepted_sum_ms, r.refused, r.refused_sum_ms,
                r.accepted_per_s, r.refused_per_s, r.backlog
           FROM jsonb_to_recordset($2::jsonb) AS r (sale_id text, decisions jsonb, accepted jsonb,
                accepted_sum_ms float8, refused jsonb, refused_sum_ms float8, accepted_per_s float8,
                refused_per_s float8, backlog integer)
         ON CONFLICT (sale_id, run_id) DO UPDATE SET decisions = EXCLUDED.decisions, accepted = EXCLUDED.accepted,
            accepted_sum_ms = EXCLUDED.accepted_sum_ms, refused = EXCLUDED.refused,
            refused_sum_ms = EXCLUDED.refused_sum_ms, accepted_per_s = EXCLUDED.accepted_per_s,
            refused_per_s = EXCLUDED.refused_per_s, backlog = EXCLUDED.backlog, updated_at = now_ms()`,
};

/** Adds up one jsonb column of counters over the runs of the sale. */
function sumOf(column: "decisions" | "accepted" | "refused"): string {
  return `(SELECT coalesce(jsonb_object_agg(part.key, part.hits), '{}'::jsonb) FROM (
             SELECT e.key, sum(e.value::numeric) AS hits FROM mine, jsonb_each_text(mine.${column}) e GROUP BY e.key
           ) part)`;
}

const READ: Statement = {
  name: "stats_read",
  text: `WITH mine AS (SELECT * FROM funnel_stats WHERE sale_id = $1),
              alive AS (SELECT * FROM funnel_stats WHERE sale_id = '' AND updated_at > now_ms() - $2::bigint)
         SELECT ${sumOf("decisions")} AS decisions, ${sumOf("accepted")} AS accepted, ${sumOf("refused")} AS refused,
                coalesce((SELECT sum(accepted_sum_ms) FROM mine), 0) AS "acceptedSumMs",
                coalesce((SELECT sum(refused_sum_ms) FROM mine), 0) AS "refusedSumMs",
                coalesce((SELECT sum(accepted_per_s) FROM mine WHERE updated_at > now_ms() - $2::bigint), 0)
                  AS "acceptedPerS",
                coalesce((SELECT sum(refused_per_s) FROM mine WHERE updated_at > now_ms() - $2::bigint), 0)
                  AS "refusedPerS",
                (SELECT count(*) FROM alive)::integer AS "runsAlive",
                coalesce((SELECT sum(backlog) FROM alive), 0)::integer AS backlog`,
};

interface Row {
  readonly decisions: Readonly<Record<string, number>>;
  readonly accepted: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly acceptedSumMs: number;
  readonly refusedSumMs: number;
  readonly acceptedPerS: number;
  readonly refusedPerS: number;
  readonly runsAlive: number;
  readonly backlog: number;
}

/** `implements StatsStore`. */
export function createPostgresStatsStore(database: Database): StatsStore {
  return {
    async publish(report) {
      await database.query(PUBLISH, [report.runId, JSON.stringify(rowsOf(report))]);
    },
    async read(saleId) {
      const [row] = await database.query<Row>(READ, [saleId ?? "", RUN_ALIVE_MS]);
      if (row === undefined) throw new Error("a SELECT without FROM answers one row");
      return totalsOf(saleId, row);
    },
  };
}

function rowsOf(report: RunReport): readonly Record<string, unknown>[] {
  return report.sales.map((sale) => ({
    sale_id: sale.saleId ?? "",
    decisions: sale.decisions,
    accepted: Object.fromEntries(sale.accepted.counts),
    accepted_sum_ms: sale.accepted.sumMs,
    refused: Object.fromEntries(sale.refused.counts),
    refused_sum_ms: sale.refused.sumMs,
    accepted_per_s: sale.rates.acceptedPerS,
    refused_per_s: sale.rates.refusedPerS,
    backlog: sale.saleId === null ? report.backlog : 0,
  }));
}

function totalsOf(saleId: string | null, row: Row): SaleTotals {
  const counts: FunnelCounts = {
    saleId,
    decisions: knownDecisions(row.decisions),
    accepted: latencyRecord(row.accepted, row.acceptedSumMs),
    refused: latencyRecord(row.refused, row.refusedSumMs),
  };
  const rates = { acceptedPerS: row.acceptedPerS, refusedPerS: row.refusedPerS };
  return { ...counts, rates, runsAlive: row.runsAlive, backlog: row.backlog };
}

/** Words of an older or newer version that this one does not know are left out rather than shown under no stage. */
function knownDecisions(counted: Readonly<Record<string, number>>): FunnelCounts["decisions"] {
  const known: Partial<Record<Decision, number>> = {};
  for (const decision of DECISIONS) {
    const count = counted[decision];
    if (count !== undefined) known[decision] = count;
  }
  return known;
}

function latencyRecord(counted: Readonly<Record<string, number>>, sumMs: number): LatencyRecord {
  return { counts: new Map(Object.entries(counted).map(([endUs, hits]) => [Number(endUs), hits])), sumMs };
}
