/**
 * A receipt is ours and unchanged, or it is none.
 */
import { describe, expect, test } from "bun:test";
import { HmacKey } from "../3-identity/hmac.ts";
import { deriveKeys } from "../3-identity/keys.ts";
import { readReceipt, signReceipt } from "./receipt.ts";

const KEY = new HmacKey(Buffer.alloc(32, 9));
const FACTS = { rid: "r-1", saleId: "demo", sku: "one", quantity: 2, holdUntil: 1_800_000_000_123 };

describe("receipt", () => {
  test("says what was accepted, the same each time", () => {
    const receipt = signReceipt(KEY, FACTS);
    expect(signReceipt(KEY, FACTS)).toBe(receipt);
    expect(readReceipt(KEY, receipt)).toEqual(FACTS);
  });

  test("with any one character changed is none", () => {
    const receipt = signReceipt(KEY, FACTS);
    for (let index = 0; index < receipt.length; index += 1) {
      for (const character of "aZ9-.") {
        if (receipt[index] === character) continue;
        expect(readReceipt(KEY, receipt.slice(0, index) + character + receipt.slice(index + 1))).toBeNull();
      }
    }
  });

  test("of another key is none, and a session token is none", () => {
    const keys = deriveKeys("secret");
    expect(readReceipt(keys.session, signReceipt(keys.receipt, FACTS))).toBeNull();
    expect(readReceipt(keys.receipt, "")).toBeNull();
  });
});
