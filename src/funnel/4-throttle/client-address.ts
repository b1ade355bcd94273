/**
 * Whose address counts: the socket's, or the one that a trusted proxy vouches for in X-Forwarded-For.
 *
 * The header is read from its right end, one step per trusted proxy, and stops at the first address that is not one:
 * everything to the left of it is what a stranger wrote. Without configured proxies the header does not exist.
 */
import {
  type IpAddress,
  type IpRange,
  ipKeyOf,
  ipv4NumberOf,
  isInRange,
  parseIpAddress,
  parseIpRange,
} from "./ip-address.ts";

/** More proxies in a row than any deployment has; a longer chain is cut here. */
export const FORWARDED_HOPS_MAX = 16;

/** The key of an address that cannot be read (a socket that is already gone): limited like one address. */
const UNKNOWN_KEY = "unknown";

export interface AddressedRequest {
  readonly remoteAddress: string;
  header(name: string): string | null;
}

/** Finds the key of a client's network; see ipKeyOf for its form. */
export type ClientAddress = (request: AddressedRequest) => string;

const IPV6_BITS = 128;
const MAPPED_PREFIX_BITS = 96;
/** ::ffff:0.0.0.0, where IPv4 lies in the 128-bit form. */
const IPV4_START: IpAddress = [0, 0, 0, 0, 0, 0xffff, 0, 0];

/** The IPv4 addresses of a range as numbers; nothing when it has none. */
function ipv4RangeOf({ base, prefixBits }: IpRange): readonly { readonly first: number; readonly last: number }[] {
  if (!isInRange(IPV4_START, { base, prefixBits: Math.min(prefixBits, MAPPED_PREFIX_BITS) })) return [];
  const size = 2 ** (IPV6_BITS - Math.max(prefixBits, MAPPED_PREFIX_BITS));
  // A range of 96 bits or fewer has all of IPv4: then the size is all there is, and the first is 0.
  const first = Math.floor(((base[6] ?? 0) * 65_536 + (base[7] ?? 0)) / size) * size;
  return [{ first, last: first + size - 1 }];
}

/** Throws RangeError for a range that is none: configuration is checked at start. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const ranges = trustedProxies.map((text): IpRange => {
    const range = parseIpRange(text);
    if (range === null) throw new RangeError(`Not an address range: ${text}`);
    return range;
  });
  const ipv4Ranges = ranges.flatMap(ipv4RangeOf);
  const isTrusted = (text: string): boolean => {
    const ipv4 = ipv4NumberOf(text);
    if (ipv4 !== -1) return ipv4Ranges.some(({ first, last }) => ipv4 >= first && ipv4 <= last);
    const address = parseIpAddress(text);
    return address !== null && ranges.some((range) => isInRange(address, range));
  };

  return (request) => {
    const { remoteAddress } = request;
    if (ranges.length === 0 || !isTrusted(remoteAddress)) return ipKeyOf(remoteAddress) ?? UNKNOWN_KEY;
    const forwarded = request.header("x-forwarded-for");
    if (forwarded === null) return ipKeyOf(remoteAddress) ?? UNKNOWN_KEY;
    let vouched = remoteAddress;
    let end = forwarded.length;
    for (let hop = 0; hop < FORWARDED_HOPS_MAX && end > 0; hop += 1) {
      const comma = forwarded.lastIndexOf(",", end - 1);
      const text = forwarded.slice(comma + 1, end).trim();
      if (ipv4NumberOf(text) === -1 && parseIpAddress(text) === null) break;
      vouched = text;
      if (!isTrusted(text)) break;
      end = comma;
    }
    return ipKeyOf(vouched) ?? UNKNOWN_KEY;
  };
}
