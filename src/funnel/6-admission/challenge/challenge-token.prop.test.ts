/**
 * A token is good in one session, for one sale, for one deployment, until it expires, and in one spelling.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import { CHALLENGE_KINDS, DIFFICULTY_MAX } from "../../../ports/challenge.ts";
import { HmacKey } from "../../3-identity/hmac.ts";
import {
  type ChallengeBinding,
  type ChallengeClaims,
  mintChallengeToken,
  openChallengeToken,
} from "./challenge-token.ts";
import { mintClearance, openClearance } from "./clearance.ts";

const KEY = new HmacKey(Buffer.alloc(32, 5));
const OTHER_KEY = new HmacKey(Buffer.alloc(32, 6));
const NOW_MS = 1_800_000_000_000;

const text = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength, maxLength });
const binding: fc.Arbitrary<ChallengeBinding> = fc.record({
  saleId: text(1, 64).map((id) => id as SaleId),
  sessionId: text(1, 64).map((id) => id as SessionId),
});
const claims: fc.Arbitrary<ChallengeClaims> = fc.record({
  kind: fc.constantFrom(...CHALLENGE_KINDS),
  difficulty: fc.integer({ min: 1, max: DIFFICULTY_MAX }),
  expiresAt: fc.integer({ min: 1, max: 300 }).map((seconds) => NOW_MS + seconds * 1_000),
  seed: text(22, 22),
  sealed: fc.option(text(2, 256)),
});
/** Every way to be one character away. */
const change = fc.record({
  place: fc.nat(),
  character: fc.constantFrom(..."aZ0-_.=|c1"),
  how: fc.constantFrom("replace", "drop", "insert"),
});

function changed(token: string, { place, character, how }: { place: number; character: string; how: string }): string {
  const at = place % token.length;
  if (how === "replace") return token.slice(0, at) + character + token.slice(at + 1);
  return how === "drop" ? token.slice(0, at) + token.slice(at + 1) : token.slice(0, at) + character + token.slice(at);
}

describe("challenge token", () => {
  test("says exactly what it was minted with", () => {
    fc.assert(
      fc.property(claims, binding, (said, to) => {
        const token = mintChallengeToken(KEY, { ...said, ...to });
        expect(openChallengeToken(KEY, token, { ...to, nowMs: NOW_MS })).toEqual(said);
      }),
      { numRuns: 500 },
    );
  });

  test("is none when any one character is changed, dropped or added", () => {
    fc.assert(
      fc.property(claims, binding, change, (said, to, how) => {
        const token = mintChallengeToken(KEY, { ...said, ...to });
        const other = changed(token, how);
        if (other === token) return;
        expect(openChallengeToken(KEY, other, { ...to, nowMs: NOW_MS })).toBeString();
      }),
      { numRuns: 3_000 },
    );
  });

  test("is foreign in any other session, for any other sale and under any other key", () => {
    fc.assert(
      fc.property(claims, binding, binding, (said, to, other) => {
        const token = mintChallengeToken(KEY, { ...said, ...to });
        const open = (here: ChallengeBinding, key = KEY) => openChallengeToken(key, token, { ...here, nowMs: NOW_MS });
        if (other.sessionId !== to.sessionId) expect(open({ ...to, sessionId: other.sessionId })).toBe("foreign");
        if (other.saleId !== to.saleId) expect(open({ ...to, saleId: other.saleId })).toBe("foreign");
        expect(open(to, OTHER_KEY)).toBe("foreign");
      }),
      { numRuns: 500 },
    );
  });

  test("is foreign when its code was made for another action", () => {
    const to = { saleId: "sale" as SaleId, sessionId: "session" as SessionId };
    const said = { kind: "pow", difficulty: 9, expiresAt: NOW_MS + 1_000, seed: "s".repeat(22), sealed: null } as const;
    const token = mintChallengeToken(KEY, { ...said, ...to });
    const unsigned = token.slice(0, token.lastIndexOf("."));
    expect(token).toBe(`${unsigned}.${KEY.sign(`${unsigned}|session|reserve`)}`);
    for (const action of ["pay", "", "reserve|"]) {
      const other = `${unsigned}.${KEY.sign(`${unsigned}|session|${action}`)}`;
      expect(openChallengeToken(KEY, other, { ...to, nowMs: NOW_MS })).toBe("foreign");
    }
  });

  test("expires at the second it says", () => {
    fc.assert(
      fc.property(claims, binding, (said, to) => {
        const token = mintChallengeToken(KEY, { ...said, ...to });
        expect(openChallengeToken(KEY, token, { ...to, nowMs: said.expiresAt - 1 })).toEqual(said);
        expect(openChallengeToken(KEY, token, { ...to, nowMs: said.expiresAt })).toBe("expired");
      }),
      { numRuns: 200 },
    );
  });

  test("no two challenges share a token", () => {
    fc.assert(
      fc.property(claims, binding, claims, binding, (said, to, otherSaid, otherTo) => {
        const same = JSON.stringify([said, to]) === JSON.stringify([otherSaid, otherTo]);
        const token = mintChallengeToken(KEY, { ...said, ...to });
        expect(mintChallengeToken(KEY, { ...otherSaid, ...otherTo }) === token).toBe(same);
      }),
      { numRuns: 500 },
    );
  });

  test("no text whatsoever makes opening throw", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), binding, (other, to) => {
        expect(openChallengeToken(KEY, other, { ...to, nowMs: NOW_MS })).toBe("malformed");
        expect(openClearance(KEY, other, { ...to, nowMs: NOW_MS })).toBe("foreign");
      }),
      { numRuns: 500 },
    );
  });
});

describe("clearance", () => {
  const strengths = fc.integer({ min: 1, max: DIFFICULTY_MAX });
  const EXPIRES_AT = NOW_MS + 60_000;

  test("says its strength until it expires, in its session and sale only", () => {
    fc.assert(
      fc.property(strengths, binding, binding, (strength, to, other) => {
        const clearance = mintClearance(KEY, { ...to, strength, expiresAt: EXPIRES_AT });
        const open = (here: ChallengeBinding, nowMs = NOW_MS) => openClearance(KEY, clearance, { ...here, nowMs });
        expect(open(to)).toBe(strength);
        expect(open(to, EXPIRES_AT - 1)).toBe(strength);
        expect(open(to, EXPIRES_AT)).toBe("expired");
        if (other.sessionId !== to.sessionId) expect(open({ ...to, sessionId: other.sessionId })).toBe("foreign");
        if (other.saleId !== to.saleId) expect(open({ ...to, saleId: other.saleId })).toBe("foreign");
      }),
      { numRuns: 300 },
    );
  });

  test("is none when any one character is changed, dropped or added", () => {
    fc.assert(
      fc.property(strengths, binding, change, (strength, to, how) => {
        const clearance = mintClearance(KEY, { ...to, strength, expiresAt: EXPIRES_AT });
        const other = changed(clearance, how);
        if (other !== clearance) expect(openClearance(KEY, other, { ...to, nowMs: NOW_MS })).toBe("foreign");
      }),
      { numRuns: 3_000 },
    );
  });
});
