/**
 * The strict parser accepts what JSON.parse accepts and nothing that two readers could read differently.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JSON_DEPTH_MAX, parseStrictJson } from "./strict-json.ts";

const BODY_BYTES_MAX = 65_536;

/** As much work as the largest body can ask for. */
const HEAVY_TEXTS: Readonly<Record<string, string>> = {
  numbers: fill("[", "0,", "0]"),
  "empty objects": fill("[", "{},", "{}]"),
  spaces: fill("[", " ", "]"),
  "spaces between numbers": fill("[", "0 , ", "0]"),
  digits: fill("", "9", ""),
  "digits behind the point": fill("0.", "9", ""),
  exponents: fill("1e", "9", ""),
  escapes: fill('"', "\\u0041", '"'),
  backslashes: fill('"', "\\\\", '"'),
  "a string without an end": fill('"', "x", ""),
  "an escape without an end": fill('"', "\\\\", "\\"),
  "open arrays": fill("", "[", ""),
  keys: `{${Array.from({ length: 7_000 }, (_, index) => `"${index.toString(36)}":0`).join(",")}}`,
  "keys that are numbers": `{${Array.from({ length: 7_000 }, (_, index) => `"${index * 37}":0`).join(",")}}`,
  words: fill("[", "null,", "null]"),
};

function fill(head: string, part: string, tail: string): string {
  return head + part.repeat((BODY_BYTES_MAX - head.length - tail.length) / part.length) + tail;
}

function isBad(text: string): boolean {
  return parseStrictJson(text).kind === "bad";
}

function depthOf(value: unknown): number {
  if (value === null || typeof value !== "object") return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("strict JSON", () => {
  test("reads every ordinary value as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        const result = parseStrictJson(text);
        const value: unknown = JSON.parse(text);
        const ordinary = !/__proto__|constructor|prototype|\\u0000/.test(text) && depthOf(value) <= JSON_DEPTH_MAX;
        if (!ordinary) return;
        expect(result).toEqual({ kind: "value", value });
      }),
      { numRuns: 500 },
    );
  });

  test("never accepts a text that JSON.parse refuses, and never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\u01e+-. \ntrufalsn'), maxLength: 24 }), (text) => {
        let parsed: unknown;
        let isJson = true;
        try {
          parsed = JSON.parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
          isJson = false;
        }
        const result = parseStrictJson(text);
        if (!isJson) expect(result.kind).toBe("bad");
        if (result.kind === "value") expect(result.value).toEqual(parsed);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["a duplicate key", '{"kind":"guest","kind":"jwt"}'],
    ["a duplicate key written with an escape", '{"kind":"guest","k\\u0069nd":"jwt"}'],
    ["__proto__", '{"__proto__":{"admin":true}}'],
    ["__proto__ written with an escape", '{"\\u005f_proto__":{"admin":true}}'],
    ["constructor.prototype", '{"constructor":{"prototype":{"admin":true}}}'],
    ["10,000 nested arrays", "[".repeat(10_000)],
    ["10,000 nested arrays that are closed", "[".repeat(10_000) + "]".repeat(10_000)],
    ["a number that overflows", '{"quantity":1e400}'],
    ["NaN", '{"quantity":NaN}'],
    ["half a surrogate pair", '{"name":"\\ud800"}'],
    ["NUL", '{"name":"\\u0000"}'],
    ["a second value", "{}{}"],
    ["a byte order mark", "\ufeff{}"],
    ["nothing", ""],
    ["a trailing comma", '{"a":1,}'],
    ["a missing colon", '{"a" 1}'],
  ])("refuses %s", (_name, text) => {
    expect(isBad(text)).toBe(true);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("accepts exactly the documented depth", () => {
    expect(isBad("[".repeat(JSON_DEPTH_MAX) + "]".repeat(JSON_DEPTH_MAX))).toBe(false);
    expect(isBad("[".repeat(JSON_DEPTH_MAX + 1) + "]".repeat(JSON_DEPTH_MAX + 1))).toBe(true);
  });

  test.each(Object.entries(HEAVY_TEXTS))("T16: 64 KB of %s hold the event loop for less than 10 ms", (_name, text) => {
    // The best of several: a busy machine makes a look slow, a slow parser makes all of them slow.
    const looks = Array.from({ length: 7 }, () => {
      const beginMs = performance.now();
      parseStrictJson(text);
      return performance.now() - beginMs;
    });
    expect(Math.min(...looks)).toBeLessThan(10);
  });
});
