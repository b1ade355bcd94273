/**
 * One client of the shop: an address of its own, perhaps a session, and every answer it gets in the book.
 *
 * Builds its requests from the contract alone. A visitor who is not asking for anything holds no connection. Rotators use
 * each address once.
 */
import type { Clock } from "../../../src/ports/clock.ts";
import { HttpClient, type HttpOutcome } from "../http-client.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { parseObject } from "../shopper.ts";
import { contentDigest, sign } from "../signed-request.ts";
import { type AnswerBook, type Heard, hear } from "./answer-book.ts";
import type { Population } from "./populations.ts";

/** What everybody in one process knows. Times by this machine's clock, which is the node's too. */
export interface Scene {
  readonly clock: Clock;
  readonly port: number;
  readonly saleId: string;
  readonly sku: string;
  readonly beginsAtMs: number;
  readonly opensAtMs: number;
  /** Nobody asks for anything after this. */
  readonly endsAtMs: number;
  readonly book: AnswerBook;
  /** How late each who meant to press at or after the opening did: what the machine owes him. */
  readonly latenessMs: number[];
}

export interface BuyerSession {
  readonly token: string;
  readonly signingKey: Uint8Array;
  readonly buyerId: string;
}

/** What is asked for. */
export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  /** How it is proven who asks; nobody when absent. */
  readonly proof?: "signature" | "pass";
  readonly idempotencyKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isAttempt?: boolean;
}

/** An answer with its document. */
export interface Reply extends Heard {
  readonly document: Readonly<Record<string, unknown>>;
}

export interface VisitorParts {
  readonly scene: Scene;
  readonly population: Population;
  readonly agent: string;
  readonly random: SeededRandom;
  /** The address of the next connection. */
  readonly address: () => string;
  /** Another address for each request. */
  readonly rotates?: boolean;
}

const DEADLINE_MS = 15_000;
const NONCE_LENGTH = 22;
const CONNECTIONS_MAX = 2;
const QUEUE_MAX = 1_000;

export class Visitor {
  readonly scene: Scene;
  readonly population: Population;
  readonly random: SeededRandom;
  session: BuyerSession | null = null;
  readonly #parts: VisitorParts;
  #client: HttpClient | null = null;
  #isWarm = false;

  constructor(parts: VisitorParts) {
    this.#parts = parts;
    this.scene = parts.scene;
    this.population = parts.population;
    this.random = parts.random;
  }

  /** Asks, and notes what was heard. */
  async ask(call: Call): Promise<Reply> {
    const outcome = await this.send(this.build(call));
    const heard = hear(outcome, call.isAttempt === true);
    this.scene.book.note(this.population, heard);
    this.scene.book.wonder(`${call.method} ${call.path}`, outcome);
    return { ...heard, document: outcome.kind === "answer" ? parseObject(outcome.answer.body) : {} };
  }

  /** The bytes of a request. */
  build(call: Call): Buffer {
    const { method, path, body = null, idempotencyKey = null, proof, headers = {} } = call;
    const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${this.scene.port}`];
    if (this.#parts.agent !== "") lines.push(`User-Agent: ${this.#parts.agent}`);
    if (idempotencyKey !== null) lines.push(`Idempotency-Key: ${idempotencyKey}`);
    if (proof === "signature" && this.session !== null) {
      const content = {
        ...{ method, path, body, idempotencyKey },
        timestampMs: Math.round(this.scene.clock.nowMs()),
        nonce: this.random.text(NONCE_LENGTH),
      };
      lines.push(`Authorization: Bearer ${this.session.token}`, `X-Timestamp: ${content.timestampMs}`);
      lines.push(`X-Nonce: ${content.nonce}`, `X-Signature: ${sign(content, this.session.signingKey)}`);
      if (body !== null) lines.push(`Content-Digest: ${contentDigest(body)}`);
    }
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (body !== null) {
      if (headers["Content-Type"] === undefined) lines.push("Content-Type: application/json");
      lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    }
    return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`, "utf8");
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<HttpOutcome> {
    if (this.#client === null || (this.#parts.rotates === true && !this.#isWarm)) {
      this.hangUp();
      this.#client = this.#connect();
    }
    this.#isWarm = false;
    return await this.#client.send(bytes);
  }

  /** Has a connection open for the next request, as whoever means to be first does. */
  async warmUp(): Promise<void> {
    await this.ask({ method: "GET", path: `/v1/sales/${this.scene.saleId}` });
    this.#isWarm = true;
  }

  hangUp(): void {
    this.#client?.close();
    this.#client = null;
  }

  #connect(): HttpClient {
    const { scene, address } = this.#parts;
    return new HttpClient({
      host: "127.0.0.1",
      port: scene.port,
      connectionsMax: CONNECTIONS_MAX,
      queueDepthMax: QUEUE_MAX,
      deadlineMs: DEADLINE_MS,
      clock: scene.clock,
      localAddress: address(),
    });
  }
}
