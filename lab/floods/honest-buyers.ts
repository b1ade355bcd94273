/**
 * Honest buyers beside a flood: each comes once, from his own address, and how long he waits is what is measured.
 *
 * They come at a fixed rate, and their latency counts from the instant at which they meant to come: a node that stalls is
 * not excused by nobody having asked meanwhile.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../src/ports/clock.ts";
import { SessionMint } from "../../test/support/minted-session.ts";
import { Histogram } from "../swarm/histogram.ts";
import { HttpClient } from "../swarm/http-client.ts";
import { buildSignedRequest } from "../swarm/signed-request.ts";

export interface HonestOptions {
  readonly port: number;
  readonly secret: string;
  readonly saleId: string;
  readonly sku: string;
  readonly ratePerS: number;
  readonly clock: Clock;
}

export interface HonestResult {
  readonly asked: number;
  readonly accepted: number;
  /** Statuses of those who were not accepted; "none" = no answer. */
  readonly others: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const CONNECTIONS_MAX = 64;
const DEADLINE_MS = 10_000;
const TICK_MS = 2;
const BODY = '{"quantity":1}';

/** Buyers who come until `isOver` says so. */
export async function sendHonestBuyers(options: HonestOptions, isOver: () => boolean): Promise<HonestResult> {
  const { clock, port, ratePerS } = options;
  const mint = new SessionMint(options.secret);
  const client = new HttpClient({
    host: "127.0.0.1",
    port,
    connectionsMax: CONNECTIONS_MAX,
    queueDepthMax: 10_000,
    deadlineMs: DEADLINE_MS,
    clock,
  });
  const histogram = new Histogram();
  const others: Record<string, number> = {};
  const underWay = new Set<Promise<void>>();
  let accepted = 0;
  let asked = 0;
  const startMs = clock.monotonicMs();

  const come = async (dueMs: number, index: number): Promise<void> => {
    const outcome = await client.send(attemptOf(mint, options, index));
    histogram.record(clock.monotonicMs() - dueMs);
    const status = outcome.kind === "answer" ? String(outcome.answer.status) : "none";
    if (status === "201" || status === "202") accepted += 1;
    else others[status] = (others[status] ?? 0) + 1;
  };

  while (!isOver()) {
    for (;;) {
      const dueMs = startMs + (asked * 1_000) / ratePerS;
      if (dueMs > clock.monotonicMs()) break;
      const coming = come(dueMs, asked);
      asked += 1;
      underWay.add(coming);
      void coming.finally(() => underWay.delete(coming));
    }
    await new Promise<void>((resolve) => {
      clock.setTimer(TICK_MS, resolve);
    });
  }
  await Promise.all(underWay);
  client.close();
  const [p50Ms, p99Ms] = [histogram.percentileMs(0.5), histogram.percentileMs(0.99)];
  return { asked, accepted, others, p50Ms, p99Ms, maxMs: histogram.maxMs };
}

/** From 192.168.0.0/16, where the floods do not come from. */
function attemptOf(mint: SessionMint, { saleId, sku }: HonestOptions, index: number): Buffer {
  const { token, signingKey, buyerId } = mint.mint();
  const forwardedFor = `192.168.${(index >> 8) & 255}.${index & 255}`;
  const session = { token, buyerId, forwardedFor, signingKey: Buffer.from(signingKey, "base64url") };
  return buildSignedRequest(
    session,
    {
      method: "POST",
      path: `/v1/sales/${saleId}/items/${sku}/reservations`,
      body: BODY,
      idempotencyKey: randomBytes(12).toString("base64url"),
      timestampMs: Date.now(),
      nonce: randomBytes(16).toString("base64url"),
    },
    "127.0.0.1",
  );
}
