/**
 * The open loop against servers that misbehave: a stall shows in full, nothing is lost without being counted, and a
 * connection for each request is one. What is due leaves at ticks, what finds no connection with an answer, and of either
 * wait only the generator's part is called its own.
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
import { createWriter, type Writer } from "./writers.ts";

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
  around: (writer: Writer) => Writer = (writer) => writer,
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
    writers: new Map(streams.map((stream) => [stream, around(createWriter(stream, context))])),
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

describe("what leaves when", () => {
  /** Notes at which instants requests leave, and when they were due. */
  function noting(): {
    sendings: Map<number, number[]>;
    around: (writer: Writer) => Writer;
    betweenTicks: () => number;
  } {
    const sendings = new Map<number, number[]>();
    const around = (writer: Writer): Writer => ({
      write: (errand, time) => {
        sendings.set(time.nowMs, [...(sendings.get(time.nowMs) ?? []), errand.dueMs]);
        return writer.write(errand, time);
      },
      letGo: () => writer.letGo(),
    });
    // Ticks are a millisecond apart or more; timers may be a little early.
    const betweenTicks = (): number => {
      const instants = [...sendings.keys()];
      return instants.filter((atMs, index) => atMs - (instants[index - 1] ?? Number.NEGATIVE_INFINITY) < 0.75).length;
    };
    return { sendings, around, betweenTicks };
  }

  test("without a free connection each answer takes the next with it: no tick is waited for", async () => {
    const shop = await startShop((_, answer) => answer(answerOf(409, REFUSAL)));
    const { sendings, around, betweenTicks } = noting();
    const [count, max] = [4_000, 4];
    const buyer = { count, arrivals: { curve: "steady", durationMs: 1 } };
    const { answered } = await play(shop.port, steady({ connections: { max } }, buyer), "schedule", around);
    expect([answered, shop.connections]).toEqual([count, max]);
    // With the ticks alone four would leave with each, in a thousand milliseconds at least; so most leave between two of them.
    expect(betweenTicks()).toBeGreaterThan(count / 2);
    expect(sendings.size - betweenTicks()).toBeLessThan(count / max / 2);
  }, 20_000);

  test("with free connections whatever falls due between two ticks leaves with the second, together", async () => {
    const shop = await startShop((_, answer) => answer(answerOf(409, REFUSAL)));
    const { sendings, around, betweenTicks } = noting();
    const count = 200;
    const buyer = { count, arrivals: { curve: "steady", startMs: 900, durationMs: 100 } };
    // A connection for each: none is ever missing, however long this machine looks away.
    const scenario = steady({ connections: { max: count, ahead: count } }, buyer);
    const { answered } = await play(shop.port, scenario, "schedule", around);
    expect(answered).toBe(count);
    let beforeMs = Number.NEGATIVE_INFINITY;
    for (const [atMs, due] of sendings) {
      for (const dueMs of due) expect(dueMs > beforeMs && dueMs <= atMs).toBe(true);
      beforeMs = atMs;
    }
    // Answers come between the ticks, and would have taken what is due by then with them.
    expect(betweenTicks()).toBeLessThan(Math.max(1, sendings.size / 20));
  }, 20_000);
});

describe("the generator's own lateness", () => {
  const atOnce = { count: 200, arrivals: { curve: "steady", durationMs: 1 } };

  test("is told of requests that wait for a connection as well, as far as its ticks were late", async () => {
    const stallMs = 150;
    let answers = 0;
    // The shop lives in this process: while it does not look up, the generator does not either.
    const shop = await startShop((_, answer) => {
      answers += 1;
      const untilMs = performance.now() + (answers === 100 ? stallMs : 0);
      while (performance.now() < untilMs);
      answer(answerOf(409, REFUSAL));
    });
    const { lateness } = await play(shop.port, steady({ connections: { max: 1 } }, atOnce));
    expect(lateness.count).toBe(200);
    expect(lateness.maxMs).toBeGreaterThan(stallMs * 0.9);
    expect(lateness.percentileMs(0.5)).toBeLessThan(stallMs / 2);
  }, 20_000);

  test("is not what a server takes for its answers", async () => {
    const shop = await startShop((_, answer) => void setTimeout(() => answer(answerOf(409, REFUSAL)), 60));
    const { lateness, latency } = await play(shop.port, steady({ connections: { max: 10 } }, atOnce));
    const waitedMs = latency["buyers"]?.percentileMs(0.5) ?? 0;
    expect(waitedMs).toBeGreaterThan(500);
    expect(lateness.count).toBe(200);
    expect(lateness.percentileMs(0.5)).toBeLessThan(waitedMs / 5);
  }, 20_000);
});

test("looks of scrapers, quick as they are, are in their own latencies and in no other", async () => {
  const shop = await startShop((request, answer) => {
    if (request.startsWith("GET ")) answer(answerOf(200, "{}"));
    else setTimeout(() => answer(answerOf(409, REFUSAL)), 30);
  });
  const scrapers = { kind: "scraper", count: 90, arrivals: { curve: "steady", durationMs: 300 } };
  const { buyers } = steady({}, { count: 10, arrivals: { curve: "steady", durationMs: 300 } }).populations;
  const { latency, refused, seconds } = await play(
    shop.port,
    steady({ connections: { max: 20 }, populations: { buyers, scrapers } }),
  );
  expect([latency["buyers"]?.count, latency["scrapers"]?.count]).toEqual([10, 90]);
  expect(refused.count).toBe(10);
  expect(refused.percentileMs(0.1)).toBeGreaterThan(25);
  expect(seconds.reduce((sum, one) => sum + one.latency.count, 0)).toBe(10);
}, 20_000);

describe("a payment", () => {
  const HELD = answerOf(201, '{"rid":"r1"}');
  const CHECKOUT = answerOf(201, '{"checkoutUrl":"http://127.0.0.1/sandbox-payments/checkout/p1"}');
  const buying = (thinkMs: readonly [number, number]): Scenario =>
    steady(
      { connections: { max: 20 }, patienceMs: 300 },
      { count: 12, pay: { share: 1, thinkMs }, arrivals: { curve: "steady", durationMs: 100 } },
    );
  const none = { begun: 12, taken: 0, elsewhere: 0, refused: 0, unanswered: 0, unsent: 0 };
  const shopOf = (
    onPay: (answer: (text: string) => void, socket: Socket, request: string) => void,
  ): Promise<FakeShop> =>
    startShop((request, answer, socket) => {
      if (request.includes("/reservations HTTP")) answer(HELD);
      else onPay(answer, socket, request);
    });

  test("that comes after the run's time is counted as one that was not over", async () => {
    const shop = await shopOf(() => undefined);
    const { payments, matrix } = await play(shop.port, buying([5_000, 6_000]));
    expect(payments).toEqual({ ...none, unsent: 12 });
    expect(matrix["buyers"]).toEqual({ held: 12 });
  }, 20_000);

  test("without an answer is counted, whether the connection ended or the run", async () => {
    let count = 0;
    const shop = await shopOf((_, socket) => {
      count += 1;
      if (count % 2 === 0) socket.destroy();
    });
    expect((await play(shop.port, buying([0, 0]))).payments).toEqual({ ...none, unanswered: 12 });
  }, 20_000);

  test("comes to its other ends: taken, refused, or at a page that is not ours", async () => {
    const taken = await shopOf((answer, _, request) => {
      answer(request.includes("/checkout HTTP") ? CHECKOUT : answerOf(303, ""));
    });
    expect((await play(taken.port, buying([0, 0]))).payments).toEqual({ ...none, taken: 12 });
    const refused = await shopOf((answer) => answer(answerOf(409, '{"reason":"ended"}')));
    expect((await play(refused.port, buying([0, 0]))).payments).toEqual({ ...none, refused: 12 });
    const real = await shopOf((answer) => answer(answerOf(201, '{"checkoutUrl":"https://pay.example/1"}')));
    expect((await play(real.port, buying([0, 0]))).payments).toEqual({ ...none, elsewhere: 12 });
  }, 20_000);
});
