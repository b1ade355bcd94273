/**
 * Keys come from the secret by HKDF as RFC 5869 says, one per purpose, the same on every node.
 */
import { describe, expect, test } from "bun:test";
import { hkdfSync } from "node:crypto";
import type { SessionId } from "../../domain/ids.ts";
import { deriveKeys, signingKeyOf } from "./keys.ts";

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

  test("no two purposes share a key, nor two sessions", () => {
    const keys = deriveKeys("the secret");
    const codes = [
      keys.session.sign("x"),
      keys.receipt.sign("x"),
      keys.eventTicket.sign("x"),
      keys.pageCursor.sign("x"),
      keys.signatureRoot.sign("x"),
      signingKeyOf(keys, SESSION),
      signingKeyOf(keys, "session-two" as SessionId),
      Buffer.from(keys.eventCursor).toString("base64url"),
      `${keys.sharedHash.word0}.${keys.sharedHash.word1}`,
    ];
    expect(new Set(codes).size).toBe(codes.length);
  });
});
