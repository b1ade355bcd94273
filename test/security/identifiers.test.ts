/**
 * T14: what is no id never becomes part of a key, a path, a channel or a separated text, and no script is put together.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  deriveRid,
  isId,
  parseBuyerId,
  parseRid,
  parseSaleId,
  parseSessionId,
  parseSku,
} from "../../src/domain/ids.ts";
import { filesUnder, isTest, sourcesUnder, textOf } from "../tidy/repository.ts";
import { HOSTILE_TEXTS } from "./hostile-texts.ts";

const PARSERS = [parseBuyerId, parseRid, parseSaleId, parseSessionId, parseSku];
/** Everything that separates, quotes, ends or escapes somewhere between here and a store. */
const SEPARATORS = /[\s:|{}[\]()<>"'`\\/,;=&?#%*$.~^!@+\0-\x20\x7f-\uffff]/;

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom("a", "Z", "0", "-", "_", "{", "}", "|", ":", "\n", "\0", "é", "票", "\u2028"),
    maxLength: 70,
  }),
  fc.constantFrom(...HOSTILE_TEXTS),
);

test("any text is refused as an id or stays exactly itself, without anything that separates", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const parse of PARSERS) {
        const id = parse(text);
        if (id === null) continue;
        expect(String(id)).toBe(text);
        expect(text).not.toMatch(SEPARATORS);
        expect(text.length).toBeGreaterThan(0);
        expect(text.length).toBeLessThanOrEqual(64);
      }
    }),
    { numRuns: 5_000 },
  );
});

test("what is not a text is no id", () => {
  for (const value of [
    null,
    undefined,
    1,
    true,
    [],
    ["a"],
    {},
    { toString: () => "a" },
    Symbol("a"),
    new String("a"),
  ]) {
    expect([String(value as never), isId(value)]).toEqual([String(value as never), false]);
  }
});

test("no two attempts share a reservation, wherever their parts could be cut", () => {
  const id = fc.string({ unit: fc.constantFrom(..."ab01-_"), minLength: 1, maxLength: 12 });
  const key = fc.string({ unit: fc.constantFrom(..."ab01-_|:{}"), minLength: 8, maxLength: 12 });
  const rids = new Map<string, string>();
  fc.assert(
    fc.property(id, id, key, (buyerId, saleId, idempotencyKey) => {
      const attempt = JSON.stringify([buyerId, saleId, idempotencyKey]);
      const rid = deriveRid({ buyerId: buyerId as never, saleId: saleId as never, idempotencyKey });
      expect(rids.get(rid) ?? attempt).toBe(attempt);
      rids.set(rid, attempt);
    }),
    { numRuns: 3_000 },
  );
});

test("scripts for Redis stand in files, and no source puts one together", () => {
  const adapters = sourcesUnder("src").filter((path) => !isTest(path));
  expect(adapters.filter((path) => /\bredis\.p?call\b|\bKEYS\[/.test(textOf(path)))).toEqual([]);
  const senders = adapters.filter((path) => /"EVAL"/.test(textOf(path)));
  expect(senders.length).toBeGreaterThan(0);
  for (const path of senders) expect([path, /"EVAL",[^,]*[`+]/.test(textOf(path))]).toEqual([path, false]);
});

test("no script of ours runs a text that it was given", () => {
  const scripts = filesUnder("src/adapters").filter((path) => path.endsWith(".lua"));
  expect(scripts.length).toBeGreaterThan(10);
  const dynamic = /\b(?:loadstring|load|dofile|setfenv|rawset\(_G)\s*\(/;
  expect(scripts.filter((path) => dynamic.test(textOf(path).replace(/--[^\n]*/g, "")))).toEqual([]);
});
