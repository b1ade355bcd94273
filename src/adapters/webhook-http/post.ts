/**
 * One POST over a connection of its own to a machine that was already chosen: no name is looked up here, no redirect
 * followed, no proxy of the environment used.
 *
 * HTTP/1.1 is written by hand because every client library resolves names itself, on its own terms, between our
 * judgement and its connection. Of the answer only the status is read; the connection is cut after it, so the body of an
 * answer costs nothing however long it is.
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../ports/clock.ts";
import type { WebhookTarget } from "./webhook-target.ts";

/** The head of an answer may have this many bytes. */
const HEAD_BYTES_MAX = 16_384;
/** Answers such as "103 Early Hints" that come before the real one. */
const INTERIM_ANSWERS_MAX = 8;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-9]\d{2})(?: |\r|$)/;

/** Opens the connection; a test opens its own. */
export type Connect = (target: WebhookTarget) => Socket;

/** Connects to the chosen address, over TLS to whoever proves to be the name. `certificateAuthorities` beside the usual ones. */
export function createConnect(certificateAuthorities: readonly string[] | null = null): Connect {
  return ({ isTls, address, port, serverName }) => {
    if (!isTls) return connectPlain({ host: address, port });
    return connectTls({
      host: address,
      port,
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      ...(serverName === null ? {} : { servername: serverName }),
      ...(certificateAuthorities === null ? {} : { ca: [...certificateAuthorities] }),
    });
  };
}

/** Sends and answers the status. Rejects when there is no answer within the time, or none of HTTP. */
export async function post(request: {
  target: WebhookTarget;
  headers: Readonly<Record<string, string>>;
  body: string;
  connect: Connect;
  withinMs: number;
  clock: Clock;
}): Promise<number> {
  const { target, connect, withinMs, clock } = request;
  const socket = connect(target);
  return await new Promise<number>((resolve, reject) => {
    const finish = (end: () => void): void => {
      cancelDeadline();
      socket.destroy();
      end();
    };
    const cancelDeadline = clock.setTimer(withinMs, () =>
      finish(() => reject(new Error(`no answer within ${withinMs} ms`))),
    );
    const head = new AnswerHead();
    socket.on("error", (error) => finish(() => reject(error)));
    socket.on("close", () => finish(() => reject(new Error("the connection ended before an answer"))));
    socket.on("data", (piece: Buffer) => {
      const status = head.take(piece);
      if (status === "more") return;
      if (status === "bad") finish(() => reject(new Error("the answer is not HTTP/1.1")));
      else finish(() => resolve(status));
    });
    socket.once(target.isTls ? "secureConnect" : "connect", () => socket.write(bytesOf(request)));
  });
}

function bytesOf({ target, headers, body }: Parameters<typeof post>[0]): Buffer {
  const content = Buffer.from(body, "utf8");
  const all = {
    host: target.host,
    "user-agent": "doorbuster",
    accept: "*/*",
    connection: "close",
    "content-type": "application/json",
    "content-length": String(content.length),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${target.path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1"), content]);
}

/** Collects the head of an answer until its status is known. */
class AnswerHead {
  #bytes = Buffer.alloc(0);
  #interims = 0;

  /** "more": not yet; "bad": never. */
  take(piece: Buffer): number | "more" | "bad" {
    this.#bytes = Buffer.concat([this.#bytes, piece.subarray(0, HEAD_BYTES_MAX + 1)]);
    for (;;) {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end === -1) return this.#bytes.length > HEAD_BYTES_MAX ? "bad" : "more";
      const status = Number(STATUS_LINE.exec(this.#bytes.subarray(0, end).toString("latin1"))?.[1] ?? 0);
      if (status >= 200) return status;
      this.#interims += 1;
      if (status === 0 || this.#interims > INTERIM_ANSWERS_MAX) return "bad";
      this.#bytes = this.#bytes.subarray(end + 4);
    }
  }
}
