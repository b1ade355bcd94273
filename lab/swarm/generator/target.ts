/**
 * Whom a swarm may be let loose on: this machine, and a host whose owner has said so by its exact name.
 *
 * A load generator that takes any address is a weapon with a typing error for a trigger. Loopback means an address of
 * 127.0.0.0/8 or ::1, or the name localhost; a name that merely leads there does not count.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { Target } from "./wire.ts";

const HTTP_PORT = 80;
const PORT_MAX = 65_535;

/** A target that is refused; the text says what would be accepted. */
export class TargetError extends Error {}

/** True for the names of this machine. */
export function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (bare === "localhost") return true;
  return isIPv4(bare) ? bare.startsWith("127.") : isIPv6(bare) && bare === "::1";
}

/** A target as the beginning of a URL. */
export function addressOf(target: Target): string {
  return `http://${hostOf(target)}`;
}

/** A target as the Host header says it. */
export function hostOf({ hostname, port }: Target): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Reads the addresses of one deployment. `owned` = the host that was named by its owner. Throws {@link TargetError}. */
export function parseTargets(urls: readonly string[], owned: string | null): readonly Target[] {
  if (urls.length === 0) throw new TargetError("No target; name one with --url http://127.0.0.1:8080.");
  return urls.map((text) => parseTarget(text, owned));
}

function parseTarget(text: string, owned: string | null): Target {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== "http:") {
    throw new TargetError(
      `The target ${JSON.stringify(text)} is no http:// address. Put TLS in front of what you measure, not into it.`,
    );
  }
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new TargetError(`The target ${JSON.stringify(text)} must be an origin: http://host:port and nothing more.`);
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  checkOwner(hostname, owned);
  const port = url.port === "" ? HTTP_PORT : Number(url.port);
  if (port < 1 || port > PORT_MAX)
    throw new TargetError(`The target ${JSON.stringify(text)} has no port that could be tried.`);
  return { hostname, port };
}

/** Refuses a host that is neither this machine nor named by its owner. */
export function checkOwner(hostname: string, owned: string | null): void {
  if (isLoopback(hostname) || hostname.toLowerCase() === owned?.toLowerCase()) return;
  const other = owned === null ? "" : ` You named ${JSON.stringify(owned)}, which is another one.`;
  throw new TargetError(
    `${hostname} is not this machine. A swarm only goes to loopback, or to a host that its owner names exactly: --i-own-this-target ${hostname}.${other}`,
  );
}
