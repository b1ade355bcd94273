/**
 * An address has its share and no more, gets it back, and takes nobody else's.
 */
import { describe, expect, test } from "bun:test";
import { ConnectionCap } from "./connection-cap.ts";

const open = (perAddressMax: number, trustedProxies: readonly string[] = []) =>
  new ConnectionCap({ perAddressMax, trustedProxies });

describe("connection cap", () => {
  test("lets an address have its share, and another one after each that ends", () => {
    const cap = open(3);
    expect([1, 2, 3, 4, 5].map(() => cap.enter("203.0.113.7"))).toEqual([true, true, true, false, false]);
    cap.leave("203.0.113.7");
    expect([cap.enter("203.0.113.7"), cap.enter("203.0.113.7")]).toEqual([true, false]);
    expect(cap.enter("203.0.113.8")).toBe(true);
  });

  test("counts a /64 as one address, and IPv4 as itself however it is written", () => {
    const cap = open(1);
    expect([cap.enter("2001:db8::1"), cap.enter("2001:db8::2"), cap.enter("2001:db8:0:1::1")]).toEqual([
      true,
      false,
      true,
    ]);
    expect([cap.enter("203.0.113.7"), cap.enter("::ffff:203.0.113.7")]).toEqual([true, false]);
  });

  test("does not count proxies that everybody comes from", () => {
    const cap = open(2, ["10.0.0.0/8"]);
    for (let count = 0; count < 100; count += 1) expect(cap.enter("10.1.2.3")).toBe(true);
    expect([1, 2, 3].map(() => cap.enter("11.1.2.3"))).toEqual([true, true, false]);
  });

  test("remembers nobody who holds nothing", () => {
    const cap = open(5);
    for (let count = 0; count < 1_000; count += 1) cap.enter(`10.0.${count >> 8}.${count & 255}`);
    for (let count = 0; count < 1_000; count += 1) cap.leave(`10.0.${count >> 8}.${count & 255}`);
    expect(cap.addressCount).toBe(0);
  });

  test("of 0 caps nothing", () => {
    const cap = open(0);
    for (let count = 0; count < 10_000; count += 1) expect(cap.enter("203.0.113.7")).toBe(true);
  });
});
