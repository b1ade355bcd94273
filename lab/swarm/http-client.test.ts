/**
 * The load client against a server of sockets: pooling, bounds, hanging up, and every way to get no answer.
 */
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import { HttpClient, type HttpClientOptions } from "./http-client.ts";
import { createSystemClock } from "./system-clock.ts";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A server that hands every socket and what arrives on it to the test. */
async function serve(onData: (socket: net.Socket, text: string) => void) {
  const seen = { connectionCount: 0, closedCount: 0, bytes: "" };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    seen.connectionCount += 1;
    sockets.add(socket);
    socket.on("data", (chunk) => {
      seen.bytes += chunk.toString();
      onData(socket, chunk.toString());
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      seen.closedCount += 1;
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const port = (server.address() as net.AddressInfo).port;
  const client = (options: Partial<HttpClientOptions> = {}): HttpClient => {
    const made = new HttpClient({
      host: "127.0.0.1",
      port,
      connectionsMax: 4,
      queueDepthMax: 100,
      deadlineMs: 5_000,
      clock: createSystemClock(),
      ...options,
    });
    cleanups.push(() => made.close());
    return made;
  };
  return { seen, client };
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("the client", () => {
  test("never uses more connections than it may, and uses them again", async () => {
    const { seen, client } = await serve((socket) => socket.write(ANSWER));
    const shared = client();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => shared.send(bytes("x"))));
    expect(outcomes.every((outcome) => outcome.kind === "answer")).toBe(true);
    expect(seen.connectionCount).toBe(4);
  });

  test("refuses to wait in a queue that is full", async () => {
    const { client } = await serve(() => undefined);
    const narrow = client({ connectionsMax: 1, queueDepthMax: 1 });
    const waiting = [narrow.send(bytes("a")), narrow.send(bytes("b"))];
    expect(await narrow.send(bytes("c"))).toEqual({ kind: "no_answer", cause: "queue_full" });
    narrow.close();
    expect(await Promise.all(waiting)).toEqual([
      { kind: "no_answer", cause: "closed" },
      { kind: "no_answer", cause: "closed" },
    ]);
  });

  test("hangs up in the middle of a request when told to, and goes on with a new connection", async () => {
    const { seen, client } = await serve((socket, text) => {
      if (text.endsWith("END")) socket.write(ANSWER);
    });
    const rude = client({ connectionsMax: 1 });
    const dropped = rude.send(bytes("0123456789END"), { afterBytes: 4, afterMs: 20 });
    const next = rude.send(bytes("-second-END"));
    expect(await dropped).toEqual({ kind: "no_answer", cause: "dropped" });
    expect((await next).kind).toBe("answer");
    expect(seen.bytes).toBe("0123-second-END");
    expect(seen.connectionCount).toBe(2);
  });

  test("does not hear the answer to a request it hangs up on", async () => {
    const { client } = await serve((socket) => socket.write(ANSWER));
    const outcome = await client().send(bytes("whole"), { afterBytes: null, afterMs: 50 });
    expect(outcome).toEqual({ kind: "no_answer", cause: "dropped" });
  });

  test("settles without an answer when the server hangs up, says nonsense, stays silent or is not there", async () => {
    const { client } = await serve((socket, text) => {
      if (text === "hang up") socket.destroy();
      if (text === "nonsense") socket.write("SMTP ready\r\n\r\n");
    });
    expect(await client().send(bytes("hang up"))).toEqual({ kind: "no_answer", cause: "reset" });
    expect(await client().send(bytes("nonsense"))).toEqual({ kind: "no_answer", cause: "protocol" });
    expect(await client({ deadlineMs: 50 }).send(bytes("silence"))).toEqual({ kind: "no_answer", cause: "timeout" });
    expect(await client({ port: 1 }).send(bytes("x"))).toEqual({ kind: "no_answer", cause: "refused" });
  });
});
