/**
 * The body of an attempt: `{ "quantity": 1, "challenge"?: { "token", "solution" } }`, read strictly or not at all.
 *
 * A body that two readers could read differently is `malformed` (strict-json.ts), and so is a member we do not know: a
 * client that sends `price` believes in something we do not do. A number that is no possible quantity is
 * `bad_quantity`, because there the form was right. Size and time are bounded by whoever reads the bytes.
 */

import type { Refusal } from "../../domain/refusals.ts";
import { parseStrictJson } from "../../domain/strict-json.ts";
import { contentDigestOf } from "../3-identity/content-digest.ts";
import type { ChallengeSolution } from "../6-admission/challenge-gate.ts";
import { malformed, plainRefusal, prepareRefusal } from "../refusal-answers.ts";

const NOT_UTF8 = prepareRefusal(malformed("The body is not UTF-8."));
const NO_OBJECT = prepareRefusal(malformed("The body must be a JSON object."));
const UNKNOWN_MEMBER = prepareRefusal(
  malformed("The body has a member that is not known; known are quantity, challenge."),
);
const NO_NUMBER = prepareRefusal(malformed("The member quantity must be a number."));
const NO_SOLUTION = prepareRefusal(
  malformed("The member challenge must be an object with the strings token and solution and nothing else."),
);

/** What an attempt asks for. */
export interface AttemptBody {
  readonly quantity: number;
  readonly challenge: ChallengeSolution | null;
}

/** Keeps a byte order mark, so that it is refused like any other character before the value. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What nearly every body is, with its Content-Digest; anything else takes the long way to the same result. */
export interface UsualBody {
  readonly digestHeader: string;
  readonly body: AttemptBody;
}

const USUAL_START = Buffer.from('{"quantity":');
const USUAL_END = "}".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const USUAL_QUANTITY_MAX = 9;
/** By quantity; there is none of 0. */
const USUAL_BODIES: readonly UsualBody[] = Array.from({ length: USUAL_QUANTITY_MAX + 1 }, (_, quantity) => ({
  digestHeader: contentDigestOf(Buffer.from(`{"quantity":${quantity}}`)),
  body: { quantity, challenge: null },
}));

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function decode(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** The bytes as one of the usual bodies, recognised without a string and without hashing them; null when they are none. */
export function usualBodyOf(bytes: Uint8Array): UsualBody | null {
  const start = USUAL_START.length;
  if (bytes.length !== start + 2 || bytes[start + 1] !== USUAL_END) return null;
  for (let index = 0; index < start; index += 1) if (bytes[index] !== USUAL_START[index]) return null;
  const quantity = (bytes[start] as number) - ZERO;
  return quantity > 0 ? (USUAL_BODIES[quantity] ?? null) : null;
}

/** What is asked for, or the refusal. */
export function parseAttemptBody(bytes: Uint8Array, perBuyerMax: number): AttemptBody | Refusal {
  const text = decode(bytes);
  if (text === null) return NOT_UTF8;

  const json = parseStrictJson(text);
  if (json.kind === "bad") return malformed(json.detail);
  if (!isObject(json.value)) return NO_OBJECT;
  for (const member of Object.keys(json.value)) {
    if (member !== "quantity" && member !== "challenge") return UNKNOWN_MEMBER;
  }
  const { quantity, challenge } = json.value as { quantity?: unknown; challenge?: unknown };
  if (typeof quantity !== "number") return NO_NUMBER;
  if (challenge !== undefined && !isSolution(challenge)) return NO_SOLUTION;
  return checkQuantity({ quantity, challenge: challenge ?? null }, perBuyerMax);
}

function isSolution(value: unknown): value is ChallengeSolution {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  const { token, solution } = value as { token?: unknown; solution?: unknown };
  return typeof token === "string" && typeof solution === "string";
}

/** The body, unless nobody may have so many. */
export function checkQuantity(body: AttemptBody, perBuyerMax: number): AttemptBody | Refusal {
  const { quantity } = body;
  const isPossible = Number.isInteger(quantity) && quantity >= 1 && quantity <= perBuyerMax;
  return isPossible ? body : plainRefusal("bad_quantity");
}
