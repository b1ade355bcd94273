/**
 * From an address that somebody typed to the machine that a message goes to: what may be said of it before looking up its
 * name, and what afterwards.
 *
 * The URL is read by the same parser as everywhere (WHATWG), which turns `http://0x7f.1` into 127.0.0.1 before anybody
 * judges it. Every address that the name leads to must be allowed, and the first one is the one that is connected to:
 * nobody asks for the name a second time.
 */
import { isIP } from "node:net";
import type { AddressPolicy } from "./address-policy.ts";

export const URL_LENGTH_MAX = 2_048;
const HTTPS_PORTS: ReadonlySet<number> = new Set([443, 8_443]);
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "https:": 443, "http:": 80 };
/** More than any honest name has. */
const ADDRESSES_MAX = 32;

/** Where a message goes. */
export interface WebhookTarget {
  readonly isTls: boolean;
  /** The machine, as an address. */
  readonly address: string;
  readonly port: number;
  /** The name that its certificate must have; null for an address without a name. */
  readonly serverName: string | null;
  /** For the request's `Host`. */
  readonly host: string;
  readonly path: string;
}

/** Every address of a name. Rejects when it has none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** A target, or why there is none, in words for the operator. */
export type Aimed =
  | { readonly kind: "target"; readonly target: WebhookTarget }
  | { readonly kind: "objection"; readonly why: string };

function objection(why: string): Aimed {
  return { kind: "objection", why };
}

/** Looks at the address and, when there is nothing wrong with it as such, at where its name leads now. */
export async function aim(text: string, options: { policy: AddressPolicy; resolve: Resolve }): Promise<Aimed> {
  const url = readUrl(text);
  if (typeof url === "string") return objection(url);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = await addressesOf(hostname, options.resolve);
  if (addresses === null) return objection("its name leads nowhere");
  const kinds = new Set(addresses.map((address) => options.policy.kindOf(address)));
  const [address] = addresses;
  if (address === undefined || kinds.has("forbidden")) return objection("it leads to a network that is not public");
  const isNamed = kinds.size === 1 && kinds.has("named");
  const isTls = url.protocol === "https:";
  if (!isTls && !isNamed) return objection("it is not https");
  const port = url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
  if (port === 0 || (!isNamed && !HTTPS_PORTS.has(port))) return objection("its port is neither 443 nor 8443");
  const serverName = isIP(hostname) === 0 ? hostname : null;
  const target = { isTls, address, port, serverName, host: url.host, path: `${url.pathname}${url.search}` };
  return { kind: "target", target };
}

/** The URL, or what is wrong with it whatever it leads to. */
function readUrl(text: string): URL | string {
  if (text.length > URL_LENGTH_MAX) return `it is longer than ${URL_LENGTH_MAX} characters`;
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return "it is not an address of the web";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return "it holds a name or a password";
  if (url.hash !== "") return "it has a fragment";
  return url;
}

async function addressesOf(hostname: string, resolve: Resolve): Promise<readonly string[] | null> {
  if (isIP(hostname) !== 0) return [hostname];
  try {
    const addresses = await resolve(hostname);
    return addresses.length === 0 || addresses.length > ADDRESSES_MAX ? null : addresses;
  } catch (error) {
    // Whatever a resolver has to say, no message goes out.
    if (error instanceof Error) return null;
    throw error;
  }
}
