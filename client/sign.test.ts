/**
 * What the client signs is what the server checks.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { SessionId } from "../src/domain/ids.ts";
import { deriveKeys, rawSigningKeyOf, signingKeyOf } from "../src/funnel/3-identity/keys.ts";
import { checkSignature } from "../src/funnel/3-identity/signature.ts";
import { contentDigestOf, randomToken, SigningKey } from "./sign.ts";

const KEYS = deriveKeys("a secret");
const SESSION_ID = "session" as SessionId;
const NOW_MS = 1_800_000_000_000;

describe("signing", () => {
  test.each([
    ["POST", "/v1/sales/demo/items/one/reservations", "a-key-of-the-tests", '{"quantity":1}'],
    ["DELETE", "/v1/reservations/abc?x=%20ü", "", ""],
  ])("a signed %s is genuine for the server", async (method, pathAndQuery, idempotencyKey, body) => {
    const key = await SigningKey.import(signingKeyOf(KEYS, SESSION_ID));
    const contentDigest = body === "" ? "" : await contentDigestOf(body);
    const parts = {
      method,
      pathAndQuery,
      timestamp: String(NOW_MS),
      nonce: randomToken(),
      idempotencyKey,
      contentDigest,
    };
    const signature = await key.sign(parts);
    const headers: Record<string, string> = {
      "x-timestamp": parts.timestamp,
      "x-nonce": parts.nonce,
      "idempotency-key": idempotencyKey,
      "content-digest": contentDigest,
    };
    const rawSigningKey = rawSigningKeyOf(KEYS, SESSION_ID);
    const request = { method, pathAndQuery, header: (name: string) => headers[name] ?? null };
    expect(checkSignature({ rawSigningKey, request, signature, nowMs: NOW_MS })).toMatchObject({
      kind: "genuine",
    });
  });

  test("a digest is that of RFC 9530", async () => {
    const body = '{"quantity":1}';
    expect(await contentDigestOf(body)).toBe(`sha-256=:${createHash("sha256").update(body).digest("base64")}:`);
  });

  test("a token has the form of a nonce and of a key, and never comes twice", () => {
    const tokens = Array.from({ length: 1_000 }, randomToken);
    expect(new Set(tokens).size).toBe(1_000);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });
});
