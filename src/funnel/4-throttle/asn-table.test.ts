/**
 * An address belongs to the most specific prefix that covers it, as routers have it.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AsnTable } from "./asn-table.ts";
import { ipKeyOf, isInRange, parseIpAddress, parseIpRange } from "./ip-address.ts";

const find = (table: AsnTable, address: string) => table.find(ipKeyOf(address) ?? "unknown");

describe("systems of addresses", () => {
  const table = AsnTable.parse(
    [
      "; pyasn would begin like this",
      "# and we like this",
      "",
      "203.0.113.0/24\t64500",
      "203.0.112.0/20,AS64501 a name of its own",
      "203.0.113.128/25 64502\r",
      "198.51.100.0/24 4294967295",
      "2001:db8::/32 64510",
      "2001:db8:1::/48 64511",
      "2001:db8:1:8000::/49 64512",
    ].join("\n"),
  );

  test.each([
    ["203.0.113.127", "AS64500"],
    ["203.0.113.128", "AS64502"],
    ["203.0.114.0", "AS64501"],
    ["203.0.127.255", "AS64501"],
    ["203.0.128.0", null],
    ["203.0.111.255", null],
    ["0.0.0.0", null],
    ["255.255.255.255", null],
    ["198.51.100.255", "AS4294967295"],
    ["::ffff:203.0.113.1", "AS64500"],
    ["2001:db8::1", "AS64510"],
    ["2001:db8:1:2::1", "AS64511"],
    ["2001:db8:1:8000::1", "AS64511"],
    ["2001:db8:2::", "AS64510"],
    ["2001:db9::", null],
    ["unknown", null],
  ])("%p is %p", (address, name) => {
    expect(find(table, address)).toBe(name);
  });

  test.each(["203.0.113.0", "203.0.113.0/33 1", "x/8 1", "10.0.0.0/8 x", "10.0.0.0/8 4294967296", "10.0.0.0/8"])(
    "%p is no line, and is found by its number",
    (line) => {
      expect(() => AsnTable.parse(`10.0.0.0/8 1\n\n${line}\n`)).toThrow("line 3 ");
    },
  );

  test("an empty list knows nobody", () => {
    expect(find(AsnTable.parse(""), "203.0.113.7")).toBeNull();
  });

  test("agrees with looking at every prefix, for any list and address", () => {
    // Few bits, so that prefixes nest and meet often.
    const octet = fc.constantFrom(0, 1, 127, 128, 255);
    const prefix = fc.record({ octets: fc.array(octet, { minLength: 4, maxLength: 4 }), bits: fc.nat({ max: 32 }) });
    const address = fc.array(octet, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 30 }), fc.array(address, { maxLength: 30 }), (prefixes, addresses) => {
        const lines = prefixes.map(({ octets, bits }, index) => ({ text: `${octets.join(".")}/${bits}`, bits, index }));
        const parsed = AsnTable.parse(lines.map((line) => `${line.text} ${line.index + 1}`).join("\n"));
        for (const octets of addresses) {
          const text = octets.join(".");
          const covering = lines.filter((line) => {
            const range = parseIpRange(line.text);
            const groups = parseIpAddress(text);
            return range !== null && groups !== null && isInRange(groups, range);
          });
          const best = covering.sort((a, b) => b.bits - a.bits || b.index - a.index)[0];
          expect(find(parsed, text)).toBe(best === undefined ? null : `AS${best.index + 1}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
