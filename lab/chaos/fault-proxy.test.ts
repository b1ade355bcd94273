/**
 * Each fault of the proxy really happens, to real sockets, and ends when it is healed.
 */
import { afterEach, expect, test } from "bun:test";
import net from "node:net";
import { waitUntil } from "../../test/support/waiting.ts";
import { FaultProxy } from "./fault-proxy.ts";

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that repeats what it hears, and what it has heard so far. */
async function startEcho(mark = ""): Promise<{ port: number; heard: () => string; sockets: Set<net.Socket> }> {
  let heard = "";
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("data", (bytes) => {
      heard += bytes.toString();
      socket.write(mark + bytes.toString());
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, heard: () => heard, sockets };
}

/** A client and what became of its connection. */
class Caller {
  readonly socket: net.Socket;
  received = "";
  chunks: number[] = [];
  fate = "open";

  constructor(port: number) {
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (bytes) => {
      this.received += bytes.toString();
      this.chunks.push(bytes.length);
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.fate = error.code ?? "error";
    });
    this.socket.on("end", () => {
      this.fate = "ended";
    });
    closers.push(() => void this.socket.destroy());
  }

  async hears(text: string): Promise<void> {
    await waitUntil(`"${text}" to arrive`, () => this.received === text);
  }
}

async function startProxy(port: number): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ name: "test", target: { port }, seed: 7 });
  closers.push(() => proxy.stop());
  return proxy;
}

test("passes bytes and ends through, unharmed, while there is no fault", async () => {
  const echo = await startEcho();
  const caller = new Caller((await startProxy(echo.port)).port);
  const text = "x".repeat(3_000_000);
  caller.socket.write(text);
  await waitUntil("three megabytes", () => caller.received.length === text.length);
  caller.socket.end();
  await waitUntil("the end to arrive and to come back", () => caller.fate === "ended" && echo.sockets.size === 0);
});

test("delays both directions by the latency and keeps the order", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  caller.socket.write("a");
  await caller.hears("a");
  proxy.disturb({ latencyMs: 60, jitterMs: 40 });
  const startedAt = performance.now();
  for (const letter of "bcdefgh") {
    caller.socket.write(letter);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await caller.hears("abcdefgh");
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(120);
  // Chunks overlap in flight: seven of them do not take seven round trips.
  expect(tookMs).toBeLessThan(600);
  expect(proxy.counts.delayedChunks).toBeGreaterThan(1);
});

test("delivers the request, swallows the answer and resets the connection", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  proxy.disturb({ dropReplyShare: 1 });
  caller.socket.write("order");
  await waitUntil("the reset", () => caller.fate !== "open");
  expect(caller.fate).toBe("ECONNRESET");
  expect(echo.heard()).toBe("order");
  expect(caller.received).toBe("");
  expect(proxy.counts.droppedReplies).toBe(1);
  await waitUntil("the server's end to be gone", () => echo.sockets.size === 0);
});

test("cuts a frame in the middle: a part arrives, then the reset", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  proxy.disturb({ cutShare: 1 });
  caller.socket.write("0123456789");
  await waitUntil("the reset", () => caller.fate !== "open");
  expect(caller.fate).toBe("ECONNRESET");
  expect("0123456789".startsWith(echo.heard())).toBe(true);
  expect(echo.heard().length).toBeLessThan(10);
  expect(proxy.counts.cutFrames).toBe(1);
});

test("slices what passes into single bytes", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  proxy.disturb({ sliceBytes: 1 });
  const text = "a frame of forty bytes, one after another";
  caller.socket.write(text);
  await caller.hears(text);
  expect(proxy.counts.slices).toBeGreaterThanOrEqual(2 * text.length);
  expect(caller.chunks.length).toBeGreaterThan(10);
});

test("lets no more bytes through than the bandwidth", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  proxy.disturb({ bytesPerS: 10_000, sliceBytes: 100 });
  const startedAt = performance.now();
  caller.socket.write("y".repeat(2_000));
  await caller.hears("y".repeat(2_000));
  expect(performance.now() - startedAt).toBeGreaterThan(180);
});

test("stalls like a partition: nothing passes, nobody notices, and everything arrives after healing", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  caller.socket.write("a");
  await caller.hears("a");
  proxy.disturb({ silence: "stall" });
  caller.socket.write("b");
  const witness = new Caller(echo.port);
  witness.socket.write("w");
  await witness.hears("w");
  expect(echo.heard()).toBe("aw");
  expect(caller.fate).toBe("open");
  proxy.heal();
  await caller.hears("ab");
});

test("tells neither end of the other's death while the link is silent", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const [left, right] = [new Caller(proxy.port), new Caller(proxy.port)];
  left.socket.write("l");
  right.socket.write("r");
  await Promise.all([left.hears("l"), right.hears("r")]);
  proxy.disturb({ silence: "stall" });
  left.socket.resetAndDestroy();
  for (const socket of [...echo.sockets].slice(1)) socket.resetAndDestroy();
  const witness = new Caller(echo.port);
  witness.socket.write("w");
  await witness.hears("w");
  expect(right.fate).toBe("open");
  expect(echo.sockets.size).toBe(2);
  proxy.heal();
  await waitUntil("the deaths to be known", () => right.fate === "ECONNRESET" && echo.sockets.size === 1);
});

test("loses like a dead route: the connection stays half-open for ever, new ones work after healing", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const caller = new Caller(proxy.port);
  proxy.disturb({ silence: "lose" });
  caller.socket.write("lost");
  await waitUntil("the bytes to be gone", () => proxy.counts.swallowedBytes === 4);
  proxy.heal();
  caller.socket.write("again");
  const next = new Caller(proxy.port);
  next.socket.write("n");
  await next.hears("n");
  expect(echo.heard()).toBe("n");
  expect(caller.fate).toBe("open");
  expect(caller.received).toBe("");
});

test("refuses newcomers, resets everybody, and leads newcomers to another server", async () => {
  const [first, second] = [await startEcho("1:"), await startEcho("2:")];
  const proxy = await startProxy(first.port);
  const early = new Caller(proxy.port);
  early.socket.write("x");
  await early.hears("1:x");
  proxy.disturb({ refuses: true });
  const refused = new Caller(proxy.port);
  await waitUntil("the refusal", () => refused.fate === "ECONNRESET");
  proxy.heal();
  proxy.retarget(second.port);
  const late = new Caller(proxy.port);
  late.socket.write("x");
  await late.hears("2:x");
  early.socket.write("y");
  await early.hears("1:x1:y");
  proxy.cut();
  await waitUntil("the resets", () => early.fate === "ECONNRESET" && late.fate === "ECONNRESET");
  expect(proxy.counts.refusals).toBe(1);
});

test("shows a tap every chunk before it passes, and lets it swallow one", async () => {
  const echo = await startEcho();
  const proxy = await startProxy(echo.port);
  const seen: string[] = [];
  proxy.tap((bytes, direction) => {
    const text = Buffer.from(bytes).toString();
    seen.push(`${direction} ${text} after ${echo.heard().length}`);
    return text === "COMMIT" ? "swallow" : "forward";
  });
  const caller = new Caller(proxy.port);
  caller.socket.write("BEGIN");
  await caller.hears("BEGIN");
  caller.socket.write("COMMIT");
  await waitUntil("the reset", () => caller.fate === "ECONNRESET");
  expect(seen).toEqual(["toServer BEGIN after 0", "toClient BEGIN after 5", "toServer COMMIT after 5"]);
  expect(echo.heard()).toBe("BEGIN");
});
