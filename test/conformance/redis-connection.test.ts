/**
 * A connection to Redis answers, fails at once or fails in time, sends nothing twice and comes back by itself.
 */
import assert from "node:assert/strict";
import { type AddressInfo, connect as connectTo, createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { RedisConnection } from "../../src/adapters/redis/redis-connection.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";
import { attemptOf, faultOf, makeStore, openBucket, openStore } from "./bucket-fixture.ts";

const ANSWER_TIMEOUT_MS = 250;
/** What a busy machine may add to a deadline. */
const LATE_MS_MAX = 400;

let server: RedisServer;
let log: RecordingLog;
let changes: boolean[];

function connect(urls: readonly [string, ...string[]] = [server.url]): RedisConnection {
  const clock = createSystemClock();
  const connection = new RedisConnection({
    urls,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    faultCode: "LEDGER_UNAVAILABLE",
    setTimer: clock.setTimer,
    log,
    onChange: (isReady) => changes.push(isReady),
  });
  connection.open();
  return connection;
}

async function ready(connection: RedisConnection): Promise<RedisConnection> {
  await waitUntil("the connection", () => connection.isReady);
  return connection;
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

describe("a connection to Redis", () => {
  beforeEach(async () => {
    server = await RedisServer.start();
    log = new RecordingLog();
    changes = [];
  });
  afterEach(() => server.stop());

  test("fails at once while there is none, and queues nothing for later", async () => {
    const connection = connect();
    const early = faultOf(connection.call(["INCR", "counter"]), "LEDGER_UNAVAILABLE");
    assert.match(await early, /not connected/);
    await ready(connection);
    assert.equal(await connection.call(["GET", "counter"]), null);
    connection.close();
  });

  test("a frozen server fails every call in time, is dropped, and is found again when it goes on", async () => {
    const connection = await ready(connect());
    server.freeze();
    const tookMs = await msOf(() => faultOf(connection.call(["INCR", "counter"]), "LEDGER_UNAVAILABLE"));
    assert.ok(tookMs >= ANSWER_TIMEOUT_MS - 5 && tookMs < ANSWER_TIMEOUT_MS + LATE_MS_MAX, `${tookMs} ms`);
    assert.equal(connection.isReady, true, "one late answer is no reason to give up the others");
    await faultOf(connection.call(["INCR", "counter"]), "LEDGER_UNAVAILABLE");
    await waitUntil("the connection to be dropped", async () => {
      if (connection.isReady) await faultOf(connection.call(["PING"]), "LEDGER_UNAVAILABLE");
      return !connection.isReady;
    });
    const atOnceMs = await msOf(() => faultOf(connection.call(["PING"]), "LEDGER_UNAVAILABLE"));
    assert.ok(atOnceMs < ANSWER_TIMEOUT_MS / 2, `${atOnceMs} ms`);
    server.thaw();
    await ready(connection);
    assert.equal(await connection.call(["PING"]), "PONG");
    // Both may have been done, neither may have been done twice.
    assert.ok(Number(await connection.call(["GET", "counter"])) <= 2);
    assert.deepEqual(changes, [true, false, true]);
    connection.close();
  });

  test("an answer that came too late is nobody's, and the next call gets its own", async () => {
    const connection = await ready(connect());
    server.freeze();
    await faultOf(connection.call(["ECHO", "late"]), "LEDGER_UNAVAILABLE");
    server.thaw();
    assert.deepEqual(await Promise.all(["a", "b", "c"].map((word) => connection.call(["ECHO", word]))), [
      "a",
      "b",
      "c",
    ]);
    connection.close();
  });

  test("what was under way when the server died fails, is not sent again, and the connection comes back", async () => {
    const connection = await ready(connect());
    await connection.call(["INCR", "counter"]);
    server.freeze();
    const underWay = faultOf(connection.call(["INCR", "counter"]), "LEDGER_UNAVAILABLE");
    await server.kill();
    await underWay;
    assert.match(await faultOf(connection.call(["INCR", "counter"]), "LEDGER_UNAVAILABLE"), /not connected/);
    await server.startServer();
    await ready(connection);
    assert.equal(await connection.call(["GET", "counter"]), "1");
    assert.ok(log.lines.some((line) => line.message === "Redis connection lost"));
    await waitUntil("it to have lasted", () => log.lines.some((line) => line.message === "Redis connection is back"));
    connection.close();
  });

  test("closing fails what is under way and ends for good", async () => {
    const connection = await ready(connect());
    server.freeze();
    const underWay = faultOf(connection.call(["PING"]), "LEDGER_UNAVAILABLE");
    connection.close();
    await underWay;
    server.thaw();
    await waitUntil("the server to see nobody else", async () => {
      const clients = String(await server.call("CLIENT", "LIST"));
      return clients.trim().split("\n").length === 1;
    });
    assert.equal(connection.isReady, false);
  });

  test("who only listens notices a frozen server by itself and hears again when it goes on", async () => {
    const heard: string[] = [];
    const clock = createSystemClock();
    const listener = new RedisConnection({
      urls: [server.url],
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      faultCode: "LEDGER_UNAVAILABLE",
      setTimer: clock.setTimer,
      log,
      subscription: { channel: "news", onMessage: (text) => heard.push(text) },
    });
    listener.open();
    await ready(listener);
    await server.call("PUBLISH", "news", "first");
    await waitUntil("the first message", () => heard.length === 1);
    server.freeze();
    await waitUntil("the listener to give up", () => !listener.isReady);
    server.thaw();
    await ready(listener);
    await server.call("PUBLISH", "news", "second");
    await waitUntil("the second message", () => heard.length === 2);
    assert.deepEqual(heard, ["first", "second"]);
    listener.close();
  });

  test("tries its addresses in turn, and never writes a password down", async () => {
    await server.call("CONFIG", "SET", "requirepass", "right-word");
    const wrong = server.url.replace("//", "//:wrong-word@");
    const right = server.url.replace("//", "//:right-word@");
    const connection = await ready(connect([wrong, right]));
    assert.equal(await connection.call(["PING"]), "PONG");
    assert.ok(log.lines.some((line) => line.message === "Redis cannot be reached"));
    assert.ok(!JSON.stringify(log.lines).includes("-word"));
    connection.close();
  });
});

describe("a connection through somebody who accepts and closes", () => {
  let door: Server;
  let comers: number[];
  /** What to do with whoever connects: null = close at once. */
  let target: number | null;

  beforeEach(async () => {
    server = await RedisServer.start();
    [log, changes, comers, target] = [new RecordingLog(), [], [], null];
    door = createServer((socket) => {
      comers.push(performance.now());
      socket.on("error", () => undefined);
      if (target === null) return void socket.destroy();
      const onward = connectTo(target, "127.0.0.1").on("error", () => socket.destroy());
      socket.pipe(onward).pipe(socket);
      socket.on("close", () => onward.destroy());
    });
    await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  });
  afterEach(async () => {
    door.close();
    await server.stop();
  });

  const url = () => `redis://127.0.0.1:${(door.address() as AddressInfo).port}`;

  test("is none, is tried again ever more rarely, and costs one line; then another when it is over", async () => {
    const connection = connect([url()]);
    await waitUntil("seven tries", () => comers.length >= 7);
    assert.deepEqual([connection.isReady, changes], [false, []]);
    assert.deepEqual(
      log.lines.map((line) => line.message),
      ["Redis cannot be reached"],
    );
    // 50, 100, 200, 400, 800 and 1,000 ms, each by at least half of it.
    const tookMs = (comers[6] ?? 0) - (comers[0] ?? 0);
    assert.ok(tookMs >= 1_200, `seven tries in ${tookMs} ms`);
    target = server.port;
    await ready(connection);
    assert.equal(await connection.call(["PING"]), "PONG");
    await waitUntil("the outage to be over", () => log.lines.length === 2);
    assert.equal(log.lines[1]?.message, "Redis connection is back");
    connection.close();
  });

  test("that is lost as soon as it is ready is not made again at once, and the log stays quiet", async () => {
    target = server.port;
    const connection = await ready(connect([url()]));
    for (let lost = 0; lost < 5; lost += 1) {
      connection.reconnect("it was the wrong one");
      await ready(connection);
    }
    const tookMs = (comers[5] ?? 0) - (comers[0] ?? 0);
    assert.ok(tookMs >= 700, `five times in ${tookMs} ms`);
    assert.equal(log.lines.filter((line) => line.level === "warn").length, 1);
    connection.close();
  });
});

describe("a store of buckets on a server that stalls", () => {
  const at = { itemId: 1, bucket: 0, epoch: 1 };

  test("a decision whose answer was lost was made once, and the same ids find it again", async () => {
    server = await RedisServer.start();
    const store = await openStore([server.url]);
    await openBucket(store, at, { units: 5 });
    server.freeze();
    const attempts = [attemptOf(0), attemptOf(1)];
    await faultOf(store.reserve({ ...at, leaseId: null, attempts }), "LEDGER_UNAVAILABLE");
    server.thaw();
    const again = await waitUntil("an answer", () => store.reserve({ ...at, leaseId: null, attempts }));
    assert.deepEqual(again.verdicts, [1, 2]);
    const audit = await store.audit(at);
    assert.deepEqual([audit?.seq, audit?.reserved, audit?.available], [2, 2, 3]);
    await store.close();
    await server.stop();
  });

  test("warming up a store without a server fails in time and says which server", async () => {
    server = await RedisServer.start();
    await server.kill();
    const store = makeStore([server.url]);
    const why = await faultOf(store.warmUp(), "LEDGER_UNAVAILABLE");
    assert.match(why, new RegExp(`127.0.0.1:${server.port}`));
    await server.startServer();
    await waitUntil("the store to find it all the same", () => store.health());
    await store.close();
    await server.stop();
  });
});
