/**
 * A swarm goes to this machine, or to exactly the host that its owner named, and nowhere else.
 */
import { expect, test } from "bun:test";
import { addressOf, parseTargets } from "./target.ts";

test.each([
  ["http://127.0.0.1:8080", { hostname: "127.0.0.1", port: 8080 }],
  ["http://localhost:8080", { hostname: "localhost", port: 8080 }],
  ["http://[::1]:9000", { hostname: "::1", port: 9000 }],
  ["http://127.9.8.7", { hostname: "127.9.8.7", port: 80 }],
  // Another spelling of the same address, which URL resolves before anybody looks.
  ["http://0x7f.1:81", { hostname: "127.0.0.1", port: 81 }],
])("%s is this machine", (url, target) => {
  expect(parseTargets([url], null)).toEqual([target]);
});

test.each([
  ["http://192.0.2.1", "192.0.2.1 is not this machine"],
  ["http://shop.example", "shop.example is not this machine"],
  ["http://127.0.0.1.shop.example", "is not this machine"],
  ["http://localhost.shop.example", "is not this machine"],
  ["http://[::ffff:127.0.0.1]:80", "is not this machine"],
  ["http://0.0.0.0:8080", "is not this machine"],
  ["https://127.0.0.1", "is no http:// address"],
  ["127.0.0.1:8080", "is no http:// address"],
  ["http://a:b@127.0.0.1", "must be an origin"],
  ["http://127.0.0.1/v1", "must be an origin"],
])("%s is refused", (url, words) => {
  expect(() => parseTargets([url], null)).toThrow(words);
});

test("a host that its owner names is accepted under exactly that name", () => {
  expect(parseTargets(["http://shop.example:8080"], "shop.example")).toEqual([
    { hostname: "shop.example", port: 8080 },
  ]);
  expect(() => parseTargets(["http://www.shop.example"], "shop.example")).toThrow('You named "shop.example"');
  expect(() => parseTargets(["http://192.0.2.1", "http://192.0.2.2"], "192.0.2.1")).toThrow("192.0.2.2 is not");
});

test("an address of version 6 is written in brackets", () => {
  expect(parseTargets(["http://[::1]:9000"], null).map(addressOf)).toEqual(["http://[::1]:9000"]);
});
