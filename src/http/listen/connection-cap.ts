/**
 * How many connections of a listener one address may hold at once.
 *
 * Sockets are the one thing that costs a stranger nothing and us a descriptor each. Addresses are counted as they are
 * limited (an IPv6 /64 is one); trusted proxies are not counted, because everybody comes from them.
 */
import { type IpRange, ipKeyOf, isInRange, parseIpAddress, parseIpRange } from "../../funnel/4-throttle/ip-address.ts";

/** One per listener. Its memory is bounded by what is open. */
export class ConnectionCap {
  readonly #perAddressMax: number;
  readonly #exempt: readonly IpRange[];
  readonly #counts = new Map<string, number>();

  /** `perAddressMax` 0 = no cap. Ranges that are none are left out; they were checked with the configuration. */
  constructor(options: { perAddressMax: number; trustedProxies: readonly string[] }) {
    this.#perAddressMax = options.perAddressMax;
    this.#exempt = options.trustedProxies.map(parseIpRange).filter((range) => range !== null);
  }

  /** False when the address has its share already. Whoever heard true says `leave` once, with the same address. */
  enter(remoteAddress: string): boolean {
    if (this.#perAddressMax === 0) return true;
    const key = ipKeyOf(remoteAddress) ?? remoteAddress;
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#perAddressMax && !this.#isExempt(remoteAddress)) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  leave(remoteAddress: string): void {
    if (this.#perAddressMax === 0) return;
    const key = ipKeyOf(remoteAddress) ?? remoteAddress;
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }

  /** Addresses that hold something now. */
  get addressCount(): number {
    return this.#counts.size;
  }

  #isExempt(remoteAddress: string): boolean {
    const address = parseIpAddress(remoteAddress);
    return address !== null && this.#exempt.some((range) => isInRange(address, range));
  }
}
