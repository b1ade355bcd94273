/**
 * A provider of challenges on this machine: real HTTP, single use, the fields of Turnstile and hCaptcha, and every way of
 * not answering.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const PROVIDER_SECRET = "0x4AAAAAAA-secret-of-the-site";

/** How it behaves: "well", or which way it fails. */
export type ProviderMood = "well" | "silent" | "broken" | "garbage" | "endless" | "elsewhere" | "hung-up";

/** What it knows of a response it handed out. */
export interface GivenResponse {
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  readonly action?: string;
  readonly cdata?: string;
}

/** Where it sends the asker in the mood "elsewhere"; there everybody hears what the last one should have heard. */
const ELSEWHERE = "/elsewhere";
const ENDLESS_BYTES = 200_000;

export class ScriptedCaptchaProvider {
  mood: ProviderMood = "well";
  /** The forms it was sent. */
  readonly asked: URLSearchParams[] = [];
  readonly #server: Server;
  readonly #responses = new Map<string, GivenResponse>();
  readonly #used = new Set<string>();
  #given = 0;
  #praise = "";

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<ScriptedCaptchaProvider> {
    const server = createServer();
    const provider = new ScriptedCaptchaProvider(server);
    server.on("request", (request, response) => void provider.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/siteverify`;
  }

  /** What the widget gives the page of somebody who solved it. */
  solve(response: GivenResponse): string {
    this.#given += 1;
    const text = `0.response_of-the.widget-${String(this.#given).padStart(6, "0")}`;
    this.#responses.set(text, response);
    return text;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.url === ELSEWHERE) return void response.writeHead(200).end(this.#praise);
    const form = new URLSearchParams(Buffer.concat(parts).toString("utf8"));
    this.asked.push(form);
    if (this.mood === "silent") return;
    if (this.mood === "hung-up") return void request.socket.destroy();
    if (this.mood === "broken") return void response.writeHead(503).end("no");
    if (this.mood === "garbage") return void response.writeHead(200).end("<html>success</html>");
    const verdict = JSON.stringify(this.#judge(form));
    this.#praise = verdict;
    if (this.mood === "elsewhere") return void response.writeHead(302, { location: ELSEWHERE }).end();
    const padding = this.mood === "endless" ? " ".repeat(ENDLESS_BYTES) : "";
    response.writeHead(200, { "content-type": "application/json" }).end(verdict + padding);
  }

  #judge(form: URLSearchParams): Record<string, unknown> {
    const text = form.get("response") ?? "";
    const given = this.#responses.get(text);
    if (form.get("secret") !== PROVIDER_SECRET) return { success: false, "error-codes": ["invalid-input-secret"] };
    if (given === undefined) return { success: false, "error-codes": ["invalid-input-response"] };
    if (this.#used.has(text)) return { success: false, "error-codes": ["timeout-or-duplicate"] };
    this.#used.add(text);
    const { madeAt, ...others } = given;
    return { success: true, challenge_ts: new Date(madeAt).toISOString(), ...others, "error-codes": [] };
  }
}
