/**
 * A session token says what it was minted with, until it expires, and nothing else is one.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import { HmacKey } from "./hmac.ts";
import { DEVICE_LENGTH, mintSessionToken, type Session, SUSPICION_MAX, verifySessionToken } from "./session-token.ts";

const KEY = new HmacKey(Buffer.alloc(32, 5));
const NOW_MS = 1_800_000_000_000;

const id = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: 1, maxLength: 64 });
const seconds = fc.integer({ min: 1, max: 4_000_000 }).map((count) => count * 1_000);
const session: fc.Arbitrary<Session> = fc.record({
  sessionId: id.map((text) => text as SessionId),
  buyerId: id.map((text) => text as BuyerId),
  expiresAt: seconds.map((ms) => NOW_MS + ms),
  level: fc.integer({ min: 0, max: 999_999 }),
  accountCreatedAt: fc.option(seconds.map((ms) => NOW_MS - ms)),
  device: fc.oneof(
    fc.constant(""),
    fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: DEVICE_LENGTH, maxLength: DEVICE_LENGTH }),
  ),
  suspicion: fc.integer({ min: 0, max: SUSPICION_MAX }),
});

const SOMEBODY = {
  sessionId: "s" as SessionId,
  buyerId: "b" as BuyerId,
  level: 0,
  accountCreatedAt: null,
  device: "",
  suspicion: 0,
};

describe("session token", () => {
  test("says exactly what it was minted with", () => {
    fc.assert(
      fc.property(session, (claims) => {
        expect(verifySessionToken(KEY, mintSessionToken(KEY, claims), NOW_MS)).toEqual(claims);
      }),
      { numRuns: 300 },
    );
  });

  test("is invalid when any one character is changed, dropped or added", () => {
    fc.assert(
      fc.property(session, fc.nat(), fc.constantFrom(..."aZ0-_.="), (claims, place, character) => {
        const token = mintSessionToken(KEY, claims);
        const at = place % token.length;
        const changed = [
          token.slice(0, at) + character + token.slice(at + 1),
          token.slice(0, at) + token.slice(at + 1),
          token.slice(0, at) + character + token.slice(at),
        ];
        for (const other of changed) {
          if (other !== token) expect(verifySessionToken(KEY, other, NOW_MS)).toBe("session_invalid");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("is valid until the millisecond of its expiry and expired from then on", () => {
    const token = mintSessionToken(KEY, { ...SOMEBODY, expiresAt: NOW_MS });
    expect(verifySessionToken(KEY, token, NOW_MS - 1)).toMatchObject({ buyerId: "b" });
    expect(verifySessionToken(KEY, token, NOW_MS)).toBe("session_expired");
  });

  test("carries a suspicion of 0 to 100, whatever it was minted with", () => {
    const suspicionOf = (suspicion: number): unknown => {
      const token = mintSessionToken(KEY, { ...SOMEBODY, suspicion, expiresAt: NOW_MS + 1_000 });
      return verifySessionToken(KEY, token, NOW_MS);
    };
    expect(suspicionOf(-3)).toMatchObject({ suspicion: 0 });
    expect(suspicionOf(41.6)).toMatchObject({ suspicion: 42 });
    expect(suspicionOf(1_000)).toMatchObject({ suspicion: 100 });
  });

  test("of another key, another version or another kind is invalid, expired or not", () => {
    const foreign = mintSessionToken(new HmacKey(Buffer.alloc(32, 6)), { ...SOMEBODY, expiresAt: NOW_MS - 5_000 });
    expect(verifySessionToken(KEY, foreign, NOW_MS)).toBe("session_invalid");
    expect(verifySessionToken(KEY, foreign.replace("s2.", "s1."), NOW_MS)).toBe("session_invalid");
    expect(verifySessionToken(KEY, "eyJhbGciOiJub25lIn0.e30.", NOW_MS)).toBe("session_invalid");
  });
});
