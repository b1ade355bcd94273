/**
 * Which autonomous system an address belongs to: a list of prefixes, flattened at start, searched by halving.
 *
 * A farm that rents a thousand addresses in a thousand networks mostly rents them from one provider; its number is the one
 * thing that the addresses share. The list is the operator's file (`prefix number`, as routing tables are published); this
 * table only reads it. Nested prefixes are resolved once, so that a question is one search without a backtrack and allocates
 * nothing. Addresses are asked for by the key of client-address.ts.
 */
import { ipv4NumberOf, parseIpRange } from "./ip-address.ts";

/** Finds the name of a system, such as `AS64500`, or null when the list does not know the address. */
export interface AsnLookup {
  find(ipKey: string): string | null;
}

/** Nobody routes less than a /48 of IPv6; so many bits are also exact as a number. */
const IPV6_BITS_MAX = 48;
const IPV4_BITS = 32;
const ASN_MAX = 4_294_967_295;
const LINE_PATTERN = /^([0-9a-fA-F.:]+)\/(\d{1,3})[\s,]+(?:AS)?(\d{1,10})(?:[\s,].*)?$/;

/** Prefixes of one family, before they are flattened. */
class PrefixList {
  readonly #bits: number;
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly names: number[] = [];

  constructor(bits: number) {
    this.#bits = bits;
  }

  add(prefix: { start: number; prefixBits: number; name: number }): void {
    const size = 2 ** (this.#bits - prefix.prefixBits);
    const start = Math.floor(prefix.start / size) * size;
    this.starts.push(start);
    this.ends.push(start + size);
    this.names.push(prefix.name);
  }

  /** By start, the wider one first; of equal ones the later line comes last and wins. */
  sorted(): Uint32Array {
    const { starts, ends } = this;
    const compare = (a: number, b: number): number =>
      (starts[a] ?? 0) - (starts[b] ?? 0) || (ends[b] ?? 0) - (ends[a] ?? 0) || a - b;
    const order = Uint32Array.from(starts, (_, index) => index);
    // Published lists mostly are in order, and sorting a million prefixes takes longer than reading them.
    return order.every((index) => index === 0 || compare(index - 1, index) <= 0) ? order : order.sort(compare);
  }
}

/** Ranges without overlap: each begins where the one before ends. Name 0 = nobody's. */
class FlatRanges {
  readonly #starts: Float64Array;
  readonly #names: Uint32Array;

  constructor(prefixes: PrefixList) {
    const starts: number[] = [];
    const names: number[] = [];
    const begin = (start: number, name: number): void => {
      if (starts.at(-1) === start) names[names.length - 1] = name;
      else {
        starts.push(start);
        names.push(name);
      }
    };
    // Prefixes contain each other or do not meet at all, so those that are open lie in one another like a stack.
    const open: number[] = [];
    const closeUntil = (at: number): void => {
      for (let top = open.at(-1); top !== undefined && (prefixes.ends[top] ?? 0) <= at; top = open.at(-1)) {
        open.pop();
        const outer = open.at(-1);
        begin(prefixes.ends[top] ?? 0, outer === undefined ? 0 : (prefixes.names[outer] ?? 0));
      }
    };
    for (const index of prefixes.sorted()) {
      closeUntil(prefixes.starts[index] ?? 0);
      begin(prefixes.starts[index] ?? 0, prefixes.names[index] ?? 0);
      open.push(index);
    }
    closeUntil(Number.POSITIVE_INFINITY);
    this.#starts = Float64Array.from(starts);
    this.#names = Uint32Array.from(names);
  }

  find(address: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (this.#names[low - 1] ?? 0);
  }
}

/** See the head of this file. */
export class AsnTable implements AsnLookup {
  readonly #names: readonly (string | null)[];
  readonly #ipv4: FlatRanges;
  readonly #ipv6: FlatRanges;
  readonly prefixCount: number;

  private constructor(lists: { ipv4: PrefixList; ipv6: PrefixList; names: readonly (string | null)[] }) {
    this.#names = lists.names;
    this.#ipv4 = new FlatRanges(lists.ipv4);
    this.#ipv6 = new FlatRanges(lists.ipv6);
    this.prefixCount = lists.ipv4.starts.length + lists.ipv6.starts.length;
  }

  /**
   * Reads lines of `prefix number`; what follows the number, empty lines and lines that begin with `#` or `;` do not
   * count, nor do IPv6 prefixes longer than /48. Throws RangeError with the number of a line that is none.
   */
  static parse(text: string): AsnTable {
    const ipv4 = new PrefixList(IPV4_BITS);
    const ipv6 = new PrefixList(IPV6_BITS_MAX);
    const names: (string | null)[] = [null];
    const nameOf = new Map<number, number>();
    let lineNumber = 0;
    for (let start = 0; start < text.length; ) {
      const newline = text.indexOf("\n", start);
      const end = newline === -1 ? text.length : newline;
      const line = text.slice(start, end).trim();
      start = end + 1;
      lineNumber += 1;
      if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
      const { family, start: prefixStart, prefixBits, asn } = parseLine(line, lineNumber);
      let name = nameOf.get(asn);
      if (name === undefined) {
        name = names.push(`AS${asn}`) - 1;
        nameOf.set(asn, name);
      }
      if (family === "ipv4") ipv4.add({ start: prefixStart, prefixBits, name });
      else if (prefixBits <= IPV6_BITS_MAX) ipv6.add({ start: prefixStart, prefixBits, name });
    }
    return new AsnTable({ ipv4, ipv6, names });
  }

  find(ipKey: string): string | null {
    const colon = ipKey.indexOf(":");
    const name = colon === -1 ? this.#ipv4.find(ipv4NumberOf(ipKey)) : this.#ipv6.find(ipv6Of(ipKey, colon));
    return this.#names[name] ?? null;
  }
}

interface ParsedLine {
  readonly family: "ipv4" | "ipv6";
  /** The prefix's first address: all of an IPv4 address, the first 48 bits of an IPv6 address. */
  readonly start: number;
  readonly prefixBits: number;
  readonly asn: number;
}

function parseLine(line: string, lineNumber: number): ParsedLine {
  const [, address = "", bits = "", number = ""] = LINE_PATTERN.exec(line) ?? [];
  const asn = Number(number);
  const prefixBits = Number(bits);
  const ipv4 = ipv4NumberOf(address);
  const isAsn = number !== "" && asn <= ASN_MAX;
  if (isAsn && ipv4 !== -1 && prefixBits <= IPV4_BITS) return { family: "ipv4", start: ipv4, prefixBits, asn };
  const range = address.includes(":") ? parseIpRange(`${address}/${bits}`) : null;
  if (!isAsn || range === null) {
    throw new RangeError(`line ${lineNumber} is not a prefix and a number, such as "203.0.113.0/24 64500"`);
  }
  const [first = 0, second = 0, third = 0] = range.base;
  return { family: "ipv6", start: topBitsOf(first, second, third), prefixBits, asn };
}

function topBitsOf(first: number, second: number, third: number): number {
  return first * 4_294_967_296 + second * 65_536 + third;
}

/** The first 48 bits of an IPv6 key (`2001:db8:0:1::/64`). */
function ipv6Of(ipKey: string, firstColon: number): number {
  const secondColon = ipKey.indexOf(":", firstColon + 1);
  const thirdColon = ipKey.indexOf(":", secondColon + 1);
  return topBitsOf(
    hexOf(ipKey, 0, firstColon),
    hexOf(ipKey, firstColon + 1, secondColon),
    hexOf(ipKey, secondColon + 1, thirdColon),
  );
}

function hexOf(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    value = value * 16 + (code <= 57 ? code - 48 : code - 87);
  }
  return value;
}
