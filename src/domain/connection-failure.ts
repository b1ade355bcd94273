/**
 * Why nobody answered at an address, in plain words: the commands, the swarm and the rehearsal say it the same way.
 *
 * Bun and Node word the same failure differently, put it at different depths, and hand on what was meant for programmers. What
 * is known is recognised by its code; anything else keeps the words it came with, on one line.
 */

/** What stood in the way; "other" = nothing that is known here. */
export type ConnectionFailure = "refused" | "unknown name" | "timed out" | "cut" | "no way" | "not http" | "other";

const WORDS: Readonly<Record<Exclude<ConnectionFailure, "other">, string>> = {
  refused: "the connection was refused",
  "unknown name": "its name cannot be found",
  "timed out": "it timed out",
  cut: "the connection was cut (reset)",
  "no way": "no network leads there",
  "not http": "what answers there does not speak HTTP",
};

const CODES: Readonly<Record<string, Exclude<ConnectionFailure, "other">>> = {
  ECONNREFUSED: "refused",
  ConnectionRefused: "refused",
  ENOTFOUND: "unknown name",
  EAI_AGAIN: "unknown name",
  ETIMEDOUT: "timed out",
  TimeoutError: "timed out",
  UND_ERR_CONNECT_TIMEOUT: "timed out",
  UND_ERR_HEADERS_TIMEOUT: "timed out",
  UND_ERR_BODY_TIMEOUT: "timed out",
  ECONNRESET: "cut",
  EPIPE: "cut",
  UND_ERR_SOCKET: "cut",
  EHOSTUNREACH: "no way",
  ENETUNREACH: "no way",
  HTTPParserError: "not http",
};

/** Errors within errors; a runtime nests two. */
const DEPTH_MAX = 5;

/** What stood in the way of a request or a connection, whichever runtime says so. */
export function connectionFailureOf(error: unknown): ConnectionFailure {
  for (const { code, name } of chainOf(error)) {
    const known = CODES[code ?? ""] ?? CODES[name];
    if (known !== undefined) return known;
  }
  return "other";
}

/** `No answer from http://…: the connection was refused.`, whatever the runtime made of it. */
export function noAnswerFrom(address: string, error: unknown): string {
  const failure = connectionFailureOf(error);
  return `No answer from ${address}: ${failure === "other" ? ownWordsOf(error) : WORDS[failure]}.`;
}

/** Of the innermost error: those around it only say that something failed. */
function ownWordsOf(error: unknown): string {
  const message = chainOf(error).at(-1)?.message ?? String(error);
  return message.replace(/\s+/g, " ").trim().replace(/\.$/, "");
}

/** An error and what caused it, the outermost first. */
function chainOf(error: unknown): readonly NodeJS.ErrnoException[] {
  const chain: Error[] = [];
  for (let link = error; link instanceof Error && chain.length < DEPTH_MAX; link = link.cause) chain.push(link);
  return chain;
}
