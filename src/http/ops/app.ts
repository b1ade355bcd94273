/**
 * Health, readiness and metrics: what load balancers and Prometheus ask, without a token and without secrets.
 *
 * `/healthz` only says that the process answers; restarting a node because its database is away would make things
 * worse. `/readyz` says whether buyers should be sent here. It is public on the buyers' port, so its checks run at most
 * once per READINESS_CACHE_MS however often it is asked, and each has a deadline.
 */
import { Hono } from "hono";
import { ERROR_DOCS_URL } from "../../funnel/refusal-answers.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { ConnectionContext } from "../listen/listener.ts";
import { problemResponse, ROUTE_PROBLEMS } from "../problem.ts";

/** One thing that must be true before buyers come: "database", "migrations", "catalogue". */
export interface ReadinessCheck {
  readonly name: string;
  /**
   * Null when all is well, else what is missing in words for the operator: no secrets, no addresses. A remark is something
   * that operators should see of a node that is ready all the same.
   */
  run(): Promise<string | null | Remark>;
}

export interface Remark {
  readonly remark: string;
}

/** The text of a scrape. */
export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
}

export interface OpsDependencies {
  readonly checks: readonly ReadinessCheck[];
  /** True from the moment the node was told to stop: it finishes what it has and takes nothing new. */
  isDraining(): boolean;
  /** Null on the buyers' port, where metrics are nobody's business. */
  readonly metrics: MetricsPage | null;
  readonly clock: Clock;
  readonly log: Log;
}

export type OpsApp = Hono<{ Bindings: ConnectionContext }>;

const CHECK_DEADLINE_MS = 1_000;
const READINESS_CACHE_MS = 500;
const RETRY_AFTER_S = 1;
const OK = "ok";
const NO_STORE = { "cache-control": "no-store" };

type CheckResults = Readonly<Record<string, string>>;

export function createOpsApp(deps: OpsDependencies): OpsApp {
  const app: OpsApp = new Hono();
  const readChecks = shareChecks(deps);
  const { metrics } = deps;
  app.notFound(() => problemResponse("not_found"));

  app.get("/healthz", (context) => context.json({ status: "ok" }, 200, NO_STORE));
  app.get("/readyz", async (context) => {
    const checks = deps.isDraining() ? { node: "draining" } : await readChecks();
    const isReady = Object.values(checks).every(isWell);
    return isReady ? context.json({ status: "ok", checks }, 200, NO_STORE) : notReady(checks);
  });
  if (metrics !== null) {
    app.get("/metrics", async (context) =>
      context.text(await metrics.render(), 200, { ...NO_STORE, "content-type": metrics.contentType }),
    );
  }
  return app;
}

function shareChecks(deps: OpsDependencies): () => Promise<CheckResults> {
  let shared: { readonly startedMs: number; readonly results: Promise<CheckResults> } | null = null;
  return () => {
    const nowMs = deps.clock.monotonicMs();
    if (shared === null || nowMs - shared.startedMs > READINESS_CACHE_MS) {
      shared = { startedMs: nowMs, results: runChecks(deps) };
    }
    return shared.results;
  };
}

async function runChecks(deps: OpsDependencies): Promise<CheckResults> {
  const results = await Promise.all(
    deps.checks.map(async (check) => [check.name, await runCheck(check, deps)] as const),
  );
  return Object.fromEntries(results);
}

/** "ok", "ok: " and a remark, or why not. A check that throws or hangs is a check that failed. */
async function runCheck(check: ReadinessCheck, deps: OpsDependencies): Promise<string> {
  const late = Promise.withResolvers<string>();
  const cancelTimer = deps.clock.setTimer(CHECK_DEADLINE_MS, () => late.resolve("no answer in time"));
  try {
    return await Promise.race([check.run().then(wordsOf), late.promise]);
  } catch (error) {
    deps.log.warn({ error, check: check.name }, "readiness check failed");
    return "failed; see the log";
  } finally {
    cancelTimer();
  }
}

function wordsOf(outcome: string | null | Remark): string {
  if (outcome === null) return OK;
  return typeof outcome === "string" ? outcome : `${OK}: ${outcome.remark}`;
}

function isWell(result: string): boolean {
  return result === OK || result.startsWith(`${OK}: `);
}

function notReady(checks: CheckResults): Response {
  const { status, title } = ROUTE_PROBLEMS.not_ready;
  const missing = Object.entries(checks).filter(([, result]) => !isWell(result));
  const document = {
    type: `${ERROR_DOCS_URL}#not_ready`,
    title,
    status,
    reason: "not_ready",
    detail: missing.map(([name, result]) => `${name}: ${result}`).join("; "),
    retryAfterMs: RETRY_AFTER_S * 1_000,
    checks,
  };
  return new Response(JSON.stringify(document), {
    status,
    headers: { ...NO_STORE, "content-type": "application/problem+json", "retry-after": String(RETRY_AFTER_S) },
  });
}
