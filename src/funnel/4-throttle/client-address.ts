/**
 * Whose address counts: the socket's, or the one that a trusted proxy vouches for in X-Forwarded-For.
 *
 * The header is read from its right end, one step per trusted proxy, and stops at the first address that is not one:
 * everything to the left of it is what a stranger wrote. Without configured proxies the header does not exist.
 */
import { type IpRange, ipKeyOf, isInRange, parseIpAddress, parseIpRange } from "./ip-address.ts";

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

/** Throws RangeError for a range that is none: configuration is checked at start. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const ranges = trustedProxies.map((text): IpRange => {
    const range = parseIpRange(text);
    if (range === null) throw new RangeError(`Not an address range: ${text}`);
    return range;
  });
  const isTrusted = (text: string): boolean => {
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
      if (parseIpAddress(text) === null) break;
      vouched = text;
      if (!isTrusted(text)) break;
      end = comma;
    }
    return ipKeyOf(vouched) ?? UNKNOWN_KEY;
  };
}
