/**
 * T26 and T34: nginx with the configuration that we ship passes on one request for each that it takes, in one reading
 * only, and keeps no answer that was meant for one person.
 *
 * The node behind it is a recorder of bytes, because the question is what would reach a real one. What our own listeners
 * make of the same corpus without a proxy is asked of both runtimes.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { ChildProgram } from "../../lab/stack/child-program.ts";
import { findServerPrograms } from "../../lab/stack/programs.ts";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type Runtime, runtimeCommand } from "../support/node-process.ts";
import { takeFreePort } from "../support/ports.ts";
import { RawConnection } from "../support/raw-http.ts";
import { waitUntil } from "../support/waiting.ts";
import { SMUGGLED, SMUGGLING_CORPUS } from "./smuggling-corpus.ts";

setDefaultTimeout(60_000);

const HOST = "tickets.example";
const SHIPPED = join(import.meta.dirname, "../../docs/operating/nginx.conf");
const LISTENER = join(import.meta.dirname, "../support/listener-process.ts");
const QUIET_MS = 150;

/** Keeps what nginx sends to a node, request by request, and answers each the same way. */
class Recorder {
  readonly requests: string[] = [];
  /** Headers of the answers, which say whether they may be kept. */
  headers = "Cache-Control: no-store\r\n";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      let text = "";
      socket.on("error", () => undefined);
      socket.on("data", (piece: Buffer) => {
        text += piece.toString("latin1");
        for (let end = endOfRequest(text); end !== null; end = endOfRequest(text)) {
          this.requests.push(text.slice(0, end));
          text = text.slice(end);
          const body = `answer ${this.requests.length}`;
          socket.write(`HTTP/1.1 200 OK\r\n${this.headers}Content-Length: ${body.length}\r\n\r\n${body}`);
        }
      });
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Where the first request of the text ends: nginx always sends a length, or no body at all. */
function endOfRequest(text: string): number | null {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return null;
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, head + 2))?.[1] ?? 0);
  const end = head + 4 + length;
  return text.length < end ? null : end;
}

/** What comes back for these bytes, until the line has been quiet for a moment or was closed. */
async function exchange(socket: Socket, bytes: string): Promise<string> {
  let received = "";
  let lastAtMs = performance.now();
  let isClosed = false;
  socket.on("data", (piece: Buffer) => {
    received += piece.toString("latin1");
    lastAtMs = performance.now();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(Buffer.from(bytes, "latin1"));
  await waitUntil("an answer", () => isClosed || received !== "", { withinMs: 20_000 });
  await waitUntil("quiet", () => isClosed || performance.now() - lastAtMs > QUIET_MS, { withinMs: 20_000 });
  socket.destroy();
  return received;
}

describe("nginx as we ship it", () => {
  const recorder = new Recorder();
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-proxy-"));
  const certificate = makeCertificate(HOST);
  let nginx: ChildProgram;
  let tlsPort = 0;
  let plainPort = 0;

  beforeAll(async () => {
    const nodePort = await recorder.start();
    [tlsPort, plainPort] = [await takeFreePort(), await takeFreePort()];
    mkdirSync(join(folder, "temporary"));
    writeFileSync(join(folder, "certificate.pem"), certificate.certificate);
    writeFileSync(join(folder, "key.pem"), certificate.key);
    writeFileSync(join(folder, "nginx.conf"), configurationFor({ nodePort, tlsPort, plainPort }));
    nginx = new ChildProgram({
      name: "nginx",
      command: findServerPrograms(process.env["PATH"] ?? "").nginx,
      args: ["-c", join(folder, "nginx.conf"), "-p", folder, "-e", join(folder, "error.log")],
      clock: createSystemClock(),
      exitSignal: "SIGTERM",
    });
    const isReady = (): Promise<boolean> =>
      get("/healthz").then(
        (answer) => answer.status === 200,
        () => false,
      );
    await nginx.untilReady(isReady, 20_000);
  });
  afterAll(async () => {
    await nginx.stop({ signal: "SIGTERM", withinMs: 5_000 });
    await recorder.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The shipped file with the addresses of this test; everything else is as shipped. */
  function configurationFor(ports: { nodePort: number; tlsPort: number; plainPort: number }): string {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((kind) => `  ${kind}_temp_path ${folder}/temporary/${kind};\n`)
      .join("");
    const replaced = readFileSync(SHIPPED, "utf8")
      .replaceAll("10.0.0.11:8080", `127.0.0.1:${ports.nodePort}`)
      .replaceAll("listen 443", `listen 127.0.0.1:${ports.tlsPort}`)
      .replaceAll("listen 80", `listen 127.0.0.1:${ports.plainPort}`)
      .replaceAll("/etc/ssl/doorbuster", folder)
      .replaceAll("/var/cache/nginx/doorbuster", `${folder}/cache`)
      .replace("worker_rlimit_nofile 65536;", "")
      .replace("worker_connections 16384;", "worker_connections 256;")
      .replace("http {\n", `http {\n  access_log off;\n${temporary}`);
    const isRoot = process.getuid?.() === 0;
    return `${isRoot ? "user root;\n" : ""}daemon off;\npid ${folder}/nginx.pid;\n${replaced}`;
  }

  function open(serverName = HOST): Socket {
    const socket = connectTls({
      host: "127.0.0.1",
      port: tlsPort,
      servername: serverName,
      ca: [certificate.certificate],
      rejectUnauthorized: serverName === HOST,
    });
    return socket;
  }

  async function get(path: string, headers = "", serverName = HOST): Promise<{ status: number; text: string }> {
    const text = await exchange(open(serverName), `GET ${path} HTTP/1.1\r\nHost: ${serverName}\r\n${headers}\r\n`);
    return { status: Number(text.split(" ")[1]), text };
  }

  test("T26: passes on no request that could be read in two ways", async () => {
    const wrong: string[] = [];
    for (const [name, bytes] of Object.entries(SMUGGLING_CORPUS)) {
      recorder.requests.length = 0;
      const answers = (await exchange(open(), bytes.replaceAll("HOST", HOST))).match(/HTTP\/1\.1 200 OK/g) ?? [];
      const lines = recorder.requests.map((request) => request.split("\r\n")[0] ?? "");
      // One that nginx itself took for a second request, and answered as one, was hidden from nobody.
      const isHidden = lines.some((line) => line.includes(SMUGGLED)) && answers.length !== lines.length;
      if (isHidden) wrong.push(`${name}: reached a node: ${lines.join(" | ")}`);
      for (const request of recorder.requests) {
        const head = request.slice(0, request.indexOf("\r\n\r\n"));
        if (/\r\ntransfer-encoding:/i.test(head)) wrong.push(`${name}: Transfer-Encoding was passed on`);
        if ((head.match(/\r\ncontent-length:/gi) ?? []).length > 1) wrong.push(`${name}: two lengths were passed on`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("T26: answers to its own name alone, and sends plain HTTP to HTTPS whatever the Host", async () => {
    expect((await get("/v1/time")).status).toBe(200);
    expect((await get("/v1/time", "", "evil.example")).status).toBe(421);
    const socket = await RawConnection.open(plainPort);
    const text = await exchange(socket.socket, "GET /v1/time HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    expect(text).toContain("HTTP/1.1 308");
    expect(text).toContain("Location: https://tickets.example/v1/time\r\n");
  });

  test("T6: tells the node the socket's address and nothing that a client claims", async () => {
    recorder.requests.length = 0;
    const claims = ["X-Forwarded-For: 10.9.8.7", "X-Real-IP: 10.9.8.7", "Forwarded: for=10.9.8.7", "X-User-ID: admin"];
    await get("/v1/reservations", `${claims.join("\r\n")}\r\nCookie: a=10.9.8.7\r\n`);
    const [request = ""] = recorder.requests;
    expect(request).toContain("X-Forwarded-For: 127.0.0.1\r\n");
    expect(request).not.toContain("10.9.8.7");
  });

  test("T34: keeps nothing personal, whatever it is made to look like", async () => {
    const paths = [
      "/v1/reservations",
      "/v1/reservations/rid/style.css",
      "/v1/reservations/rid.css",
      "/v1/reservations/rid;x.css",
      "/v1/reservations/rid%2Fstyle.css",
      "/v1/reservations/rid%00.js",
      "/v1/reservations/rid?x=/assets/a.js",
      "/v1/reservations/../assets/a.js%2f..%2f..%2freservations",
      "/assets/../v1/reservations/rid",
      "/assets/%2e%2e/v1/reservations/rid",
      "/v1/sales/../reservations/rid",
      "/v1/events?ticket=a.css",
      "/v1/time",
    ];
    for (const allowed of ["no-store", "public, max-age=600"]) {
      recorder.headers = `Cache-Control: ${allowed}\r\n`;
      for (const path of paths) {
        const isPublicFile = /^\/assets\/[^/%]+$/.test(new URL(path, "http://x").pathname);
        const [first, second] = [await get(path), await get(path)];
        const isKept = first.text.split("\r\n\r\n")[1] === second.text.split("\r\n\r\n")[1];
        expect([path, allowed, isKept && first.status === 200 && !isPublicFile]).toEqual([path, allowed, false]);
      }
    }
  });

  test("T34: keeps what is for everybody, apart by origin, and never for somebody with a session", async () => {
    recorder.headers = "Cache-Control: public, max-age=600\r\n";
    const bodyOf = async (path: string, headers = ""): Promise<string> =>
      (await get(path, headers)).text.split("\r\n\r\n")[1] ?? "";
    const first = await bodyOf("/v1/sales/spring-drop");
    expect(await bodyOf("/v1/sales/spring-drop")).toBe(first);
    expect(await bodyOf("/v1/sales/spring-drop", "Origin: https://shop.example\r\n")).not.toBe(first);
    expect(await bodyOf("/v1/sales/spring-drop", "Authorization: Bearer x\r\n")).not.toBe(first);
    expect(await bodyOf("/v1/sales/spring-drop")).toBe(first);
    const asset = await bodyOf("/assets/buyer.abc.js");
    expect(await bodyOf("/assets/buyer.abc.js")).toBe(asset);
    recorder.headers = "Cache-Control: no-store\r\n";
    expect(await bodyOf("/v1/sales/other")).not.toBe(await bodyOf("/v1/sales/other"));
  });

  test("T16: turns away bodies and headers that no buyer sends", async () => {
    recorder.requests.length = 0;
    const body = `POST /v1/sessions HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 65537\r\n\r\n`;
    expect(await exchange(open(), body)).toContain("HTTP/1.1 413");
    const long = `GET / HTTP/1.1\r\nHost: ${HOST}\r\nX-Long: ${"x".repeat(40_000)}\r\n\r\n`;
    expect(await exchange(open(), long)).toContain("HTTP/1.1 400");
    expect(recorder.requests).toEqual([]);
  });
});

for (const runtime of ["bun", "node"] as const satisfies Runtime[]) {
  describe(`the listener on ${runtime}, without a proxy`, () => {
    let child: ChildProcess;
    let port = 0;
    beforeAll(async () => {
      const [command, flags] = runtimeCommand(runtime);
      child = spawn(command, [...flags, LISTENER], { stdio: ["pipe", "pipe", "inherit"] });
      const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
      port = Number(line.toString());
    });
    afterAll(async () => {
      const exit = once(child, "exit");
      child.stdin?.end();
      await exit;
    });

    test("T26: answers no request that was hidden in another one", async () => {
      const wrong: string[] = [];
      for (const [name, bytes] of Object.entries(SMUGGLING_CORPUS)) {
        const { socket } = await RawConnection.open(port);
        const text = await exchange(socket, bytes.replaceAll("HOST", "127.0.0.1"));
        if (text.includes(SMUGGLED)) wrong.push(`${name}: ${text.slice(0, 200)}`);
      }
      expect(wrong).toEqual([]);
    });
  });
}
