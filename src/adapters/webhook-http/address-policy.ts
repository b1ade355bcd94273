/**
 * Which addresses of the internet a message may go to: public ones, and networks that the deployment names itself.
 *
 * The lists are those of the IANA special-purpose registries (RFC 6890 and its updates). An IPv6 address that carries an
 * IPv4 address inside is refused whatever it carries: whoever means that machine can name it directly. Where a name leads is
 * the sender's question; this only judges a finished address.
 */
import { BlockList, isIP } from "node:net";

type Subnet = readonly [network: string, prefix: number];

const IPV4_SPECIAL: readonly Subnet[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Only 2000::/3 is in use; these parts of it are not hosts of the internet. */
const IPV6_GLOBAL: Subnet = ["2000::", 3];
const IPV6_SPECIAL: readonly Subnet[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
];

/** Never, whoever asks for it: this host, neighbours without a router (cloud metadata among them), and groups. */
const NEVER_IPV4: readonly Subnet[] = [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const NEVER_IPV6: readonly Subnet[] = [
  ["fe80::", 10],
  ["ff00::", 8],
  ["::ffff:0:0", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
];
const UNSPECIFIED_IPV6 = /^[0:]+$/;

function listOf(family: "ipv4" | "ipv6", subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, family);
  return list;
}

const SPECIAL_IPV4 = listOf("ipv4", IPV4_SPECIAL);
const GLOBAL_IPV6 = listOf("ipv6", [IPV6_GLOBAL]);
const SPECIAL_IPV6 = listOf("ipv6", IPV6_SPECIAL);
const FORBIDDEN_IPV4 = listOf("ipv4", NEVER_IPV4);
const FORBIDDEN_IPV6 = listOf("ipv6", NEVER_IPV6);

/** What an address is to this deployment. */
export type AddressKind = "public" | "named" | "forbidden";

export interface AddressPolicy {
  /** "named": in one of the deployment's own networks. Anything that is no address is forbidden. */
  kindOf(address: string): AddressKind;
}

/** A policy; `networks` in CIDR notation or single addresses, already checked. */
export function createAddressPolicy(networks: readonly string[]): AddressPolicy {
  const named4 = new BlockList();
  const named6 = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    const isV4 = isIP(address) === 4;
    (isV4 ? named4 : named6).addSubnet(address, Number(prefix ?? (isV4 ? 32 : 128)), isV4 ? "ipv4" : "ipv6");
  }
  return {
    kindOf(address) {
      switch (isIP(address)) {
        case 4:
          if (FORBIDDEN_IPV4.check(address, "ipv4")) return "forbidden";
          if (named4.check(address, "ipv4")) return "named";
          return SPECIAL_IPV4.check(address, "ipv4") ? "forbidden" : "public";
        case 6:
          return kindOfIpv6(address, named6);
        default:
          return "forbidden";
      }
    },
  };
}

function kindOfIpv6(text: string, named: BlockList): AddressKind {
  // A zone names an interface of this very machine.
  if (text.includes("%") || UNSPECIFIED_IPV6.test(text) || FORBIDDEN_IPV6.check(text, "ipv6")) return "forbidden";
  if (named.check(text, "ipv6")) return "named";
  return GLOBAL_IPV6.check(text, "ipv6") && !SPECIAL_IPV6.check(text, "ipv6") ? "public" : "forbidden";
}
