/**
 * Both listeners keep the same promises to the byte: which route goes where, bodies nobody reads, bounds, slow senders.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Runtime, runtimeCommand } from "../../../test/support/node-process.ts";
import { RawConnection, requestHead } from "../../../test/support/raw-http.ts";
import { waitUntil } from "../../../test/support/waiting.ts";
import { matchHotPath } from "./listener.ts";

const SCRIPT = join(import.meta.dirname, "../../../test/support/listener-process.ts");
const HOT = "/v1/sales/demo/items/one/reservations";
const REFUSED = "/v1/sales/demo/items/refuse/reservations";
const KEY = { "Idempotency-Key": "a-key-of-the-tests" };
/** Both runtimes look at their clocks every few seconds only. */
const CUT_WITHIN_MS = 20_000;
/** Node gives a reader who took something at first a second chance. */
const STALLED_WITHIN_MS = 60_000;

describe("hot path", () => {
  test.each([
    [HOT, { saleId: "demo", sku: "one" }],
    [`${HOT}?a=1`, { saleId: "demo", sku: "one" }],
    ["/v1/sales/%64emo/items/o%2fne/reservations", { saleId: "%64emo", sku: "o%2fne" }],
  ])("%s is one", (path, ids) => {
    expect(matchHotPath(path)).toEqual(ids);
  });

  test.each([
    "",
    "/",
    "/v1/sales/demo",
    "/v1/sales//items/one/reservations",
    "/v1/sales/demo/items//reservations",
    "/v1/sales/demo/items/reservations",
    "/v1/sales/demo/items/one/reservations/",
    "/v1/sales/demo/items/a/b/reservations",
    "/v1/sales/a/b/items/one/reservations",
    "//v1/sales/demo/items/one/reservations",
    "/V1/sales/demo/items/one/reservations",
    "/v1/sales/demo/items/one/reservationsx",
    "/x?/v1/sales/demo/items/one/reservations",
    "/v1/sales/items/reservations",
  ])("%p is none", (path) => {
    expect(matchHotPath(path)).toBeNull();
  });
});

for (const runtime of ["bun", "node"] as const satisfies Runtime[]) {
  describe(`listener on ${runtime}`, () => {
    let child: ChildProcess;
    let port = 0;
    let stalled: RawConnection;

    beforeAll(async () => {
      const [command, flags] = runtimeCommand(runtime);
      child = spawn(command, [...flags, SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
      const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
      port = Number(line.toString());
      // Begun first and looked at last, so that nobody waits for it alone.
      stalled = await RawConnection.open(port);
      stalled.stopReading();
      stalled.write(requestHead("GET", "/endless", {}));
    }, 30_000);

    afterAll(async () => {
      stalled.close();
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.stdin?.end();
      await exit;
    }, 30_000);

    /** What the listener's process knows of its readers. */
    const state = async () => {
      const asking = await RawConnection.open(port);
      asking.write(requestHead("GET", "/state", {}));
      const { json } = await asking.answer();
      asking.close();
      return json;
    };

    const send = async (
      connection: RawConnection,
      path: string,
      body: string,
      headers: Record<string, string> = {},
    ) => {
      const length = headers["Transfer-Encoding"] === undefined ? { "Content-Length": String(body.length) } : {};
      connection.write(requestHead("POST", path, { ...KEY, ...length, ...headers }) + body);
      return connection.answer();
    };

    test("hands attempts to the funnel as they were sent, and everything else to the app", async () => {
      const connection = await RawConnection.open(port);
      expect((await send(connection, `${HOT}?a=%41`, "12345")).json).toEqual({
        method: "POST",
        saleId: "demo",
        sku: "one",
        pathAndQuery: `${HOT}?a=%41`,
        remoteAddress: "127.0.0.1",
        key: KEY["Idempotency-Key"],
        failure: null,
        text: "12345",
      });
      expect((await send(connection, "/echo", "hello")).text).toBe("hello");
      connection.write(requestHead("GET", HOT, {}));
      expect((await connection.answer()).json).toEqual({ method: "GET", remoteAddress: "127.0.0.1" });
      connection.close();
    });

    test("refuses again and again on one connection without reading a body, sent with a length or in chunks", async () => {
      const connection = await RawConnection.open(port);
      for (let round = 0; round < 20; round += 1) {
        expect((await send(connection, REFUSED, "x".repeat(3_000))).status).toBe(409);
        const chunked = await send(connection, REFUSED, "5\r\nhello\r\n0\r\n\r\n", { "Transfer-Encoding": "chunked" });
        expect(chunked.status).toBe(409);
      }
      expect(connection.isClosed).toBe(false);
      connection.close();
    });

    test("answers a refusal before the body is there, and the connection is still good when it came", async () => {
      const connection = await RawConnection.open(port);
      connection.write(requestHead("POST", REFUSED, { ...KEY, "Content-Length": "5" }));
      expect((await connection.answer()).status).toBe(409);
      connection.write("hello");
      expect((await send(connection, HOT, "12345")).json).toMatchObject({ text: "12345" });
      connection.close();
    });

    test("answers pipelined requests in order", async () => {
      const connection = await RawConnection.open(port);
      const request = (path: string) => `${requestHead("POST", path, { ...KEY, "Content-Length": "5" })}hello`;
      connection.write(request(REFUSED) + request(HOT) + request(REFUSED));
      const statuses = [await connection.answer(), await connection.answer(), await connection.answer()];
      expect(statuses.map((answer) => answer.status)).toEqual([409, 201, 409]);
      connection.close();
    });

    test("never reads more of a body than asked for, and says so", async () => {
      const connection = await RawConnection.open(port);
      expect((await send(connection, HOT, "0123456789")).json).toMatchObject({ text: "0123456789" });
      expect((await send(connection, HOT, "0123456789a")).json).toMatchObject({ failure: "too_large" });
      connection.close();
      const chunked = await RawConnection.open(port);
      const pieces = "6\r\n012345\r\n6\r\n678901\r\n0\r\n\r\n";
      expect((await send(chunked, HOT, pieces, { "Transfer-Encoding": "chunked" })).json).toMatchObject({
        failure: "too_large",
      });
      chunked.close();
    });

    test("refuses a body above the bound of the port with a document, before it is sent, and hangs up", async () => {
      for (const length of ["1001", "1000000000", "100000000000"]) {
        const connection = await RawConnection.open(port);
        connection.write(requestHead("POST", "/echo", { "Content-Length": length }));
        expect((await connection.answer()).json).toMatchObject({ reason: "payload_too_large", status: 413 });
        await waitUntil("the connection to be closed", () => connection.isClosed);
      }
    });

    test("is heard to the end by somebody who is still sending what nobody wants, and who reads late", async () => {
      for (let round = 0; round < 20; round += 1) {
        const connection = await RawConnection.open(port);
        connection.stopReading();
        connection.write(requestHead("POST", "/echo", { "Content-Length": "1000000000" }));
        for (let piece = 0; piece < 5; piece += 1) {
          connection.write("x".repeat(1_000));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        connection.socket.resume();
        expect((await connection.answer()).json).toMatchObject({ reason: "payload_too_large", status: 413 });
        connection.close();
      }
    });

    test("refuses more headers than fit, and requests that could be read two ways", async () => {
      const heads = [
        requestHead("POST", HOT, { "X-Long": "x".repeat(20_000) }),
        requestHead("POST", HOT, { "Content-Length": "5", "Transfer-Encoding": "chunked" }),
        requestHead("POST", HOT, { "Content-Length": "5, 6" }),
        requestHead("POST", HOT, { "Content-Length": "-1" }),
      ];
      for (const head of heads) {
        const connection = await RawConnection.open(port);
        connection.write(head);
        expect([400, 431]).toContain((await connection.answer()).status);
        await waitUntil("the connection to be closed", () => connection.isClosed);
      }
    });

    test(
      "cuts half-open requests, unfinished bodies and idle connections, and leaves event streams alone",
      async () => {
        const open = () => RawConnection.open(port);
        const [halfHead, halfBody, idle, stream] = [await open(), await open(), await open(), await open()];
        stream.write(requestHead("GET", "/stream", {}));
        await waitUntil("the stream to begin", () => stream.received.includes(":\n\n"));
        halfHead.write("POST /v1/sales/demo HTTP/1.1\r\nHost: a\r\n");
        halfBody.write(`${requestHead("POST", HOT, { ...KEY, "Content-Length": "5" })}h`);
        expect((await send(idle, REFUSED, "hello")).status).toBe(409);
        for (const connection of [halfHead, halfBody, idle]) {
          await waitUntil("the connection to be cut", () => connection.isClosed, { withinMs: CUT_WITHIN_MS });
        }
        expect(stream.isClosed).toBe(false);
        stream.close();
      },
      4 * CUT_WITHIN_MS,
    );

    test("ends an event stream at once when its reader hangs up, as browsers do that go to another page", async () => {
      const stream = await RawConnection.open(port);
      stream.write(requestHead("GET", "/stream", {}));
      await waitUntil("the stream to begin", () => stream.received.includes(":\n\n"));
      stream.socket.end();
      await waitUntil("the connection to be closed", () => stream.isClosed, { withinMs: 2_000 });
    });

    test("drops the reader of an event stream who does not read, after a bounded number of bytes", async () => {
      const slow = await RawConnection.open(port);
      slow.stopReading();
      slow.write(requestHead("GET", "/burst", {}));
      await waitUntil("the reader to be dropped", async () => (await state()).isDropped, { withinMs: CUT_WITHIN_MS });
      expect((await state()).sentBytes).toBeLessThan(16 * 1024 * 1024);
      slow.close();
    });

    test("lets one address hold its share, and takes nothing of another's", async () => {
      const begin = async (from: string) => {
        const connection = await RawConnection.open(port, { from });
        connection.write(`${requestHead("POST", "/echo", { "Content-Length": "5" })}he`);
        return connection;
      };
      const greedy: RawConnection[] = [];
      for (let count = 0; count < 80; count += 1) greedy.push(await begin("127.0.0.77"));
      const turnedAway = () => greedy.filter((each) => each.isClosed || each.received.includes(" 503 ")).length;
      await waitUntil("what is too much to be turned away", () => turnedAway() === 30);
      const other = await begin("127.0.0.78");
      other.write("llo");
      expect((await other.answer()).text).toBe("hello");
      for (const each of greedy.filter(({ isClosed }) => !isClosed)) each.write("llo");
      await waitUntil("the others to be answered", () => {
        return greedy.filter((each) => each.received.includes("hello")).length === 50;
      });
      for (const each of [...greedy, other]) each.close();
      await waitUntil("the share to be free again", async () => {
        const again = await begin("127.0.0.77");
        again.write("llo");
        const answer = await again.answer().catch(() => null);
        again.close();
        return answer?.text === "hello";
      });
    });

    test(
      "gives up on a reader who takes nothing of his answer",
      async () => {
        await waitUntil("the reader to be given up", async () => (await state()).isGivenUp, {
          withinMs: STALLED_WITHIN_MS,
          everyMs: 250,
        });
      },
      2 * STALLED_WITHIN_MS,
    );

    test("goes down within its time although a stream is open", async () => {
      const stream = await RawConnection.open(port);
      stream.write(requestHead("GET", "/stream", {}));
      await waitUntil("the stream to begin", () => stream.received.includes(":\n\n"));
      const exit = once(child, "exit");
      child.stdin?.end();
      expect((await exit)[0]).toBe(0);
      await waitUntil("the stream to be cut", () => stream.isClosed);
      await expect(RawConnection.open(port)).rejects.toThrow();
    });
  });
}
