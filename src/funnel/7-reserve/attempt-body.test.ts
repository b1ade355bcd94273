/**
 * A body says one quantity, or the right thing about it is refused.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contentDigestOf } from "../3-identity/content-digest.ts";
import { parseAttemptBody, usualBodyOf } from "./attempt-body.ts";

function read(body: string | Uint8Array, perBuyerMax = 4): number | string {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const result = parseAttemptBody(bytes, perBuyerMax);
  return "reason" in result ? result.reason : result.quantity;
}

describe("attempt body", () => {
  test.each([
    ['{"quantity":1}', 1],
    ['{"quantity":4}', 4],
    [' {\n"quantity" : 2 }\t', 2],
    ['{"quantity":2.0}', 2],
    ['{"quantity":2e0}', 2],
    ['{"quant\\u0069ty":3}', 3],
    ['{"quantity":1,"challenge":{"token":"t","solution":"s"}}', 1],
    ['{"challenge":{"solution":"","token":""},"quantity":1}', 1],
  ])("%p asks for %p", (body, quantity) => {
    expect(read(body)).toBe(quantity);
  });

  test.each(["0", "-0", "-1", "1.5", "5", "1e21", "1e308", "999999", "9007199254740993"])(
    "a quantity of %s is bad_quantity",
    (text) => {
      expect(read(`{"quantity":${text}}`)).toBe("bad_quantity");
    },
  );

  test.each([
    ['"1"'],
    ["null"],
    ["true"],
    ["[]"],
    ["[1]"],
    ["{}"],
    ["1e400"],
    ["NaN"],
    ["01"],
    ["+1"],
    ["0x1"],
    ["1n"],
    ["Infinity"],
  ])("a quantity of %s is malformed", (text) => {
    expect(read(`{"quantity":${text}}`)).toBe("malformed");
  });

  test.each([
    ["nothing", ""],
    ["an empty object", "{}"],
    ["an array", "[]"],
    ["null", "null"],
    ["a string", '"quantity"'],
    ["an unknown member", '{"quantity":1,"price":1}'],
    ["a member of the order", '{"quantity":1,"status":"paid"}'],
    ["two quantities", '{"quantity":1,"quantity":2}'],
    ["two quantities, one escaped", '{"quantity":1,"quantit\\u0079":2}'],
    ["__proto__", '{"quantity":1,"__proto__":{"admin":true}}'],
    ["constructor", '{"quantity":1,"constructor":{"prototype":{}}}'],
    ["a challenge that is no object", '{"quantity":1,"challenge":"x"}'],
    ["a challenge that is null", '{"quantity":1,"challenge":null}'],
    ["a challenge without a solution", '{"quantity":1,"challenge":{"token":"t"}}'],
    ["a solution that is a number", '{"quantity":1,"challenge":{"token":"t","solution":1}}'],
    ["a challenge with one member more", '{"quantity":1,"challenge":{"token":"t","solution":"s","kind":"pow"}}'],
    ["a byte order mark", '\ufeff{"quantity":1}'],
    ["something after the object", '{"quantity":1}x'],
    ["a comment", '{"quantity":1/**/}'],
    ["10,000 arrays", `{"quantity":1,"challenge":${"[".repeat(10_000)}`],
    ["too deep a challenge", `{"quantity":1,"challenge":${'{"a":'.repeat(20)}1${"}".repeat(20)}}`],
    ["form encoding", "quantity=1"],
  ])("%s is malformed", (_name, body) => {
    expect(read(body)).toBe("malformed");
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("a solution is handed on as it was sent, and none is null", () => {
    const parse = (text: string) => parseAttemptBody(new TextEncoder().encode(text), 4);
    expect(parse('{"quantity":2,"challenge":{"token":"c1.x","solution":"1.2"}}')).toEqual({
      quantity: 2,
      challenge: { token: "c1.x", solution: "1.2" },
    });
    expect(parse('{"quantity":2}')).toEqual({ quantity: 2, challenge: null });
    expect(parse('{ "quantity":2}')).toEqual({ quantity: 2, challenge: null });
  });

  test("invalid UTF-8 is malformed", () => {
    for (const tail of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      const bytes = Buffer.concat([
        Buffer.from('{"quantity":1,"challenge":{"a":"'),
        Buffer.from(tail),
        Buffer.from('"}}'),
      ]);
      expect(read(bytes)).toBe("malformed");
    }
  });

  test("the short way and the long way agree", () => {
    fc.assert(
      fc.property(fc.integer({ min: -3, max: 2_000_000 }), fc.integer({ min: 1, max: 1_000_000 }), (quantity, max) => {
        expect(read(`{"quantity":${quantity}}`, max)).toBe(read(`{ "quantity": ${quantity} }`, max));
      }),
      { numRuns: 300 },
    );
  });

  test("no bytes whatsoever make it throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(["number", "string"]).toContain(typeof read(bytes));
      }),
      { numRuns: 500 },
    );
  });
});

describe("usual bodies", () => {
  test("say what the long way says, with the digest of their bytes", () => {
    for (let quantity = 1; quantity <= 9; quantity += 1) {
      const bytes = new TextEncoder().encode(`{"quantity":${quantity}}`);
      expect(usualBodyOf(bytes)?.body).toEqual(parseAttemptBody(bytes, 9) as never);
      expect(usualBodyOf(bytes)?.digestHeader).toBe(contentDigestOf(bytes));
    }
  });

  test.each(['{"quantity":0}', '{"quantity":x}', '{"quantity":10}', '{"quantity":1]', '{"Quantity":1}', "{}", ""])(
    "%p is none",
    (text) => {
      expect(usualBodyOf(new TextEncoder().encode(text))).toBeNull();
    },
  );
});
