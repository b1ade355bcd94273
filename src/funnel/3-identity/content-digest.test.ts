/**
 * A body matches its digest in exactly one spelling.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { compareDigest } from "./content-digest.ts";

const BODY = new TextEncoder().encode('{"quantity":1}');
const DIGEST = createHash("sha256").update(BODY).digest("base64");

describe("content digest", () => {
  test("matches the body it was made of", () => {
    expect(compareDigest(`sha-256=:${DIGEST}:`, BODY)).toBe("match");
  });

  test("matches beside another algorithm, which is ignored", () => {
    expect(compareDigest(`sha-512=:AAAA:, sha-256=:${DIGEST}:`, BODY)).toBe("match");
  });

  test("is absent without a header", () => {
    expect(compareDigest(null, BODY)).toBe("absent");
  });

  test.each([
    ["another body's", `sha-256=:${createHash("sha256").update("x").digest("base64")}:`],
    ["two of them", `sha-256=:${DIGEST}:, sha-256=:${DIGEST}:`],
    ["without colons", `sha-256=${DIGEST}`],
    ["base64url", `sha-256=:${DIGEST.replaceAll("+", "-").replaceAll("/", "_").replace(/=$/, "")}:`],
    ["another algorithm only", "sha-512=:AAAA:"],
    ["upper case", `SHA-256=:${DIGEST}:`],
    ["nothing", ""],
  ])("does not match when it is %s", (_name, header) => {
    expect(compareDigest(header, BODY)).toBe("mismatch");
  });
});
