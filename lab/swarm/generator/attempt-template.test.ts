/**
 * An attempt from the template is byte for byte the one that the other implementation of the contract builds.
 */
import { describe, expect, test } from "bun:test";
import { deriveKeys } from "../../../src/funnel/3-identity/keys.ts";
import { verifySessionToken } from "../../../src/funnel/3-identity/session-token.ts";
import { buildSignedRequest } from "../signed-request.ts";
import { type AttemptMarks, AttemptTemplate } from "./attempt-template.ts";
import { addressText, Identities, MAC_LENGTH, numberText, SessionMaker } from "./identities.ts";

const NOW_MS = 1_790_000_000_123;
const SECRET = "a secret of the test, as long as one should be";
const maker = new SessionMaker({ secret: SECRET, run: "run001", expiresAt: 1_790_003_600_000 });
const options = { maker, host: "127.0.0.1:8080", saleId: "sale-1", sku: "ticket", quantity: 2 };

function marksOf(number: number, more: Partial<AttemptMarks> = {}): AttemptMarks {
  return { number, addressNumber: number, timestampMs: NOW_MS, keySerial: 0, nonceSerial: 3, ...more };
}

/** What signed-request.ts makes of the same attempt, its headers in any order. */
function referenceOf(marks: AttemptMarks): string[] {
  const name = (serial: number): string => `run001${numberText(marks.number)}${serial.toString(36).padStart(4, "0")}`;
  const session = { ...maker.sessionOf(marks.number), forwardedFor: addressText(marks.addressNumber) };
  const content = {
    method: "POST" as const,
    path: "/v1/sales/sale-1/items/ticket/reservations",
    body: '{"quantity":2}',
    idempotencyKey: name(marks.keySerial),
    timestampMs: marks.timestampMs,
    nonce: name(marks.nonceSerial),
  };
  return linesOf(buildSignedRequest(session, content, options.host));
}

function linesOf(bytes: Buffer): string[] {
  return bytes.toString("latin1").split("\r\n").sort();
}

describe("the attempt template", () => {
  const block = { firstNumber: 5, step: 3, count: 4_000 };
  const identities = new Identities(block);
  identities.mint(maker, { from: 0, until: block.count });

  test("writes what the other implementation writes, for one identity after the other", () => {
    const template = new AttemptTemplate(options);
    for (const slot of [0, 1, 36, 1_295, 3_999]) {
      const marks = marksOf(5 + slot * 3, { timestampMs: NOW_MS + slot, nonceSerial: slot, keySerial: slot % 2 });
      template.write(marks, identities.macs, slot);
      template.sign(marks);
      expect(linesOf(template.bytes)).toEqual(referenceOf(marks));
    }
  });

  test("takes a signature that was made ahead", () => {
    const template = new AttemptTemplate(options);
    const marks = marksOf(8);
    const signatures = Buffer.from(`${"x".repeat(MAC_LENGTH)}${template.signatureOf(marks)}`, "latin1");
    template.write(marks, identities.macs, 1);
    template.putSignature(signatures, 1);
    expect(linesOf(template.bytes)).toEqual(referenceOf(marks));
  });

  test("spoils a signature or a token so that it is not genuine, and the next request is whole again", () => {
    const template = new AttemptTemplate(options);
    const tokenIn = (): string => /Bearer (\S+)/.exec(template.bytes.toString("latin1"))?.[1] ?? "";
    template.write(marksOf(5), identities.macs, 0);
    template.spoil("token");
    expect(verifySessionToken(deriveKeys(SECRET).session, tokenIn(), NOW_MS)).toBe("session_invalid");
    template.write(marksOf(5), identities.macs, 0);
    expect(tokenIn()).toBe(maker.tokenOf(5));
    template.sign(marksOf(5));
    template.spoil("signature");
    expect(linesOf(template.bytes)).not.toEqual(referenceOf(marksOf(5)));
  });

  test("bytes that were let go stay as they were", () => {
    const template = new AttemptTemplate(options);
    template.write(marksOf(5), identities.macs, 0);
    const sent = template.bytes;
    const before = sent.toString("latin1");
    template.letGo();
    template.write(marksOf(8), identities.macs, 1);
    expect(sent.toString("latin1")).toBe(before);
  });
});

test("a million identities have a million addresses, none of them of this computer", () => {
  const seen = new Set<string>();
  for (let number = 0; number < 1_000_000; number += 1) seen.add(addressText(number));
  expect(seen.size).toBe(1_000_000);
  expect([...seen].some((address) => address.startsWith("127."))).toBe(false);
});
