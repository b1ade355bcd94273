import { beforeEach, expect, test } from "bun:test";
import { settle } from "../../../test/support/manual-clock.ts";
import { type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { Fault } from "../../domain/faults.ts";
import { STATS_STREAMS_MAX } from "./stats-routes.ts";

let staged: Staged;

beforeEach(async () => {
  staged = stageOperatorApp();
  const sale = {
    id: "drop",
    name: "Drop",
    opensAt: staged.clock.nowMs(),
    items: [{ sku: "shoe", price: { amount: 100, currency: "EUR" }, stock: 10 }],
  };
  await staged.request("POST", "/v1/admin/sales", { json: sale });
});

/** A reader of one stream: the events that arrived, parsed. */
async function watch(signal?: AbortSignal) {
  const options = signal === undefined ? {} : { signal };
  const response = await staged.request("GET", "/v1/admin/sales/drop/stats/stream", options);
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Error("a stream has a body");
  const decoder = new TextDecoder();
  return {
    response,
    reader,
    /** The next chunk, which is one event. */
    async next(): Promise<{ event: string; data: Record<string, unknown> } | null> {
      const { done, value } = await reader.read();
      if (done) return null;
      const text = decoder.decode(value);
      if (text.startsWith("retry:")) return this.next();
      const match = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text);
      if (match === null) throw new Error(`not an event: ${text}`);
      return { event: match[1] ?? "", data: JSON.parse(match[2] ?? "null") };
    },
  };
}

test("a console gets the figures at once and then each second", async () => {
  const stream = await watch();
  expect(stream.response.headers.get("content-type")).toStartWith("text/event-stream");
  expect(await stream.next()).toMatchObject({ event: "stats", data: { saleId: "drop", decisions: { total: 0 } } });
  staged.totals = { ...staged.totals, decisions: { accepted: 3 } };
  await staged.clock.advance(1_000);
  expect(await stream.next()).toMatchObject({ data: { decisions: { accepted: 3 } } });
  await stream.reader.cancel();
  expect(staged.clock.timerCount).toBe(0);
});

test("says how the sale's ledger stands and what each bucket has, and nothing internal", async () => {
  const bucket = { sku: "shoe", bucket: 0, available: 3, leased: 2, reserved: 5, isOpen: true };
  const ledger = {
    mode: "redis",
    wanted: "redis",
    epoch: 4,
    reason: "Redis has been well again",
    sinceMs: 1_800_000_000_000,
    flips: 1,
    buckets: 1,
    durability: "everysec",
    database: { kind: "server", weakness: "fsync is off" },
    backlog: 17,
    bucketStock: [bucket],
  } as const;
  const database = { ...ledger.database, isAccepted: true };
  staged.standing = { ...ledger, database, bucketStock: [{ ...bucket, itemId: 41 } as typeof bucket] };
  const read = async () => {
    const response = await staged.request("GET", "/v1/admin/sales/drop/stats");
    return ((await response.json()) as { ledger: unknown }).ledger;
  };
  expect(await read()).toEqual(ledger);
  staged.standing = { ...ledger, database, backlog: null, bucketStock: null };
  expect(await read()).toEqual({ ...ledger, backlog: null, bucketStock: null });
  staged.standing = null;
  expect(await read()).toBeNull();
});

test("a store that fails is told, and the stream recovers by itself", async () => {
  const stream = await watch();
  await stream.next();
  staged.fault = new Fault("DATABASE_UNAVAILABLE");
  await staged.clock.advance(1_000);
  expect(await stream.next()).toEqual({ event: "unavailable", data: { reason: "unavailable" } });
  staged.fault = null;
  await staged.clock.advance(1_000);
  expect(await stream.next()).toMatchObject({ event: "stats" });
  await stream.reader.cancel();
});

test("a console that does not read costs a few events, not memory", async () => {
  const stream = await watch();
  await staged.clock.advance(3_600_000);
  await stream.reader.cancel();
  const fresh = await watch();
  await staged.clock.advance(60_000);
  let waiting = 0;
  for (let turn = 0; turn < 10; turn += 1) {
    const read = await Promise.race([fresh.next(), settle().then(() => "nothing" as const)]);
    if (read === "nothing") break;
    waiting += 1;
  }
  expect(waiting).toBeLessThanOrEqual(4);
  await fresh.reader.cancel();
});

test("watchers of one sale share one reading of the stores", async () => {
  const streams = [];
  for (let index = 0; index < 10; index += 1) streams.push(await watch());
  await Promise.all(streams.map((stream) => stream.next()));
  const before = staged.statsReads;
  await staged.clock.advance(1_000);
  await Promise.all(streams.map((stream) => stream.next()));
  expect(staged.statsReads - before).toBe(1);
  for (const stream of streams) await stream.reader.cancel();
});

test("streams are bounded, and one that ends makes room", async () => {
  const streams = [];
  for (let index = 0; index < STATS_STREAMS_MAX; index += 1) streams.push(await watch());
  const path = "/v1/admin/sales/drop/stats/stream";
  const refused = await staged.request("GET", path);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ reason: "busy" });
  await streams[0]?.reader.cancel();
  const admitted = await staged.request("GET", path);
  expect(admitted.status).toBe(200);
  await admitted.body?.cancel();
  for (const stream of streams.slice(1)) await stream.reader.cancel();
  expect(staged.clock.timerCount).toBe(0);
});

test("a client that goes away ends its stream", async () => {
  const client = new AbortController();
  const stream = await watch(client.signal);
  await stream.next();
  client.abort();
  await staged.clock.advance(2_000);
  expect(staged.clock.timerCount).toBe(0);
  await stream.reader.cancel().catch(() => undefined);
});
