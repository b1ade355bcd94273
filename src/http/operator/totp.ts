/**
 * One-time codes by time: RFC 6238 with SHA-1, six digits and steps of thirty seconds, as every authenticator app has them.
 *
 * A code is accepted one step early or late, because telephones' clocks are. That it is used only once is the store's
 * promise: the step it belongs to is claimed there.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

const STEP_MS = 30_000;
const DIGITS = 6;
const STEPS_OFF_MAX = 1;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The code of a time step (RFC 4226, 5.3). */
export function codeAt(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac("sha1", secret).update(counter).digest();
  const offset = (digest[digest.length - 1] ?? 0) & 0xf;
  const number = digest.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, "0");
}

/** The time step at an instant. */
export function stepAt(nowMs: number): number {
  return Math.floor(nowMs / STEP_MS);
}

/** The step a code belongs to around now, or null when it is wrong. Looks at every step, whichever fits. */
export function matchCode(secret: Uint8Array, code: string, nowMs: number): number | null {
  if (!/^\d{6}$/.test(code)) return null;
  const presented = Buffer.from(code);
  let matched: number | null = null;
  for (let off = -STEPS_OFF_MAX; off <= STEPS_OFF_MAX; off += 1) {
    const step = stepAt(nowMs) + off;
    if (timingSafeEqual(Buffer.from(codeAt(secret, step)), presented)) matched = step;
  }
  return matched;
}

/** The secret as people type it into an app. */
export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
}

/** The address that an authenticator app understands. */
export function codeUri(account: { readonly name: string; readonly secret: Uint8Array }): string {
  const label = encodeURIComponent(`Doorbuster:${account.name}`);
  return `otpauth://totp/${label}?secret=${toBase32(account.secret)}&issuer=Doorbuster`;
}
