/**
 * Nobody chooses his own address: X-Forwarded-For counts from its right end, and only behind trusted proxies.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createClientAddress } from "./client-address.ts";
import { isInRange, parseIpAddress, parseIpRange } from "./ip-address.ts";

function keyOf(trusted: string[], remoteAddress: string, forwarded: string | null): string {
  const header = (name: string) => (name === "x-forwarded-for" ? forwarded : null);
  return createClientAddress(trusted)({ remoteAddress, header });
}

describe("client address", () => {
  test("is the socket's when no proxy is trusted, whatever a header says", () => {
    for (let count = 0; count < 1_000; count += 1) {
      expect(keyOf([], "203.0.113.7", `198.51.100.${count % 256}`)).toBe("203.0.113.7");
    }
  });

  test("is the socket's when the socket is not a trusted proxy", () => {
    expect(keyOf(["10.0.0.0/8"], "203.0.113.7", "198.51.100.1")).toBe("203.0.113.7");
  });

  test("is the last untrusted address before the chain of trusted proxies", () => {
    const trusted = ["10.0.0.0/8", "::1"];
    expect(keyOf(trusted, "10.0.0.1", "198.51.100.1")).toBe("198.51.100.1");
    expect(keyOf(trusted, "10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2")).toBe("198.51.100.1");
    expect(keyOf(trusted, "::ffff:10.0.0.1", "  2001:db8::1 ")).toBe("2001:db8:0:0::/64");
    expect(keyOf(trusted, "::1", "1.1.1.1,198.51.100.1")).toBe("198.51.100.1");
  });

  test("stops at what is no address, and falls back to whom it can vouch for", () => {
    const trusted = ["10.0.0.0/8"];
    expect(keyOf(trusted, "10.0.0.1", "1.1.1.1, unknown")).toBe("10.0.0.1");
    expect(keyOf(trusted, "10.0.0.1", "1.1.1.1, <script>, 10.0.0.2")).toBe("10.0.0.2");
    expect(keyOf(trusted, "10.0.0.1", "")).toBe("10.0.0.1");
    expect(keyOf(trusted, "10.0.0.1", ",,,")).toBe("10.0.0.1");
    expect(keyOf(trusted, "10.0.0.1", null)).toBe("10.0.0.1");
  });

  test("reads a bounded number of hops of a header full of trusted addresses", () => {
    const forwarded = Array.from({ length: 1_000 }, (_, index) => `10.1.${index >> 8}.${index & 255}`).join(",");
    expect(keyOf(["10.0.0.0/8"], "10.0.0.1", forwarded)).toBe("10.1.3.216");
  });

  test("a socket without an address is limited like one address", () => {
    expect(keyOf([], "", null)).toBe("unknown");
  });

  test("trusts exactly the addresses of its ranges, whichever family they are written in", () => {
    const octet = fc.constantFrom(0, 1, 10, 127, 128, 255);
    const address = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join("."));
    const range = fc.oneof(
      fc.record({ base: address, bits: fc.nat({ max: 32 }) }).map(({ base, bits }) => `${base}/${bits}`),
      fc
        .record({ base: address, bits: fc.integer({ min: 90, max: 128 }) })
        .map(({ base, bits }) => `::ffff:${base}/${bits}`),
      fc.constantFrom("::/0", "::/64", "::/80", "::/81", "2001:db8::/32", "::ffff:0:0/96", "::1"),
    );
    fc.assert(
      fc.property(range, address, (text, remoteAddress) => {
        const parsed = parseIpRange(text);
        const groups = parseIpAddress(remoteAddress);
        if (parsed === null || groups === null) throw new Error("the property's own values are wrong");
        const isTrusted = isInRange(groups, parsed);
        expect(keyOf([text], remoteAddress, "2001:db8:1:2::3")).toBe(isTrusted ? "2001:db8:1:2::/64" : remoteAddress);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a range that is none is found at start", () => {
    expect(() => createClientAddress(["10.0.0.0/40"])).toThrow("10.0.0.0/40");
  });
});
