/**
 * What came back over HTTP, and the checks that every refusal must pass, transcribed from the contract (API.md).
 *
 * The table is written out here a second time on purpose: a test that reads the product's own table would agree with
 * any mistake in it. Only the titles, which the contract leaves open, are compared with the product's words.
 */
import { expect } from "bun:test";
import { REFUSALS } from "../../src/domain/refusals.ts";

/** One answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read members of documents whose form they are checking
  readonly json: any;
}

/** What is expected of a refusal beyond its row. */
export interface ExpectedRefusal {
  readonly stage?: string;
  /** True when advice must be there, false when it must not. */
  readonly retryAfter?: boolean;
}

interface Row {
  readonly status: number;
  readonly stages: readonly (string | undefined)[];
}

/** API.md, "Refusals and faults". */
export const CONTRACT = {
  busy: { status: 503, stages: ["shed"] },
  draining: { status: 503, stages: ["shed"] },
  payload_too_large: { status: 413, stages: ["shed"] },
  malformed: { status: 400, stages: ["shed"] },
  no_such_sale: { status: 404, stages: ["window"] },
  no_such_item: { status: 404, stages: ["window"] },
  not_open: { status: 425, stages: ["window"] },
  paused: { status: 503, stages: ["window"] },
  closed: { status: 410, stages: ["window"] },
  session_missing: { status: 401, stages: ["identity"] },
  session_invalid: { status: 401, stages: ["identity"] },
  session_expired: { status: 401, stages: ["identity"] },
  signature_missing: { status: 401, stages: ["identity"] },
  signature_invalid: { status: 401, stages: ["identity"] },
  signature_stale: { status: 401, stages: ["identity"] },
  signature_replayed: { status: 401, stages: ["identity"] },
  pass_invalid: { status: 401, stages: ["identity"] },
  throttled: { status: 429, stages: ["throttle"] },
  banned: { status: 403, stages: ["throttle"] },
  sold_out: { status: 409, stages: ["sold-out", "reserve"] },
  empty: { status: 409, stages: ["sold-out", "reserve"] },
  not_eligible: { status: 403, stages: ["admission"] },
  pass_required: { status: 403, stages: ["admission"] },
  challenge_required: { status: 428, stages: ["admission"] },
  challenge_failed: { status: 403, stages: ["admission"] },
  limit_reached: { status: 409, stages: ["reserve"] },
  bad_quantity: { status: 400, stages: ["reserve"] },
  key_reused: { status: 422, stages: ["reserve"] },
  ended: { status: 409, stages: ["reserve"] },
  unavailable: { status: 503, stages: ["reserve"] },
  internal: { status: 500, stages: [undefined] },
} as const satisfies Record<string, Row>;

export type Reason = keyof typeof CONTRACT;

const MEMBERS = new Set([
  "type",
  "title",
  "status",
  "detail",
  "reason",
  "stage",
  "retryAfterMs",
  "opensAt",
  "serverNow",
  "rule",
  "cause",
  "challenge",
  "requestId",
]);

/** Reads a response to its end. */
export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Sends a request and reads the answer. Never follows a redirect. */
export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  return await readAnswer(await fetch(url, { redirect: "manual", ...init }));
}

/** Checks a refusal field by field against the contract; answers its document. */
// biome-ignore lint/suspicious/noExplicitAny: see Answer.json
export function expectRefusal(answer: Answer, reason: Reason, expected: ExpectedRefusal = {}): any {
  const row: Row = CONTRACT[reason];
  const seen = `${answer.status} ${answer.text.slice(0, 400)}`;
  expect(answer.json, `a problem document, not ${seen}`).not.toBeNull();
  const problem = answer.json;
  expect(problem.reason, seen).toBe(reason);
  expect(answer.status, seen).toBe(row.status);
  expect(problem.status, seen).toBe(row.status);
  expect(answer.headers.get("content-type"), seen).toMatch(/^application\/problem\+json(; ?charset=utf-8)?$/i);
  expect(problem.type, seen).toBe(`https://doorbuster.dev/errors#${reason}`);
  expect(problem.title, seen).toBe(REFUSALS[reason].title);
  if (expected.stage === undefined) expect(row.stages as readonly unknown[], seen).toContain(problem.stage);
  else expect(problem.stage, seen).toBe(expected.stage);
  expect(
    Object.keys(problem).filter((member) => !MEMBERS.has(member)),
    seen,
  ).toEqual([]);
  expectAdvice(answer, expected.retryAfter);
  return problem;
}

/** Checks the refusal of something that is not there, or not the caller's: the two look the same. */
export function expectNotFound(answer: Answer): void {
  expect(answer.status, answer.text).toBe(404);
  expect(answer.headers.get("content-type"), answer.text).toMatch(/^application\/problem\+json/);
  expect(answer.json?.reason, answer.text).toBe("not_found");
}

/** `retryAfterMs` and `Retry-After` come together, the header in whole seconds rounded up. */
function expectAdvice(answer: Answer, isExpected: boolean | undefined): void {
  const advice: unknown = answer.json.retryAfterMs;
  const header = answer.headers.get("retry-after");
  if (isExpected !== undefined) expect(advice !== undefined, answer.text).toBe(isExpected);
  if (advice === undefined) {
    expect(header, answer.text).toBeNull();
    return;
  }
  expect(Number.isSafeInteger(advice), answer.text).toBe(true);
  expect(advice as number, answer.text).toBeGreaterThan(0);
  expect(header, answer.text).toBe(String(Math.ceil((advice as number) / 1_000)));
}

/** Checks the shape of an accepted attempt; answers its document. */
// biome-ignore lint/suspicious/noExplicitAny: see Answer.json
export function expectAccepted(answer: Answer, expected: { replayed?: boolean } = {}): any {
  expect(answer.status, answer.text).toBe(201);
  const body = answer.json;
  expect(Object.keys(body).sort()).toEqual(["holdUntil", "quantity", "receipt", "rid", "saleId", "sku", "status"]);
  expect(body.rid).toMatch(/^[A-Za-z0-9_-]{28}$/);
  expect(typeof body.receipt).toBe("string");
  expect(body.receipt.length).toBeGreaterThan(20);
  expect(Number.isSafeInteger(body.holdUntil)).toBe(true);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  if (expected.replayed !== undefined) {
    expect(answer.headers.get("idempotent-replayed"), answer.text).toBe(expected.replayed ? "true" : null);
  }
  return body;
}
