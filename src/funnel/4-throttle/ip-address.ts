/**
 * IP addresses as numbers: parsing, ranges in CIDR form, and the key under which an address is limited.
 *
 * IPv4 is keyed by address, IPv6 by its /64, because a single customer has 2^64 addresses of it. One canonical key per
 * network, so no spelling of an address gets a second allowance. Parsed by hand: an address is a word that strangers
 * may choose, and both runtimes must read it the same way.
 */

const GROUPS = 8;
const GROUP_BITS = 16;
const NETWORK_GROUPS = 4;
const MAPPED_PREFIX_BITS = 96;
const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** Eight 16-bit groups; IPv4 as IPv4-mapped (::ffff:a.b.c.d). */
export type IpAddress = readonly number[];

const OCTETS = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

function parseIpv4Groups(text: string): [number, number] | null {
  const parts = OCTETS.exec(text);
  if (parts === null) return null;
  const octets = parts.slice(1).map(Number);
  // A leading zero is octal for some readers and decimal for others; such an address is none.
  if (octets.some((octet, index) => octet > 255 || String(octet) !== parts[index + 1])) return null;
  const [first = 0, second = 0, third = 0, fourth = 0] = octets;
  return [(first << 8) | second, (third << 8) | fourth];
}

/** Only the end of a whole address may be written as IPv4. */
function parseGroups(text: string, endsAddress: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const words = text.split(":");
  for (const [index, word] of words.entries()) {
    if (GROUP.test(word)) {
      groups.push(Number.parseInt(word, 16));
      continue;
    }
    const ipv4 = endsAddress && index === words.length - 1 ? parseIpv4Groups(word) : null;
    if (ipv4 === null) return null;
    groups.push(...ipv4);
  }
  return groups;
}

const TEXT_LENGTH_MAX = 64;

/** The address, or null when the text is none. Zones (`%eth0`) are cut off: they mean nothing beyond a link. */
export function parseIpAddress(text: string): IpAddress | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  if (!text.includes(":")) {
    const ipv4 = parseIpv4Groups(text);
    return ipv4 === null ? null : [0, 0, 0, 0, 0, 0xffff, ...ipv4];
  }
  const zone = text.indexOf("%");
  const halves = (zone === -1 ? text : text.slice(0, zone)).split("::");
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  if (head === null || halves.length > 2) return null;
  if (halves.length === 1) return head.length === GROUPS ? head : null;
  const tail = parseGroups(halves[1] ?? "", true);
  if (tail === null || head.length + tail.length >= GROUPS) return null;
  return [...head, ...new Array<number>(GROUPS - head.length - tail.length).fill(0), ...tail];
}

function isIpv4(address: IpAddress): boolean {
  return address.slice(0, 5).every((group) => group === 0) && address[5] === 0xffff;
}

const DOT = 46;
const ZERO = 48;
const OCTET_MAX = 255;
const DOTS = 3;
const NOT_IPV4 = -1;

/**
 * An IPv4 address as a number, when the text is written as IPv4 is: four numbers of at most 255 without leading zeros. −1
 * for any other text. What nearly every address is, so that it must cost nearly nothing to tell.
 */
export function ipv4NumberOf(text: string): number {
  let address = 0;
  let octet = NOT_IPV4;
  let dots = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (octet === NOT_IPV4 || dots === DOTS) return NOT_IPV4;
      address = address * 256 + octet;
      octet = NOT_IPV4;
      dots += 1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || octet === 0) return NOT_IPV4;
    octet = octet === NOT_IPV4 ? digit : octet * 10 + digit;
    if (octet > OCTET_MAX) return NOT_IPV4;
  }
  return dots === DOTS && octet !== NOT_IPV4 ? address * 256 + octet : NOT_IPV4;
}

/**
 * The canonical name under which an address is limited and banned: `203.0.113.7`, or `2001:db8:0:1::/64`. Accepts what
 * it returned. Null when the text is no address.
 */
export function ipKeyOf(text: string): string | null {
  if (ipv4NumberOf(text) !== NOT_IPV4) return text;
  const address = parseIpAddress(text.endsWith("/64") ? text.slice(0, -3) : text);
  if (address === null) return null;
  if (isIpv4(address)) {
    const [high = 0, low = 0] = address.slice(6);
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  const network = address.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** Dots of an IPv4 /24, colons of an IPv6 /48. */
const WIDE_PARTS = 3;

/**
 * The wider network of a key that ipKeyOf made: `203.0.113` (/24), `2001:db8:0` (/48). Whoever has one address of such a
 * network often has all of it.
 */
export function wideNetworkOf(ipKey: string): string {
  const separator = ipKey.includes(":") ? ":" : ".";
  let end = -1;
  for (let part = 0; part < WIDE_PARTS; part += 1) {
    const next = ipKey.indexOf(separator, end + 1);
    if (next === -1) return ipKey;
    end = next;
  }
  return ipKey.slice(0, end);
}

/** A range of addresses. */
export interface IpRange {
  readonly base: IpAddress;
  /** Leading bits that must be equal, counted in the 128-bit form. */
  readonly prefixBits: number;
}

/** Parses `10.0.0.0/8`, `fd00::/8` or a single address. Null when it is neither. */
export function parseIpRange(text: string): IpRange | null {
  const slash = text.indexOf("/");
  const base = parseIpAddress(slash === -1 ? text : text.slice(0, slash));
  if (base === null) return null;
  const isShort = !text.includes(":");
  const bitsMax = isShort ? IPV4_BITS : IPV6_BITS;
  const bitsText = slash === -1 ? String(bitsMax) : text.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : Number.NaN;
  if (!(bits <= bitsMax)) return null;
  return { base, prefixBits: isShort ? MAPPED_PREFIX_BITS + bits : bits };
}

/** Whether the address lies in the range. */
export function isInRange(address: IpAddress, range: IpRange): boolean {
  let bitsLeft = range.prefixBits;
  for (let index = 0; bitsLeft > 0; index += 1) {
    const shift = Math.max(0, GROUP_BITS - bitsLeft);
    if ((address[index] ?? 0) >> shift !== (range.base[index] ?? 0) >> shift) return false;
    bitsLeft -= GROUP_BITS;
  }
  return true;
}
