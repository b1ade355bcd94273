/**
 * Speaks the operator API for the commands that act on a running node.
 *
 * Without --url and --token it finds a node of the same machine by the same settings that node was started with, down to
 * the token solo mode keeps in DATA_DIR. A problem document's own words reach the person; nothing is retried.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readSettings } from "../config/load.ts";
import { noAnswerFrom } from "../domain/connection-failure.ts";
import { CommandFailure, EXIT_FAILED } from "./failure.ts";

const ANSWER_MS_MAX = 30_000;
const URL_FLAG = "--url";
export const UNSPECIFIED_HOSTS = ["0.0.0.0", "::"];

const TOKEN_ADVICE =
  "Set ADMIN_TOKEN to what the node was started with. A node in solo mode makes its own and keeps it in its DATA_DIR: set DATA_DIR to that folder.";

/** How a command was told to reach the node. */
export interface Target {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  /** What the command calls the flag of `url`, for advice (default: --url). */
  readonly urlFlag?: string;
}

/** One deployment's operator API. */
export class OperatorClient {
  readonly url: string;
  readonly #token: string;
  readonly #tokenFrom: string;
  readonly #urlFlag: string;

  constructor(target: {
    readonly url: string;
    readonly token: string;
    readonly tokenFrom?: string;
    readonly urlFlag?: string;
  }) {
    this.url = target.url.replace(/\/+$/, "");
    this.#token = target.token;
    this.#tokenFrom = target.tokenFrom ?? "this node";
    this.#urlFlag = target.urlFlag ?? URL_FLAG;
  }

  /** The body of a 2xx answer. Throws CommandFailure with the server's own words for anything else. */
  async request<Body>(
    method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<Body> {
    const answer = await this.#send(method, path, body);
    const parsed = parseJson(answer.text);
    if (answer.ok && parsed !== undefined) return parsed as Body;
    if (answer.status === 401) {
      throw new CommandFailure(
        `${this.url}${path} does not accept the operator token from ${this.#tokenFrom}. ${TOKEN_ADVICE}`,
      );
    }
    throw new CommandFailure(
      explainAnswer({ url: `${this.url}${path}`, status: answer.status, problem: parsed }, this.#urlFlag),
    );
  }

  async #send(method: string, path: string, body: unknown): Promise<{ ok: boolean; status: number; text: string }> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    try {
      const response = await fetch(`${this.url}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      return { ok: response.ok, status: response.status, text: await response.text() };
    } catch (error) {
      throw new CommandFailure(
        `${noAnswerFrom(this.url, error)} Is a node running there? Another one is named with ${this.#urlFlag}.`,
        EXIT_FAILED,
        { cause: error },
      );
    }
  }
}

/** The client for what the flags, the environment and a solo node's data directory say, in that order. */
export function connectOperator(target: Target, env: Readonly<Record<string, string | undefined>>): OperatorClient {
  // Only what tells where the node is: these commands also run on machines that have no other setting of it.
  const { PORT, ADMIN_PORT, ADMIN_HOST, DATA_DIR } = env;
  const settings = readSettings({ env: { PORT, ADMIN_PORT, ADMIN_HOST, DATA_DIR } });
  const { urlFlag = URL_FLAG } = target;
  const url = target.url ?? `http://${hostInUrl(settings.adminHost)}:${settings.adminPort}`;
  if (!URL.canParse(url)) {
    throw new CommandFailure(`${urlFlag} is ${JSON.stringify(url)}; accepted: a URL such as http://127.0.0.1:8081`);
  }
  const where = { url, urlFlag };
  if (target.token !== undefined) return new OperatorClient({ ...where, token: target.token, tokenFrom: "--token" });
  const fromEnvironment = env["ADMIN_TOKEN"];
  if (fromEnvironment) return new OperatorClient({ ...where, token: fromEnvironment, tokenFrom: "ADMIN_TOKEN" });
  const file = resolve(settings.dataDir, "admin-token");
  return new OperatorClient({ ...where, token: keptToken(file), tokenFrom: file });
}

/** What a node in solo mode keeps. Throws CommandFailure with everywhere the token could have come from. */
function keptToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? `there is no ${file}` : `${file} cannot be read (${message})`;
    throw new CommandFailure(
      `No operator token: --token is not given, ADMIN_TOKEN is not set, and ${why}. ${TOKEN_ADVICE}`,
    );
  }
}

/** A listening address as part of a URL that reaches it from the same machine. */
export function hostInUrl(host: string): string {
  if (UNSPECIFIED_HOSTS.includes(host)) return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function explainAnswer(answer: { url: string; status: number; problem: unknown }, urlFlag: string): string {
  const problem = (answer.problem ?? {}) as { title?: string; detail?: string; reason?: string };
  // Health and metrics answer there too, so the address looks right.
  const advice =
    problem.reason === "not_found"
      ? `The operator API is on the operators' port (ADMIN_PORT) of a node with the admin role, not on the buyers' port; name it with ${urlFlag}.`
      : undefined;
  const words = [problem.title, problem.detail, advice].filter((part) => typeof part === "string").join(" ");
  return `${answer.url} answered ${answer.status}${problem.reason ? ` ${problem.reason}` : ""}${words ? `: ${words}` : ""}`;
}
