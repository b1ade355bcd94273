/**
 * Statistics of a sale: one document on demand, or one a second as server-sent events.
 *
 * However many consoles watch, a sale's figures are read at most once per REFRESH_MS: watchers share the snapshot. A
 * reader that does not keep up misses seconds, it never makes us queue them.
 */
import { Hono } from "hono";
import { parseSaleId, type SaleId } from "../../domain/ids.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { type StatsDocument, statsDocument } from "./documents.ts";
import { problemOfFault, problemResponse } from "./problem.ts";

/** Consoles that may watch this node at once. */
export const STATS_STREAMS_MAX = 64;
const INTERVAL_MS = 1_000;
/** A little less than the interval, so that each tick of a watcher finds a fresh snapshot. */
const REFRESH_MS = 900;
const RECONNECT_MS = 2_000;
/** A console that was signed out elsewhere, or whose owner was shut out, sees figures for no longer than this. */
const TICKS_PER_CHECK = 10;

type ReadStats = (saleId: SaleId) => Promise<StatsDocument | null>;

export function createStatsRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  const readShared = shareSnapshots(deps);
  let streams = 0;

  app.get("/sales/:saleId/stats", async (context) => {
    const saleId = parseSaleId(context.req.param("saleId"));
    const stats = saleId === null ? null : await readStats(saleId, deps);
    return stats === null ? problemResponse({ reason: "no_such_sale" }) : context.json(stats);
  });
  app.get("/sales/:saleId/stats/stream", async (context) => {
    const saleId = parseSaleId(context.req.param("saleId"));
    if (saleId === null || (await readShared(saleId)) === null) return problemResponse({ reason: "no_such_sale" });
    if (streams >= STATS_STREAMS_MAX) {
      return problemResponse({ reason: "busy", detail: `At most ${STATS_STREAMS_MAX} consoles can watch a node.` });
    }
    streams += 1;
    const body = streamStats({
      read: () => readShared(saleId),
      deps,
      isStillIn: context.get("isStillIn") ?? (() => Promise.resolve(true)),
      signal: context.req.raw.signal,
      onEnd: () => {
        streams -= 1;
      },
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" },
    });
  });
  return app;
}

async function readStats(saleId: SaleId, deps: OperatorDependencies): Promise<StatsDocument | null> {
  const sale = await deps.saleStore.findSale(saleId);
  if (sale === null) return null;
  const stock = await deps.ledger.readStock(sale.items.map((item) => item.itemId));
  const [totals, ledger = null] = await Promise.all([deps.statsStore.read(saleId), deps.ledgerView?.read(sale)]);
  return statsDocument({ sale, stock, totals, ledger, nowMs: deps.clock.nowMs() });
}

/** Reads through a cache of one snapshot a sale; entries that nobody asks for any more are dropped. */
function shareSnapshots(deps: OperatorDependencies): ReadStats {
  const snapshots = new Map<SaleId, { readonly takenMs: number; readonly stats: Promise<StatsDocument | null> }>();
  return (saleId) => {
    const nowMs = deps.clock.monotonicMs();
    for (const [id, snapshot] of snapshots) {
      if (nowMs - snapshot.takenMs > REFRESH_MS) snapshots.delete(id);
    }
    const shared = snapshots.get(saleId);
    if (shared !== undefined) return shared.stats;
    const stats = readStats(saleId, deps);
    snapshots.set(saleId, { takenMs: nowMs, stats });
    return stats;
  };
}

function streamStats(options: {
  read: () => Promise<StatsDocument | null>;
  deps: OperatorDependencies;
  isStillIn: () => Promise<boolean>;
  signal: AbortSignal;
  onEnd: () => void;
}): ReadableStream<Uint8Array> {
  const { read, deps, isStillIn, signal, onEnd } = options;
  const encoder = new TextEncoder();
  let cancelTimer: (() => void) | null = null;
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    cancelTimer?.();
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let ticks = 0;
        const tick = async (): Promise<void> => {
          ticks += 1;
          const isOver = ticks % TICKS_PER_CHECK === 0 && !(await holds(isStillIn, deps));
          const text = isOver ? "" : await describe(read, deps);
          if (isEnded) return;
          if (isOver) {
            end();
            controller.close();
            return;
          }
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(text));
          cancelTimer = deps.clock.setTimer(INTERVAL_MS, () => void tick());
        };
        signal.addEventListener("abort", end, { once: true });
        controller.enqueue(encoder.encode(`retry: ${RECONNECT_MS}\n\n`));
        void tick();
      },
      cancel: end,
    },
    { highWaterMark: 4 },
  );
}

/** Whether the watcher may go on. A store that is away has not shut anybody out. */
async function holds(isStillIn: () => Promise<boolean>, deps: OperatorDependencies): Promise<boolean> {
  try {
    return await isStillIn();
  } catch (error) {
    deps.log.warn({ error }, "a watcher's session could not be looked at");
    return true;
  }
}

/** The next event's text. A store that fails is told as such; the stream goes on and recovers by itself. */
async function describe(read: () => Promise<StatsDocument | null>, deps: OperatorDependencies): Promise<string> {
  try {
    return `event: stats\ndata: ${JSON.stringify(await read())}\n\n`;
  } catch (error) {
    const problem = problemOfFault(error);
    if (problem === null) deps.log.error({ error }, "statistics could not be read");
    return `event: unavailable\ndata: ${JSON.stringify({ reason: problem?.reason ?? "internal" })}\n\n`;
  }
}
