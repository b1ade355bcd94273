/**
 * Session tokens: who a buyer is, in a form that any node checks without asking anybody.
 *
 * `s2.<sessionId>.<buyerId>.<expiresAt>.<level>.<accountCreatedAt>.<device>.<suspicion>.<mac>`, times in base-36 seconds,
 * `-` for no device. One fixed form and one algorithm, so there is no header from which an attacker could choose;
 * hand-written because verifying a JWT costs twenty times as much. No id contains a dot. Who may have a token is the
 * session route's decision.
 */
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import type { HmacKey } from "./hmac.ts";

/** What a valid token says. Times in milliseconds since the epoch, whole seconds. */
export interface Session {
  readonly sessionId: SessionId;
  readonly buyerId: BuyerId;
  readonly expiresAt: number;
  /** The shop account's level; 0 for guests. */
  readonly level: number;
  /** Null for guests and for shops that do not say. */
  readonly accountCreatedAt: number | null;
  /** A keyed hash of the page's coarse signals, {@link DEVICE_LENGTH} characters; "" when the page sent none. */
  readonly device: string;
  /** What was held against the session when it began: 0 to {@link SUSPICION_MAX}. */
  readonly suspicion: number;
}

/** Characters of a device key: 72 bits, base64url. */
export const DEVICE_LENGTH = 12;
export const SUSPICION_MAX = 100;

const LEVEL_MAX = 999_999;
const NO_DEVICE = "-";
/** The claims as they stand in tokens: in seven groups, from the session's id to the suspicion. */
export const CLAIMS_PATTERN =
  /([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([0-9a-z]{1,9})\.(0|[1-9][0-9]{0,5})\.([0-9a-z]{1,9})\.(-|[A-Za-z0-9_-]{12})\.(0|[1-9][0-9]|[1-9]|100)/;
const TOKEN_PATTERN = new RegExp(`^s2\\.${CLAIMS_PATTERN.source}\\.([A-Za-z0-9_-]{43})$`);

function toSeconds(timeMs: number): string {
  return Math.floor(timeMs / 1_000).toString(36);
}

/** The claims in the form of {@link CLAIMS_PATTERN}. Times are cut to whole seconds. */
export function writeClaims(session: Session): string {
  const level = Math.min(Math.max(Math.trunc(session.level), 0), LEVEL_MAX);
  const created = session.accountCreatedAt === null ? "0" : toSeconds(Math.max(session.accountCreatedAt, 1_000));
  const suspicion = Math.min(Math.max(Math.round(session.suspicion), 0), SUSPICION_MAX);
  const subject = `${session.sessionId}.${session.buyerId}.${toSeconds(session.expiresAt)}.${level}.${created}`;
  return `${subject}.${session.device === "" ? NO_DEVICE : session.device}.${suspicion}`;
}

/** The claims that {@link CLAIMS_PATTERN} found; `parts` begins with the session's id. Of a token whose code is good. */
export function readClaims(parts: readonly string[]): Session {
  const [sessionId = "", buyerId = "", expires = "", level = "", created = "", device = "", suspicion = ""] = parts;
  return {
    sessionId: sessionId as SessionId,
    buyerId: buyerId as BuyerId,
    expiresAt: Number.parseInt(expires, 36) * 1_000,
    level: Number.parseInt(level, 10),
    accountCreatedAt: created === "0" ? null : Number.parseInt(created, 36) * 1_000,
    device: device === NO_DEVICE ? "" : device,
    suspicion: Number.parseInt(suspicion, 10),
  };
}

/** The token of a session. */
export function mintSessionToken(key: HmacKey, session: Session): string {
  const claims = `s2.${writeClaims(session)}`;
  return `${claims}.${key.sign(claims)}`;
}

/** The session, or why there is none. The code is checked before anything in the token is believed. */
export function verifySessionToken(
  key: HmacKey,
  token: string,
  nowMs: number,
): Session | "session_invalid" | "session_expired" {
  const parts = TOKEN_PATTERN.exec(token);
  if (parts === null) return "session_invalid";
  const mac = parts.at(-1) ?? "";
  if (!key.verify(token.slice(0, token.length - mac.length - 1), mac)) return "session_invalid";
  const session = readClaims(parts.slice(1));
  return nowMs >= session.expiresAt ? "session_expired" : session;
}
