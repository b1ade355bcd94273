import { expect, test } from "bun:test";
import { describeRequest } from "./request-words.ts";

const say = (method: string, path: string, body: unknown): string =>
  describeRequest({ method, path: `/v1/admin${path}`, body });

test("stock, prices and recoveries are told in words, with the reason that was given", () => {
  const adjust = "/sales/drop/items/shoe/adjust";
  expect(say("POST", adjust, { delta: 5, reason: "a box" })).toBe("Add 5 units to shoe of sale drop: a box");
  expect(say("POST", adjust, { delta: -5, reason: "x" })).toBe("Take 5 units from shoe of sale drop: x");
  expect(say("PUT", "/sales/drop/items/shoe/price", { amount: 1, reason: "x" })).toContain("to 1 (minor units)");
  expect(say("POST", "/sales/drop/recover", { from: "stream" })).toContain("sale drop");
});

test("what nobody taught us is shown as it was sent", () => {
  expect(say("PATCH", "/people/ann", { role: "owner" })).toBe('PATCH /people/ann {"role":"owner"}');
  expect(say("POST", "/sales/drop/items/shoe/adjust?x=1", { delta: 5 })).toStartWith("POST /sales/drop");
});
