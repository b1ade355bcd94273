/**
 * JSON as the contract means it: one reading of each body, or none.
 *
 * JSON.parse keeps the last of two equal keys, lets `__proto__` through and nests until the stack ends; two readers of
 * such a body (a proxy and we) may then see different requests. This parser refuses them, as well as numbers that
 * overflow, lone surrogates and NUL, which PostgreSQL cannot store. It checks form only; meaning is the schema's.
 */

/** Depth of the deepest body in the contract, with room. */
export const JSON_DEPTH_MAX = 8;

/** Keys that reach into an object's prototype when a later reader is careless. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The value, or why the text is not what we accept, with its position. */
export type StrictJson =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "bad"; readonly detail: string };

interface Scan {
  readonly text: string;
  readonly depthMax: number;
  position: number;
}

/** Unwinds the recursion; never leaves this file. */
class NotStrict extends Error {}

function refuse(scan: Scan, what: string): never {
  throw new NotStrict(`${what} at character ${scan.position}`);
}

const SPACES = " \t\n\r";
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside a string (RFC 8259, 7).
const STRING = /"(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;

function take(scan: Scan, pattern: RegExp): string | null {
  pattern.lastIndex = scan.position;
  const found = pattern.exec(scan.text);
  if (found === null) return null;
  scan.position += found[0].length;
  return found[0];
}

function skipSpace(scan: Scan): void {
  while (scan.position < scan.text.length && SPACES.includes(scan.text.charAt(scan.position))) scan.position += 1;
}

function takeString(scan: Scan): string {
  const raw = take(scan, STRING) ?? refuse(scan, "not a string");
  const value = JSON.parse(raw) as string;
  if (!value.isWellFormed()) refuse(scan, "half a character");
  if (value.includes("\u0000")) refuse(scan, "a NUL character");
  return value;
}

function takeScalar(scan: Scan): unknown {
  if (scan.text[scan.position] === '"') return takeString(scan);
  const digits = take(scan, NUMBER);
  if (digits === null) return JSON.parse(take(scan, WORD) ?? refuse(scan, "not a JSON value"));
  const number = Number(digits);
  if (!Number.isFinite(number)) refuse(scan, "a number out of range");
  return number;
}

/** Reads members separated by commas until the closing bracket. */
function takeMembers(scan: Scan, close: "]" | "}", takeMember: () => void): void {
  scan.position += 1;
  skipSpace(scan);
  if (scan.text[scan.position] === close) {
    scan.position += 1;
    return;
  }
  for (;;) {
    takeMember();
    skipSpace(scan);
    const next = scan.text[scan.position];
    scan.position += 1;
    if (next === close) return;
    if (next !== ",") refuse(scan, `neither a comma nor ${close}`);
    skipSpace(scan);
  }
}

function takeObject(scan: Scan, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  takeMembers(scan, "}", () => {
    const key = takeString(scan);
    if (FORBIDDEN_KEYS.has(key)) refuse(scan, `the forbidden key ${key}`);
    if (Object.hasOwn(object, key)) refuse(scan, "a key that is there twice");
    skipSpace(scan);
    if (scan.text[scan.position] !== ":") refuse(scan, "no colon after a key");
    scan.position += 1;
    object[key] = takeValue(scan, depth);
  });
  return object;
}

function takeArray(scan: Scan, depth: number): unknown[] {
  const array: unknown[] = [];
  takeMembers(scan, "]", () => array.push(takeValue(scan, depth)));
  return array;
}

function takeValue(scan: Scan, depth: number): unknown {
  skipSpace(scan);
  const first = scan.text[scan.position];
  if (first !== "{" && first !== "[") return takeScalar(scan);
  if (depth >= scan.depthMax) refuse(scan, `nested deeper than ${scan.depthMax}`);
  return first === "{" ? takeObject(scan, depth + 1) : takeArray(scan, depth + 1);
}

/** Parses a whole text as one JSON value. Never throws for any text. */
export function parseStrictJson(text: string, depthMax: number = JSON_DEPTH_MAX): StrictJson {
  const scan: Scan = { text, depthMax, position: 0 };
  try {
    const value = takeValue(scan, 0);
    skipSpace(scan);
    if (scan.position !== text.length) refuse(scan, "something after the value");
    return { kind: "value", value };
  } catch (error) {
    if (error instanceof NotStrict) return { kind: "bad", detail: `The body has ${error.message}.` };
    throw error;
  }
}
