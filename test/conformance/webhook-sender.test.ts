/**
 * T11: a message to the shop goes to the machine that was judged, and nowhere else that this one can reach.
 *
 * Names are answered by the test; connections, certificates and HTTP are real, on both runtimes.
 */
import assert from "node:assert/strict";
import { createServer as createPlainServer, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createConnect } from "../../src/adapters/webhook-http/post.ts";
import { createWebhookSender } from "../../src/adapters/webhook-http/webhook-sender.ts";
import { HOSTILE_URLS } from "../security/hostile-urls.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RecordingLog } from "../support/recording-log.ts";

const clock = createSystemClock();
const PUBLIC = "93.184.215.14";
const BODY = '{"type":"reservations.paid"}';

/** Takes requests and answers what the test says. */
class Receiver {
  readonly requests: string[] = [];
  connections = 0;
  answer: (socket: Socket) => void = (socket) => void socket.write("HTTP/1.1 204 No Content\r\n\r\n");
  readonly server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(certificate: Certificate | null) {
    const take = (socket: Socket): void => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      let text = "";
      socket.on("data", (piece: Buffer) => {
        text += piece.toString("utf8");
        if (!text.includes(BODY)) return;
        this.requests.push(text);
        text = "";
        this.answer(socket);
      });
    };
    this.server =
      certificate === null
        ? createPlainServer(take)
        : createTlsServer({ cert: certificate.certificate, key: certificate.key }, take);
    this.server.on("tlsClientError", () => undefined);
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe("T11: a message to the shop", () => {
  const certificate = makeCertificate("hooks.example");
  const receiver = new Receiver(certificate);
  const connectedTo: string[] = [];
  let port = 0;
  let answers: (readonly string[])[] = [];
  let lookups = 0;

  before(async () => {
    port = await receiver.start();
  });
  after(async () => await receiver.stop());

  /** Whatever public address was judged is this test's own server; everything else is as in production. */
  const sender = (
    extra: { networks?: readonly string[]; authorities?: readonly string[]; deliveryMsMax?: number } = {},
  ) => {
    const connect = createConnect(extra.authorities ?? [certificate.certificate]);
    return createWebhookSender({
      networks: extra.networks ?? [],
      clock,
      log: new RecordingLog(),
      resolve: async () => {
        lookups += 1;
        return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
      },
      connect(target) {
        connectedTo.push(`${target.address}:${target.port}`);
        return connect({ ...target, address: "127.0.0.1", port });
      },
      ...(extra.deliveryMsMax === undefined ? {} : { deliveryMsMax: extra.deliveryMsMax }),
    });
  };
  const send = (url: string, options: Parameters<typeof sender>[0] = {}) =>
    sender(options).send({ url, headers: { "webhook-id": "evt_1" }, body: BODY });

  /** Forgets what happened before. */
  const begin = (...names: (readonly string[])[]): void => {
    answers = names;
    lookups = 0;
    connectedTo.length = 0;
    receiver.requests.length = 0;
    receiver.answer = (socket) => void socket.write("HTTP/1.1 204 No Content\r\n\r\n");
  };

  it("goes over TLS to the address that its name leads to, once", async () => {
    begin([PUBLIC]);
    assert.deepEqual(await send("https://hooks.example/in?a=b"), { kind: "taken" });
    assert.deepEqual([connectedTo, lookups, receiver.requests.length], [[`${PUBLIC}:443`], 1, 1]);
    const [head = "", body] = (receiver.requests[0] ?? "").split("\r\n\r\n");
    assert.match(head, /^POST \/in\?a=b HTTP\/1\.1\r\n/);
    assert.match(head, /\r\nhost: hooks\.example\r\n/);
    assert.match(head, /\r\nwebhook-id: evt_1(\r\n|$)/);
    assert.equal(body, BODY);
  });

  it("knows more than forty hostile addresses, and connects to none", async () => {
    assert.ok(HOSTILE_URLS.length >= 40);
    const passed: string[] = [];
    for (const { url, leadsTo = [PUBLIC] } of HOSTILE_URLS) {
      begin(leadsTo);
      const objection = await sender().findObjection(url);
      const delivery = await send(url);
      if (objection === null || delivery.kind === "taken" || connectedTo.length > 0) passed.push(url);
    }
    assert.deepEqual(passed, []);
  });

  it("goes where the name led when it was judged, though it leads elsewhere a moment later", async () => {
    begin([PUBLIC], ["127.0.0.1"], ["127.0.0.1"]);
    assert.deepEqual(await send("https://hooks.example/"), { kind: "taken" });
    assert.deepEqual([connectedTo, lookups], [[`${PUBLIC}:443`], 1]);
    begin([PUBLIC], ["169.254.169.254"]);
    assert.equal(await sender().findObjection("https://hooks.example/"), null);
    assert.deepEqual(await send("https://hooks.example/"), {
      kind: "failed",
      why: "it leads to a network that is not public",
    });
    assert.deepEqual(connectedTo, []);
  });

  it("follows no redirect, wherever it points", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      begin([PUBLIC]);
      receiver.answer = (socket) =>
        void socket.write(`HTTP/1.1 ${status} Elsewhere\r\nLocation: https://127.0.0.1:${port}/\r\n\r\n`);
      assert.deepEqual(await send("https://hooks.example/"), { kind: "failed", why: `it answered ${status}` });
      assert.deepEqual([connectedTo.length, receiver.requests.length], [1, 1]);
    }
  });

  it("is given to nobody who cannot prove to be the name", async () => {
    for (const [url, authorities] of [
      ["https://another.example/", [certificate.certificate]],
      ["https://hooks.example/", []],
      [`https://${PUBLIC}/`, [certificate.certificate]],
    ] as const) {
      begin([PUBLIC]);
      assert.deepEqual(await send(url, { authorities }), { kind: "failed", why: "it could not be reached" });
      assert.deepEqual(receiver.requests, []);
    }
  });

  it("waits for no answer that drips, never ends or is not HTTP", async () => {
    const bad: Readonly<Record<string, (socket: Socket) => void>> = {
      "nothing at all": () => undefined,
      "half a status line": (socket) => void socket.write("HTTP/1.1 2"),
      "another protocol": (socket) => void socket.write("220 mail.example ESMTP\r\n\r\n"),
      "HTTP/2 in the clear": (socket) => void socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      "a head without end": (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(10_000)}`),
      "interim answers without end": (socket) => void socket.write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000)),
      "a closed door": (socket) => void socket.destroy(),
    };
    for (const [name, answer] of Object.entries(bad)) {
      begin([PUBLIC]);
      receiver.answer = answer;
      const delivery = await send("https://hooks.example/", { deliveryMsMax: 400 });
      assert.deepEqual([name, delivery], [name, { kind: "failed", why: "it could not be reached" }]);
    }
  });

  it("is over with the status of the answer, however long its body is, and repeats nothing of it", async () => {
    begin([PUBLIC]);
    receiver.answer = (socket) => {
      socket.write("HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\nroot:x:0:0");
      socket.write(Buffer.alloc(1_000_000));
    };
    assert.deepEqual(await send("https://hooks.example/"), { kind: "failed", why: "it answered 500" });
    begin([PUBLIC]);
    receiver.answer = (socket) => void socket.write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    assert.deepEqual(await send("https://hooks.example/"), { kind: "taken" });
  });

  it("does not wait for a name that is never found", async () => {
    const patient = new ManualClock();
    const stuck = createWebhookSender({
      networks: [],
      clock: patient,
      log: new RecordingLog(),
      resolve: () => new Promise(() => undefined),
    });
    const objection = stuck.findObjection("https://hooks.example/");
    await patient.advance(3_000);
    assert.equal(await objection, "its name leads nowhere");
    assert.equal(patient.timerCount, 0);
  });

  it("goes to the deployment's own networks where they are named, by plain HTTP too, but never to metadata", async () => {
    const plain = new Receiver(null);
    const plainPort = await plain.start();
    const own = createWebhookSender({ networks: ["127.0.0.0/8", "0.0.0.0/0", "::/0"], clock, log: new RecordingLog() });
    const message = { headers: {}, body: BODY };
    assert.deepEqual(await own.send({ ...message, url: `http://127.0.0.1:${plainPort}/in` }), { kind: "taken" });
    assert.match(plain.requests[0] ?? "", /^POST \/in HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/);
    for (const url of [
      "http://169.254.169.254/",
      "http://[::ffff:169.254.169.254]/",
      "http://[fe80::1]/",
      "http://0/",
      "http://[::]/",
      "http://224.0.0.1/",
    ]) {
      assert.deepEqual([url, await own.findObjection(url)], [url, "it leads to a network that is not public"]);
    }
    await plain.stop();
  });
});
