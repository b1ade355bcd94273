/**
 * A pass is good for the one attempt that it was made for, until it expires, and nothing else is one.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BuyerId, SaleId, SessionId, Sku } from "../../domain/ids.ts";
import type { HotRequest } from "../request.ts";
import { HmacKey } from "./hmac.ts";
import { type ArmedIntent, mintPass, readPass } from "./pass.ts";
import { mintSessionToken, type Session } from "./session-token.ts";

const KEY = new HmacKey(Buffer.alloc(32, 7));
const NOW_MS = 1_800_000_000_000;

const id = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: 1, maxLength: 64 });
const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const intent: fc.Arbitrary<ArmedIntent> = fc.record({
  saleId: id.map((text) => text as SaleId),
  sku: id.map((text) => text as Sku),
  quantity: fc.integer({ min: 1, max: 1_000 }),
  idempotencyKey: fc.string({ unit: visible, minLength: 8, maxLength: 64 }),
});
const session: fc.Arbitrary<Session> = fc.record({
  sessionId: id.map((text) => text as SessionId),
  buyerId: id.map((text) => text as BuyerId),
  expiresAt: fc.integer({ min: 1, max: 100_000 }).map((seconds) => NOW_MS + seconds * 1_000),
  level: fc.integer({ min: 0, max: 999_999 }),
  accountCreatedAt: fc.option(fc.integer({ min: 1, max: 1_800_000_000 }).map((seconds) => seconds * 1_000)),
  device: fc.constantFrom("", "abcdefghij-_"),
  suspicion: fc.integer({ min: 0, max: 100 }),
});

const SOMEBODY: Session = {
  sessionId: "s" as SessionId,
  buyerId: "b" as BuyerId,
  expiresAt: NOW_MS + 60_000,
  level: 0,
  accountCreatedAt: null,
  device: "",
  suspicion: 0,
};
const SOMETHING: ArmedIntent = {
  saleId: "demo" as SaleId,
  sku: "one" as Sku,
  quantity: 2,
  idempotencyKey: "key-of-the-tests",
};

function request(of: ArmedIntent, pass: string | null, headers: Record<string, string> = {}): HotRequest {
  const all: Record<string, string | null> = { "idempotency-key": of.idempotencyKey, "x-pass": pass, ...headers };
  return {
    method: "POST",
    saleId: of.saleId,
    sku: of.sku,
    pathAndQuery: `/v1/sales/${of.saleId}/items/${of.sku}/reservations`,
    remoteAddress: "192.0.2.1",
    header: (name) => all[name] ?? null,
    readBody: async () => new Uint8Array(0),
  };
}

function reasonOf(answer: ReturnType<typeof readPass>): string | null {
  return answer !== null && "reason" in answer ? answer.reason : null;
}

describe("a pass", () => {
  test("says exactly what it was minted with, whatever the ids and keys are", () => {
    fc.assert(
      fc.property(intent, session, (wish, claims) => {
        const pass = mintPass(KEY, wish, claims);
        expect(readPass(KEY, request(wish, pass), NOW_MS)).toEqual({ session: claims, quantity: wish.quantity });
      }),
      { numRuns: 300 },
    );
  });

  test("is good for no other sale, item or key", () => {
    fc.assert(
      fc.property(intent, intent, session, (wish, other, claims) => {
        fc.pre(wish.saleId !== other.saleId || wish.sku !== other.sku || wish.idempotencyKey !== other.idempotencyKey);
        expect(reasonOf(readPass(KEY, request(other, mintPass(KEY, wish, claims)), NOW_MS))).toBe("pass_invalid");
      }),
      { numRuns: 300 },
    );
    const pass = mintPass(KEY, SOMETHING, SOMEBODY);
    for (const change of [{ saleId: "demo2" }, { sku: "two" }, { idempotencyKey: "key-of-the-testt" }]) {
      const other = { ...SOMETHING, ...change } as ArmedIntent;
      expect(reasonOf(readPass(KEY, request(other, pass), NOW_MS))).toBe("pass_invalid");
    }
  });

  test("is invalid when any one character is changed, dropped or added", () => {
    fc.assert(
      fc.property(intent, session, fc.nat(), fc.constantFrom(..."aZ0-_.="), (wish, claims, place, character) => {
        const pass = mintPass(KEY, wish, claims);
        const at = place % pass.length;
        const changed = [
          pass.slice(0, at) + character + pass.slice(at + 1),
          pass.slice(0, at) + pass.slice(at + 1),
          pass.slice(0, at) + character + pass.slice(at),
        ];
        for (const other of changed) {
          if (other !== pass) expect(reasonOf(readPass(KEY, request(wish, other), NOW_MS))).toBe("pass_invalid");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("ends at the millisecond of its expiry", () => {
    const pass = mintPass(KEY, SOMETHING, SOMEBODY);
    const { expiresAt } = SOMEBODY;
    expect(reasonOf(readPass(KEY, request(SOMETHING, pass), expiresAt - 1))).toBeNull();
    expect(reasonOf(readPass(KEY, request(SOMETHING, pass), expiresAt))).toBe("pass_invalid");
  });

  test("is made by its own key only; a session's token is none, nor text of any length", () => {
    const other = new HmacKey(Buffer.alloc(32, 8));
    const texts = [
      mintPass(other, SOMETHING, SOMEBODY),
      mintSessionToken(KEY, SOMEBODY),
      "",
      "p1",
      "p1.".repeat(5_000),
      `p2${mintPass(KEY, SOMETHING, SOMEBODY).slice(2)}`,
    ];
    for (const text of texts) expect(reasonOf(readPass(KEY, request(SOMETHING, text), NOW_MS))).toBe("pass_invalid");
  });

  test("stands alone: with a second proof beside it nobody could say which one counts", () => {
    const pass = mintPass(KEY, SOMETHING, SOMEBODY);
    for (const name of ["authorization", "x-signature"]) {
      expect(reasonOf(readPass(KEY, request(SOMETHING, pass, { [name]: "x" }), NOW_MS))).toBe("malformed");
    }
  });

  test("is not looked for where none was sent", () => {
    expect(readPass(KEY, request(SOMETHING, null), NOW_MS)).toBeNull();
  });
});
