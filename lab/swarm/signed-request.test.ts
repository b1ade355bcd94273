/**
 * The crowd's signatures are written from the contract; here they meet the server's own check, as a stranger's would.
 */
import { describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { canonicalForm } from "../../src/funnel/3-identity/signature.ts";
import { type BuyerSession, buildSignedRequest, type RequestContent, sign } from "./signed-request.ts";

const SESSION: BuyerSession = {
  token: "s2.session.buyer",
  signingKey: Buffer.alloc(32, 7),
  buyerId: "buyer",
  forwardedFor: "10.0.0.1",
};
const CONTENT: RequestContent = {
  method: "POST",
  path: "/v1/sales/s/items/i/reservations",
  body: '{"quantity":1}',
  idempotencyKey: "crowd-1-0",
  timestampMs: 1_700_000_000_000,
  nonce: "n".repeat(22),
};

function parse(bytes: Buffer): { line: string; headers: Map<string, string>; body: string } {
  const [head = "", body = ""] = bytes.toString("latin1").split("\r\n\r\n");
  const [line = "", ...rest] = head.split("\r\n");
  const headers = new Map(
    rest.map((header) => {
      const at = header.indexOf(":");
      return [header.slice(0, at).toLowerCase(), header.slice(at + 1).trim()];
    }),
  );
  return { line, headers, body };
}

/** The signature as the server would compute it from the request as it was sent. */
function serverSignature(bytes: Buffer): string {
  const { line, headers } = parse(bytes);
  const [method = "", pathAndQuery = ""] = line.split(" ");
  const header = (name: string): string => headers.get(name) ?? "";
  const text = canonicalForm({
    method,
    pathAndQuery,
    timestamp: header("x-timestamp"),
    nonce: header("x-nonce"),
    idempotencyKey: header("idempotency-key"),
    contentDigest: header("content-digest"),
  });
  return createHmac("sha256", SESSION.signingKey).update(text).digest("base64url");
}

describe("a signed request", () => {
  test("carries the signature that the server computes from what was sent", () => {
    for (const content of [
      CONTENT,
      { ...CONTENT, body: null, idempotencyKey: null },
      { ...CONTENT, method: "GET" as const },
    ]) {
      const bytes = buildSignedRequest(SESSION, content, "127.0.0.1:1");
      expect(parse(bytes).headers.get("x-signature")).toBe(serverSignature(bytes));
    }
  });

  test("digests and measures its body", () => {
    const { headers, body } = parse(buildSignedRequest(SESSION, CONTENT, "127.0.0.1:1"));
    expect(body).toBe('{"quantity":1}');
    expect(headers.get("content-length")).toBe("14");
    const digest = createHash("sha256").update(body).digest("base64");
    expect(headers.get("content-digest")).toBe(`sha-256=:${digest}:`);
  });

  test("that was tampered with in any way does not carry that signature", () => {
    for (const tampering of [
      { signingKey: Buffer.alloc(32, 8) },
      { signature: "A".repeat(43) },
      { path: "/v1/sales/s/items/other/reservations" },
      { idempotencyKey: "crowd-1-1" },
    ]) {
      const bytes = buildSignedRequest(SESSION, CONTENT, "127.0.0.1:1", tampering);
      expect(parse(bytes).headers.get("x-signature")).not.toBe(serverSignature(bytes));
    }
    const unsigned = buildSignedRequest(SESSION, CONTENT, "127.0.0.1:1", { signature: null });
    expect(parse(unsigned).headers.has("x-signature")).toBe(false);
    const altered = parse(buildSignedRequest(SESSION, CONTENT, "127.0.0.1:1", { body: '{"quantity":2}' }));
    expect(altered.headers.get("content-digest")).toContain(
      createHash("sha256")
        .update(CONTENT.body ?? "")
        .digest("base64"),
    );
    expect(altered.body).toBe('{"quantity":2}');
  });

  test("differs with every part that is signed", () => {
    const honest = sign(CONTENT, SESSION.signingKey);
    const others: RequestContent[] = [
      { ...CONTENT, method: "DELETE" },
      { ...CONTENT, path: `${CONTENT.path}?x=1` },
      { ...CONTENT, body: null },
      { ...CONTENT, idempotencyKey: null },
      { ...CONTENT, timestampMs: CONTENT.timestampMs + 1 },
      { ...CONTENT, nonce: "m".repeat(22) },
    ];
    for (const other of others) expect(sign(other, SESSION.signingKey)).not.toBe(honest);
  });
});
