/**
 * Each network has one key, however its address is spelled; ranges mean what CIDR says.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ipKeyOf, isInRange, parseIpAddress, parseIpRange, wideNetworkOf } from "./ip-address.ts";

describe("IP address", () => {
  test.each([
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::FFFF:CB00:7107", "203.0.113.7"],
    ["2001:db8:0:1::5", "2001:db8:0:1::/64"],
    ["2001:0DB8:0000:0001:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
    ["2001:db8:0:1::/64", "2001:db8:0:1::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
  ])("%p is limited as %p", (text, key) => {
    expect(ipKeyOf(text)).toBe(key);
  });

  test.each([
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "0x7f.0.0.1",
    "2130706433",
    "1:2:3",
    "1::2::3",
    ":::",
    "g::1",
    "12345::",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "1.2.3.4::",
    `${"1".repeat(100)}`,
    "unix:",
  ])("%p is no address", (text) => {
    expect(ipKeyOf(text)).toBeNull();
  });

  test("every address of a /64 has one key, and neighbours have another", () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        // Keep clear of IPv4-mapped addresses, which are keyed as what they are.
        const network = [0x2001, ...groups.slice(1, 4)];
        const text = [...network, ...groups.slice(4)].map((value) => value.toString(16)).join(":");
        expect(ipKeyOf(text)).toBe(`${network.map((value) => value.toString(16)).join(":")}::/64`);
      }),
      { numRuns: 300 },
    );
  });

  test("IPv4 is its own key exactly when it is written as IPv4 is", () => {
    const octet = fc.oneof(fc.integer({ min: 0, max: 300 }).map(String), fc.constantFrom("", "00", "01", "1e1", "-1"));
    fc.assert(
      fc.property(fc.array(octet, { minLength: 3, maxLength: 5 }), (octets) => {
        const isAddress =
          octets.length === 4 && octets.every((text) => /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) < 256);
        expect(ipKeyOf(octets.join("."))).toBe(isAddress ? octets.join(".") : null);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ["203.0.113.7", "203.0.113"],
    ["2001:db8:0:1::5", "2001:db8:0"],
    ["::1", "0:0:0"],
    ["2001:db8:0:1::/64", "2001:db8:0"],
  ])("%p lies in the wider network %p", (text, network) => {
    expect(wideNetworkOf(ipKeyOf(text) ?? "")).toBe(network);
  });

  test("what has no address has no wider network either", () => {
    expect(wideNetworkOf("unknown")).toBe("unknown");
  });

  test("a key is its own key", () => {
    for (const text of ["203.0.113.7", "2001:db8:1:2:3:4:5:6"]) {
      const key = ipKeyOf(text) ?? "";
      expect(ipKeyOf(key)).toBe(key);
    }
  });

  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["192.168.1.128/25", "192.168.1.127", false],
    ["192.168.1.128/25", "192.168.1.200", true],
    ["0.0.0.0/0", "8.8.8.8", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1", "127.0.0.2", false],
  ])("range %p contains %p: %p", (rangeText, text, expected) => {
    const range = parseIpRange(rangeText);
    const address = parseIpAddress(text);
    if (range === null || address === null) throw new Error("the test's own table is wrong");
    expect(isInRange(address, range)).toBe(expected);
  });

  test.each(["10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "x/8", "10.0.0.0/8/8", "10.0.0.0/8.0"])(
    "%p is no range",
    (text) => {
      expect(parseIpRange(text)).toBeNull();
    },
  );
});
