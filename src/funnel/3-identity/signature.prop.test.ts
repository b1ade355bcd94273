/**
 * A signature fits one request only: no two requests share a text, and no change goes unnoticed.
 */
import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import { deriveKeys, rawSigningKeyOf, signingKeyOf } from "./keys.ts";
import { canonicalForm, checkSignature, type SignedParts, TIMESTAMP_SKEW_MS_MAX } from "./signature.ts";

const KEYS = deriveKeys("a secret");
const NOW_MS = 1_800_000_000_000;
const SESSION = {
  sessionId: "session-a" as SessionId,
  buyerId: "buyer" as BuyerId,
  expiresAt: NOW_MS + 1_000,
  level: 0,
  accountCreatedAt: null,
  device: "",
  suspicion: 0,
};

const visible = (maxLength: number) => fc.string({ unit: fc.constantFrom(..."abAB01-_/?=&:.+"), maxLength });
const nonce = fc.string({ unit: fc.constantFrom(..."abAB01-_"), minLength: 16, maxLength: 64 });
const parts: fc.Arbitrary<SignedParts> = fc.record({
  method: fc.constantFrom("POST", "GET", "DELETE"),
  pathAndQuery: visible(40).map((text) => `/${text}`),
  timestamp: fc.integer({ min: NOW_MS - 30_000, max: NOW_MS + 30_000 }).map(String),
  nonce,
  idempotencyKey: fc.oneof(
    fc.constant(""),
    fc.string({ unit: fc.constantFrom(..."abAB01-_"), minLength: 8, maxLength: 64 }),
  ),
  contentDigest: fc.oneof(fc.constant(""), visible(30)),
});

function sign(signed: SignedParts, sessionId: SessionId = SESSION.sessionId): string {
  const key = Buffer.from(signingKeyOf(KEYS, sessionId), "base64url");
  return createHmac("sha256", key).update(canonicalForm(signed)).digest("base64url");
}

function check(sent: SignedParts, signature: string, session = SESSION) {
  const headers: Record<string, string> = {
    "x-timestamp": sent.timestamp,
    "x-nonce": sent.nonce,
    ...(sent.idempotencyKey === "" ? {} : { "idempotency-key": sent.idempotencyKey }),
    ...(sent.contentDigest === "" ? {} : { "content-digest": sent.contentDigest }),
  };
  const { method, pathAndQuery } = sent;
  const request = { method, pathAndQuery, header: (name: string) => headers[name] ?? null };
  return checkSignature({ rawSigningKey: rawSigningKeyOf(KEYS, session.sessionId), request, signature, nowMs: NOW_MS });
}

describe("request signature", () => {
  test("of the contract's canonical form is genuine", () => {
    fc.assert(
      fc.property(parts, (signed) => {
        expect(check(signed, sign(signed))).toEqual({ kind: "genuine", nonce: signed.nonce });
      }),
      { numRuns: 300 },
    );
  });

  test("never fits two different requests", () => {
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const isEqual = JSON.stringify(left) === JSON.stringify(right);
        expect(canonicalForm(left) === canonicalForm(right)).toBe(isEqual);
      }),
      { numRuns: 20_000 },
    );
  });

  test("is invalid when any part of the request is another", () => {
    const members = ["method", "pathAndQuery", "timestamp", "nonce", "idempotencyKey", "contentDigest"] as const;
    fc.assert(
      fc.property(parts, parts, fc.constantFrom(...members), (signed, other, member) => {
        if (signed[member] === other[member]) return;
        expect(check({ ...signed, [member]: other[member] }, sign(signed)).kind).toBe("refused");
      }),
      { numRuns: 1_000 },
    );
  });

  test("of session A is invalid in session B", () => {
    fc.assert(
      fc.property(parts, (signed) => {
        const other = { ...SESSION, sessionId: "session-b" as SessionId };
        expect(check(signed, sign(signed), other)).toEqual({ kind: "refused", reason: "signature_invalid" });
      }),
      { numRuns: 50 },
    );
  });

  test("is fresh at 30 s either way and stale one millisecond later", () => {
    const signed = { ...fc.sample(parts, { numRuns: 1, seed: 1 })[0] } as SignedParts;
    for (const [offsetMs, expected] of [
      [TIMESTAMP_SKEW_MS_MAX, "genuine"],
      [-TIMESTAMP_SKEW_MS_MAX, "genuine"],
      [TIMESTAMP_SKEW_MS_MAX + 1, "signature_stale"],
      [-TIMESTAMP_SKEW_MS_MAX - 1, "signature_stale"],
    ] as const) {
      const timed = { ...signed, timestamp: String(NOW_MS + offsetMs) };
      const checked = check(timed, sign(timed));
      expect(checked.kind === "genuine" ? "genuine" : checked.reason).toBe(expected);
    }
  });

  test.each(["", "-5", "1e12", "NaN", " 1800000000000", "١٨٠"])("a timestamp of %p is invalid", (timestamp) => {
    const signed = { ...(fc.sample(parts, { numRuns: 1, seed: 2 })[0] as SignedParts), timestamp };
    expect(check(signed, sign(signed))).toEqual({ kind: "refused", reason: "signature_invalid" });
  });

  test.each(["short", "x".repeat(65), "sixteen chars ok\n"])("a nonce of %p is invalid", (badNonce) => {
    const signed = { ...(fc.sample(parts, { numRuns: 1, seed: 3 })[0] as SignedParts), nonce: badNonce };
    expect(check(signed, sign(signed))).toEqual({ kind: "refused", reason: "signature_invalid" });
  });
});
