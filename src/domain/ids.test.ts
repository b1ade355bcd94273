/** Ids: what may be one, and that a reservation's id follows from the attempt alone. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type BuyerId, deriveBuyerId, deriveRid, isId, isIdempotencyKey, type SaleId } from "./ids.ts";

const attempt = { buyerId: "buyer" as BuyerId, saleId: "sale" as SaleId, idempotencyKey: "a-key-of-mine" };

describe("ids", () => {
  test("are 1 to 64 letters, digits, dashes and underscores", () => {
    for (const id of ["a", "A-z_9", "x".repeat(64)]) expect(isId(id)).toBe(true);
    for (const text of ["", "x".repeat(65), "a b", "a|b", "}{", "a\n", "ä", "a.b", "../a"])
      expect(isId(text)).toBe(false);
    for (const value of [1, null, undefined, {}, ["a"]]) expect(isId(value)).toBe(false);
  });

  test("an idempotency key is 8 to 64 visible ASCII characters", () => {
    for (const key of ["12345678", "!".repeat(64), '{"a":1}~']) expect(isIdempotencyKey(key)).toBe(true);
    for (const key of [null, "", "1234567", "x".repeat(65), "1234 678", "12345678\n", "1234567ä"]) {
      expect(isIdempotencyKey(key)).toBe(false);
    }
  });
});

describe("the reservation id", () => {
  test("is the first 28 base64url characters of SHA-256 over buyer, sale and key", () => {
    const digest = createHash("sha256").update("buyer\nsale\na-key-of-mine").digest("base64url");
    expect(deriveRid(attempt) as string).toBe(digest.slice(0, 28));
  });

  test("differs when any part does, also when characters only move between parts", () => {
    const others = [
      { ...attempt, buyerId: "buyers" as BuyerId, saleId: "ale" as SaleId },
      { ...attempt, saleId: "sal" as SaleId, idempotencyKey: "ea-key-of-mine" },
      { ...attempt, idempotencyKey: "a-key-of-mind" },
    ];
    for (const other of others) expect(deriveRid(other)).not.toBe(deriveRid(attempt));
  });
});

test("a shop's login has one stable, opaque buyer id of 22 characters per issuer and subject", () => {
  const login = { issuer: "https://shop", subject: "42" };
  expect(deriveBuyerId(login)).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(deriveBuyerId({ ...login })).toBe(deriveBuyerId(login));
  expect(deriveBuyerId({ issuer: "https://shop4", subject: "2" })).not.toBe(deriveBuyerId(login));
});
