/**
 * The open loop against servers that misbehave: a stall shows in full, nothing is lost without being counted, and a
 * connection for each request is one.
 */
import { afterEach, describe, expect, test } from "bun:test";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { Engine } from "./engine.ts";
import { SessionMaker } from "./identities.ts";
import { planOf } from "./plan.ts";
import { parseScenario, type Scenario } from "./scenario.ts";
import { type ScoreSum, sumScores } from "./scoreboard.ts";
import { Stream } from "./stream.ts";
import { createWriter } from "./writers.ts";

const REFUSAL = '{"reason":"empty"}';
const BUSY = '{"reason":"busy","retryAfterMs":40}';

interface FakeShop {
  readonly port: number;
  readonly requests: string[];
  connections: number;
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Answers each request with what the script says, when it says so. */
async function startShop(
  script: (request: string, answer: (text: string) => void, socket: Socket) => void,
): Promise<FakeShop> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    shop.connections += 1;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      const request = chunk.toString("latin1");
      shop.requests.push(request);
      script(request, (text) => void socket.write(text), socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const shop: FakeShop = { port: (server.address() as AddressInfo).port, requests: [], connections: 0 };
  return shop;
}

function answerOf(status: number, body: string): string {
  return `HTTP/1.1 ${status} Word\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

async function play(
  port: number | readonly number[],
  scenario: Scenario,
  countsFrom: "schedule" | "sending" = "schedule",
): Promise<ScoreSum> {
  const plan = planOf(scenario, {});
  const maker = new SessionMaker({ secret: "a secret of the test, long enough", run: "run001", expiresAt: 2e12 });
  const streams = plan.streams.map((one) => new Stream(one, { part: 0, partCount: 1 }, scenario.seed));
  for (const { identities } of streams) identities.mint(maker, { from: 0, until: identities.block.count });
  const context = { maker, host: "127.0.0.1", saleId: "s", sku: "t" };
  const engine = new Engine({
    targets: [port].flat().map((one) => ({ hostname: "127.0.0.1", port: one })),
    connections: scenario.connections,
    streams,
    writers: new Map(streams.map((stream) => [stream, createWriter(stream, context)])),
    opensAtMs: performance.timeOrigin + performance.now() + 20,
    serverOffsetMs: 0,
    startMs: plan.startMs,
    endMs: plan.endMs,
    patienceMs: scenario.patienceMs,
    countsFrom,
  });
  await engine.run();
  return sumScores([engine.score.snapshot()]);
}

function steady(more: Record<string, unknown> = {}, buyer: Record<string, unknown> = {}): Scenario {
  const buyers = { kind: "buyer", count: 600, triesMax: 1, arrivals: { curve: "steady", durationMs: 3_000 }, ...buyer };
  return parseScenario(JSON.stringify({ name: "t", connections: { max: 4 }, populations: { buyers }, ...more }), "t");
}

describe("a server that stalls for a second", () => {
  /** Answers at once, except that for a second in the middle it answers nobody. */
  function stalling(): Promise<FakeShop> {
    let stallUntil = 0;
    let answers = 0;
    return startShop((_, answer) => {
      answers += 1;
      if (answers === 200) stallUntil = performance.now() + 1_000;
      const waitMs = stallUntil - performance.now();
      if (waitMs > 0) setTimeout(() => answer(answerOf(409, REFUSAL)), waitMs);
      else answer(answerOf(409, REFUSAL));
    });
  }

  test("shows it in the percentiles: a third of the requests was due meanwhile", async () => {
    const shop = await stalling();
    const { latency, answered } = await play(shop.port, steady());
    expect(answered).toBe(600);
    const buyers = latency["buyers"];
    if (buyers === undefined) throw new Error("nobody was answered");
    expect(buyers.maxMs).toBeGreaterThan(950);
    // 200 of 600 were due during the stall, their waits spread evenly from a second down to nothing.
    expect(buyers.percentileMs(0.9)).toBeGreaterThan(600);
    expect(buyers.percentileMs(0.75)).toBeGreaterThan(150);
    expect(buyers.percentileMs(0.5)).toBeLessThan(100);
  }, 20_000);

  test("hides it from whoever counts from the sending: that is what the schedule is for", async () => {
    const shop = await stalling();
    const { latency } = await play(shop.port, steady(), "sending");
    expect(latency["buyers"]?.percentileMs(0.9)).toBeLessThan(100);
  }, 20_000);
});

describe("every request has an outcome", () => {
  test("when the server hangs up in the middle, or never answers", async () => {
    let count = 0;
    const shop = await startShop((_, answer, socket) => {
      count += 1;
      if (count % 3 === 0) socket.destroy();
      else if (count % 100 !== 1) answer(answerOf(409, REFUSAL));
    });
    const { matrix } = await play(shop.port, steady({ connections: { max: 50 }, patienceMs: 300 }));
    const outcomes = matrix["buyers"] ?? {};
    const total = Object.values(outcomes).reduce((sum, one) => sum + one, 0);
    expect(total).toBe(600);
    expect(outcomes["no answer: not in time"]).toBeGreaterThan(0);
    expect((outcomes["no answer: closed"] ?? 0) + (outcomes["no answer: reset"] ?? 0)).toBeGreaterThan(100);
  }, 20_000);

  test("when nobody listens", async () => {
    const shop = await startShop(() => undefined);
    for (const stop of stops.splice(0)) await stop();
    const { matrix, sent } = await play(
      shop.port,
      steady({ patienceMs: 100 }, { count: 20, arrivals: { curve: "steady", durationMs: 100 } }),
    );
    expect(matrix["buyers"]).toEqual({ "no answer: never sent": 20 });
    expect(sent).toBe(0);
  }, 20_000);
});

test("who is told to come again does, with the same key, another nonce, and not before", async () => {
  const seen = new Map<string, number[]>();
  const nonces = new Set<string>();
  const shop = await startShop((request, answer) => {
    const key = /Idempotency-Key: (\S+)/.exec(request)?.[1] ?? "";
    nonces.add(/X-Nonce: (\S+)/.exec(request)?.[1] ?? "");
    const instants = seen.get(key) ?? [];
    seen.set(key, [...instants, performance.now()]);
    answer(instants.length < 2 ? answerOf(503, BUSY) : answerOf(201, '{"rid":"r"}'));
  });
  const buyer = { count: 50, triesMax: 3, arrivals: { curve: "poisson", durationMs: 200 } };
  const { matrix, decided } = await play(shop.port, steady({}, buyer));
  expect(matrix["buyers"]).toEqual({ busy: 100, held: 50 });
  expect(decided).toBe(50);
  expect([seen.size, nonces.size]).toEqual([50, 150]);
  for (const [first = 0, second = 0, third = 0] of seen.values()) {
    expect(Math.min(second - first, third - second)).toBeGreaterThanOrEqual(39);
  }
}, 20_000);

test("a storm has a connection for each request, keep-alive few for all", async () => {
  const shop = await startShop((_, answer) => answer(answerOf(409, REFUSAL)));
  const buyer = { count: 100, arrivals: { curve: "steady", durationMs: 300 } };
  const { answered } = await play(shop.port, steady({ connections: { mode: "storm", max: 50 } }, buyer));
  expect([answered, shop.connections]).toEqual([100, 100]);
  await play(shop.port, steady({}, buyer));
  expect(shop.connections).toBeLessThanOrEqual(104);
}, 20_000);

test("who waits on the page is connected before the opening", async () => {
  const shop = await startShop((_, answer) => {
    connectedAtFirst ??= shop.connections;
    answer(answerOf(409, REFUSAL));
  });
  let connectedAtFirst: number | undefined;
  const buyer = { count: 10, arrivals: { curve: "steady", startMs: 300, durationMs: 100 } };
  await play(shop.port, steady({ connections: { max: 40, ahead: 30 } }, buyer));
  expect([connectedAtFirst, shop.connections]).toEqual([30, 30]);
}, 20_000);

test("several targets get equal parts, however few connections are in use", async () => {
  const shops = [
    await startShop((_, answer) => answer(answerOf(409, REFUSAL))),
    await startShop((_, answer) => answer(answerOf(409, REFUSAL))),
  ];
  const buyer = { count: 200, arrivals: { curve: "steady", durationMs: 1_000 } };
  const ports = shops.map((shop) => shop.port);
  await play(ports, steady({ connections: { max: 20, ahead: 20 } }, buyer));
  for (const { requests } of shops) expect(Math.abs(requests.length - 100)).toBeLessThanOrEqual(10);
}, 20_000);
