/**
 * The console's two cookies: the session, and what a sign-in at the identity provider has to remember on the way.
 *
 * Both are `__Host-`: this host alone, TLS (or loopback) alone, the whole port, and no script reads them. The session is
 * Strict, so no other site's link or form carries it. The other one is Lax, because its whole purpose is to come back from
 * another site.
 */

const SESSION = "__Host-doorbuster-operator";
const FLOW = "__Host-doorbuster-sign-in";
const VALUE_PATTERN = /^[A-Za-z0-9._-]{1,2048}$/;
const FLOW_S_MAX = 600;

type CookieName = typeof SESSION | typeof FLOW;

/** The session's token, or null. */
export function readSessionCookie(header: string | null): string | null {
  return readCookie(header, SESSION);
}

/** What a sign-in at the provider remembered, or null. */
export function readFlowCookie(header: string | null): string | null {
  return readCookie(header, FLOW);
}

export function sessionCookie(token: string, maxAgeS: number): string {
  return `${SESSION}=${token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}`;
}

export function flowCookie(value: string): string {
  return `${FLOW}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${FLOW_S_MAX}`;
}

/** Takes a cookie away. */
export function endedSessionCookie(): string {
  return sessionCookie("", 0);
}

export function endedFlowCookie(): string {
  return `${FLOW}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0`;
}

/** A name that comes twice was put in by somebody else, and counts as none. */
function readCookie(header: string | null, name: CookieName): string | null {
  const values = (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [value] = values;
  return values.length === 1 && value !== undefined && VALUE_PATTERN.test(value) ? value : null;
}
