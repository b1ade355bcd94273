/**
 * Answers that are not a success, as values: the server's problem document, or one made for it when there is none.
 *
 * Proxies and crashed servers answer without a document; `reason` is then "unreadable", and callers need no second
 * kind of error. What may be tried again is retry.ts's decision.
 */
import type { Problem } from "./contract.ts";

/** A call that cannot give its result: the server said no where the caller expected a yes. */
export class DoorbusterError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.reason}: ${problem.title}`);
    this.name = "DoorbusterError";
    this.problem = problem;
  }
}

function isProblem(value: unknown): value is Problem {
  return (
    value !== null &&
    typeof value === "object" &&
    "reason" in value &&
    typeof value.reason === "string" &&
    "title" in value &&
    typeof value.title === "string"
  );
}

/** The problem of an unsuccessful response. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  const retryAfterS = Number(response.headers.get("retry-after"));
  const wait = retryAfterS > 0 ? { retryAfterMs: retryAfterS * 1_000 } : {};
  const unreadable: Problem = {
    type: "about:blank",
    title: "The server gave an answer that we do not understand.",
    status: response.status,
    reason: "unreadable",
    ...wait,
  };
  if (!response.headers.get("content-type")?.includes("json")) return unreadable;
  try {
    const document: unknown = JSON.parse(text);
    return isProblem(document) ? { ...wait, ...document } : unreadable;
  } catch (error) {
    if (error instanceof SyntaxError) return unreadable;
    throw error;
  }
}
