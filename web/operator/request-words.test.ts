import { expect, test } from "bun:test";
import { OPERATOR_ROUTES } from "../../src/http/operator/operator-routes.ts";
import { describeRequest, wordsOfRequest } from "./request-words.ts";

const say = (method: string, path: string, body: unknown): string =>
  describeRequest({ method, path: `/v1/admin${path}`, body });

test("stock, prices and recoveries are told in words, with the reason that was given", () => {
  const adjust = "/sales/drop/items/shoe/adjust";
  expect(say("POST", adjust, { delta: 5, reason: "a box" })).toBe("Add 5 units to shoe of sale drop: a box");
  expect(say("POST", adjust, { delta: -5, reason: "x" })).toBe("Take 5 units from shoe of sale drop: x");
  expect(say("PUT", "/sales/drop/items/shoe/price", { amount: 1, reason: "x" })).toBe(
    "Set the price to 1 (minor units) of shoe of sale drop: x",
  );
  expect(say("POST", "/sales/drop/recover", { from: "stream" })).toContain("sale drop");
});

test("bans, people and lifecycle too", () => {
  const ban = { kind: "buyer", subject: "b1", reason: "a scalper" };
  expect(say("POST", "/bans", ban)).toBe("Ban until lifted buyer b1: a scalper");
  expect(say("POST", "/bans", { ...ban, effect: "exempt", durationMs: 3_600_000 })).toBe(
    "Exempt for an hour buyer b1: a scalper",
  );
  expect(say("PATCH", "/people/p1", { isActive: false })).toBe("Shut out person p1");
  expect(say("PATCH", "/sales/drop", { name: "x", opensAt: 1 })).toBe("Change name, opensAt of sale drop");
  expect(say("POST", "/sales/drop/open", {})).toBe("Open sale drop");
});

test("every route that changes something has words of its own", () => {
  const wordless = Object.entries(OPERATOR_ROUTES).filter(([name, { changes }]) => {
    const [method = "", path = ""] = name.replaceAll(/:\w+/g, "some-id").split(" ");
    return changes !== undefined && wordsOfRequest({ method, path, body: {} }).what.includes(path);
  });
  expect(wordless.map(([name]) => name)).toEqual([]);
});

test("what nobody taught us is shown as it was sent", () => {
  expect(say("PATCH", "/nothing/ann", { role: "owner" })).toBe('PATCH /nothing/ann {"role":"owner"}');
  expect(say("POST", "/sales/drop/items/shoe/adjust?x=1", { delta: 5 })).toStartWith("POST /sales/drop");
});
