import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import type { SaleId, SessionId } from "../domain/ids.ts";
import { AnswerSeal } from "./sealed-answer.ts";

const KEY = randomBytes(32);
const SEAL = new AnswerSeal({ keys: { current: KEY, previous: null }, kind: "slide" });

const id = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: 1, maxLength: 64 });
const request = fc.record({
  saleId: id.map((text) => text as SaleId),
  sessionId: id.map((text) => text as SessionId),
  seed: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
});
const remembered = fc.record({
  answer: fc.integer({ min: 0, max: 65_535 }),
  mintedAt: fc.integer({ min: 0, max: 2 ** 47 }),
});

test("gives back what was sealed, in a form that fits a token and is always equally long", () => {
  fc.assert(
    fc.property(request, remembered, (challenge, answer) => {
      const sealed = SEAL.seal(challenge, answer);
      expect(sealed).toMatch(/^[A-Za-z0-9_-]{38}$/);
      expect(SEAL.open(challenge, sealed)).toEqual(answer);
    }),
  );
});

test("opens for no other challenge, session, sale, kind or key", () => {
  fc.assert(
    fc.property(request, request, remembered, (challenge, other, answer) => {
      const sealed = SEAL.seal(challenge, answer);
      for (const part of ["saleId", "sessionId", "seed"] as const) {
        if (challenge[part] === other[part]) continue;
        expect(SEAL.open({ ...challenge, [part]: other[part] }, sealed)).toBeNull();
      }
      expect(
        new AnswerSeal({ keys: { current: KEY, previous: null }, kind: "arithmetic" }).open(challenge, sealed),
      ).toBeNull();
      expect(
        new AnswerSeal({ keys: { current: randomBytes(32), previous: randomBytes(32) }, kind: "slide" }).open(
          challenge,
          sealed,
        ),
      ).toBeNull();
    }),
  );
});

test("opens no sealed text of which a bit was changed", () => {
  fc.assert(
    fc.property(request, remembered, fc.nat(28 * 8 - 1), (challenge, answer, bit) => {
      const bytes = Buffer.from(SEAL.seal(challenge, answer), "base64url");
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(SEAL.open(challenge, bytes.toString("base64url"))).toBeNull();
      expect(SEAL.open(challenge, bytes.subarray(1).toString("base64url"))).toBeNull();
    }),
  );
});

test("shows nothing of the answer: the same answer never looks the same, and no answer can be told from another", () => {
  const seeds = Array.from({ length: 200 }, () => randomBytes(16).toString("base64url"));
  const at = { saleId: "drop" as SaleId, sessionId: "session" as SessionId };
  const sealed = seeds.map((seed) => SEAL.seal({ ...at, seed }, { answer: 7, mintedAt: 1_800_000_000_000 }));
  expect(new Set(sealed).size).toBe(seeds.length);
  // Each of the first bytes takes many values although what it hides is the same.
  for (let position = 0; position < 8; position += 1)
    expect(new Set(sealed.map((text) => text[position])).size).toBeGreaterThan(20);
});

test("still opens what the key before it sealed", () => {
  const challenge = { saleId: "drop" as SaleId, sessionId: "session" as SessionId, seed: "abcdefghijklmnopqrstuA" };
  const answer = { answer: 321, mintedAt: 1_800_000_000_000 };
  const after = new AnswerSeal({ keys: { current: randomBytes(32), previous: KEY }, kind: "slide" });
  expect(after.open(challenge, SEAL.seal(challenge, answer))).toEqual(answer);
  expect(SEAL.open(challenge, after.seal(challenge, answer))).toBeNull();
});
