/**
 * Keys come from the secret by HKDF as RFC 5869 says, one per purpose, the same on every node.
 */
import { describe, expect, test } from "bun:test";
import { hkdfSync } from "node:crypto";
import type { SessionId } from "../../domain/ids.ts";
import { deriveKeys, fingerprintOf, newSessionId, signingKeyOf } from "./keys.ts";

const SESSION = "session-one" as SessionId;

describe("keys", () => {
  test("a session's signing key is HKDF-SHA-256 of the secret with the session in its purpose", () => {
    const expected = hkdfSync(
      "sha256",
      "the secret",
      "doorbuster/v1",
      `doorbuster/request-signature/v1|${SESSION}`,
      32,
    );
    expect(signingKeyOf(deriveKeys("the secret"), SESSION)).toBe(Buffer.from(expected).toString("base64url"));
  });

  test("two nodes with one secret agree, and another secret agrees with neither", () => {
    const key = signingKeyOf(deriveKeys("one"), SESSION);
    expect(signingKeyOf(deriveKeys("one"), SESSION)).toBe(key);
    expect(signingKeyOf(deriveKeys("two"), SESSION)).not.toBe(key);
    expect(deriveKeys("one").sharedHash).toEqual(deriveKeys("one").sharedHash);
    expect(deriveKeys("two").sharedHash).not.toEqual(deriveKeys("one").sharedHash);
  });

  test("a fingerprint is the secret's and the deployment's, and no key of either", () => {
    const [one, two] = [deriveKeys("one"), deriveKeys("two", "one")];
    expect(fingerprintOf(one, "shop")).toBe(fingerprintOf(deriveKeys("one", "zero"), "shop"));
    const all = [fingerprintOf(one, "shop"), fingerprintOf(one, "other"), fingerprintOf(two, "shop")];
    all.push(signingKeyOf(one, "shop" as SessionId), one.signatureRoot.sign("shop"));
    expect(new Set(all).size).toBe(5);
  });

  test("no two purposes share a key, nor two sessions", () => {
    const keys = deriveKeys("the secret");
    const codes = [
      keys.session.sign("x"),
      keys.device.sign("x"),
      keys.receipt.sign("x"),
      keys.eventTicket.sign("x"),
      keys.pageCursor.sign("x"),
      keys.signatureRoot.sign("x"),
      signingKeyOf(keys, SESSION),
      signingKeyOf(keys, "session-two" as SessionId),
      Buffer.from(keys.eventCursor).toString("base64url"),
      `${keys.sharedHash.word0}.${keys.sharedHash.word1}`,
      Buffer.from(keys.operatorSeal).toString("base64url"),
      keys.pass.sign("x"),
      keys.challenge.sign("x"),
      keys.clearance.sign("x"),
      keys.certificate.sign("x"),
    ];
    expect(new Set(codes).size).toBe(codes.length);
  });

  describe("while the secret is being changed", () => {
    const random = { id: () => "A".repeat(22), fraction: () => 0.5 };
    const before = deriveKeys("the old secret");
    const after = deriveKeys("the new secret", "the old secret");

    test("what the old secret signed is accepted, and nothing is signed with it any more", () => {
      const names = ["session", "pass", "challenge", "clearance", "receipt", "eventTicket", "pageCursor"] as const;
      for (const name of names) {
        expect([name, after[name].verify("x", before[name].sign("x"))]).toEqual([name, true]);
        expect([name, before[name].verify("x", after[name].sign("x"))]).toEqual([name, false]);
        expect([name, after[name].verify("x", deriveKeys("a third").session.sign("x"))]).toEqual([name, false]);
      }
      const over = deriveKeys("the new secret");
      expect(over.session.verify("x", before.session.sign("x"))).toBe(false);
    });

    test("a session keeps the signing key it was given, whichever generation gave it", () => {
      const old = newSessionId(before, random);
      const fresh = newSessionId(after, random);
      expect(old).not.toBe(fresh);
      expect(signingKeyOf(after, old)).toBe(signingKeyOf(before, old));
      expect(signingKeyOf(after, fresh)).toBe(signingKeyOf(deriveKeys("the new secret"), fresh));
      expect(signingKeyOf(after, fresh)).not.toBe(signingKeyOf(before, fresh));
    });

    test("a node that was not changed yet and knows of the new secret agrees with those that were", () => {
      const waiting = deriveKeys("the old secret", "the new secret");
      const fresh = newSessionId(after, random);
      expect(signingKeyOf(waiting, fresh)).toBe(signingKeyOf(after, fresh));
      expect(waiting.session.verify("x", after.session.sign("x"))).toBe(true);
    });
  });
});
