/**
 * Clearances: the statement that a session solved a challenge for a sale, checked on the hot path with one code.
 *
 * `k1.<saleId>.<strength>.<expiresAt>.<mac>`, the time in base-36 seconds; the code also covers the session. It may be
 * used for every attempt of that session until it ends, because attempts are limited elsewhere; what was paid with is the
 * work behind it. The strength is the difficulty that was solved.
 */
import type { HmacKey } from "../../3-identity/hmac.ts";
import type { ChallengeBinding } from "./challenge-token.ts";

/** The header that carries a clearance. */
export const CLEARANCE_HEADER = "x-clearance";

const CLEARANCE_PATTERN = /^k1\.([A-Za-z0-9_-]{1,64})\.([1-9][0-9]?)\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/;

/** The clearance; `expiresAt` in milliseconds since the epoch, cut to whole seconds. */
export function mintClearance(
  key: HmacKey,
  clearance: ChallengeBinding & { readonly strength: number; readonly expiresAt: number },
): string {
  const expires = Math.floor(clearance.expiresAt / 1_000).toString(36);
  const claims = `k1.${clearance.saleId}.${clearance.strength}.${expires}`;
  return `${claims}.${key.sign(`${claims}|${clearance.sessionId}`)}`;
}

/** The strength, or why the clearance clears nothing here. */
export function openClearance(
  key: HmacKey,
  clearance: string,
  here: ChallengeBinding & { readonly nowMs: number },
): number | "foreign" | "expired" {
  const parts = CLEARANCE_PATTERN.exec(clearance);
  if (parts === null) return "foreign";
  const [, saleId = "", strength = "", expires = "", mac = ""] = parts;
  const claims = clearance.slice(0, clearance.length - mac.length - 1);
  if (saleId !== here.saleId || !key.verify(`${claims}|${here.sessionId}`, mac)) return "foreign";
  return here.nowMs < Number.parseInt(expires, 36) * 1_000 ? Number(strength) : "expired";
}
