/**
 * Challenge tokens: everything about a challenge that the server will want to know again, carried by the buyer.
 *
 * `c1.<kind>.<saleId>.<difficulty>.<expiresAt>.<seed>.<sealed or ->.<mac>`, the time in base-36 seconds. The code also
 * covers the session and the action, which the token does not carry: in another session, or for another action, the same
 * token is no token. One fixed form, so one challenge has one spelling. That a token counts once is used-challenges.ts's.
 */
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import {
  CHALLENGE_KINDS,
  type ChallengeKindName,
  DIFFICULTY_MAX,
  DIFFICULTY_MIN,
  SEALED_LENGTH_MAX,
} from "../../../ports/challenge.ts";
import type { HmacKey } from "../../3-identity/hmac.ts";

/** Whom and what a challenge is for. */
export interface ChallengeBinding {
  readonly saleId: SaleId;
  readonly sessionId: SessionId;
}

/** What a token says. `expiresAt` in milliseconds since the epoch, whole seconds. */
export interface ChallengeClaims {
  readonly kind: ChallengeKindName;
  readonly difficulty: number;
  readonly expiresAt: number;
  /** 22 characters of base64url. */
  readonly seed: string;
  readonly sealed: string | null;
}

/** The only action that challenges guard. Another one would have another word, and so other tokens. */
const ACTION = "reserve";
const NOTHING_SEALED = "-";

const TOKEN_PATTERN = new RegExp(
  `^c1\\.(${CHALLENGE_KINDS.join("|")})\\.([A-Za-z0-9_-]{1,64})\\.([1-9][0-9]?)\\.([0-9a-z]{1,9})` +
    `\\.([A-Za-z0-9_-]{22})\\.(-|[A-Za-z0-9_-]{2,${SEALED_LENGTH_MAX}})\\.([A-Za-z0-9_-]{43})$`,
);

/** Neither part can contain a vertical bar, so no two bindings share a text. */
function coveredText(claims: string, sessionId: SessionId): string {
  return `${claims}|${sessionId}|${ACTION}`;
}

/** The token of a challenge. */
export function mintChallengeToken(key: HmacKey, challenge: ChallengeClaims & ChallengeBinding): string {
  const difficulty = Math.min(Math.max(challenge.difficulty, DIFFICULTY_MIN), DIFFICULTY_MAX);
  const expires = Math.floor(challenge.expiresAt / 1_000).toString(36);
  const sealed = challenge.sealed ?? NOTHING_SEALED;
  const claims = `c1.${challenge.kind}.${challenge.saleId}.${difficulty}.${expires}.${challenge.seed}.${sealed}`;
  return `${claims}.${key.sign(coveredText(claims, challenge.sessionId))}`;
}

/**
 * What the token says, or why it counts for nothing here: "malformed" is no token at all, "foreign" one that was changed
 * or belongs to another session, sale or deployment.
 */
export function openChallengeToken(
  key: HmacKey,
  token: string,
  here: ChallengeBinding & { readonly nowMs: number },
): ChallengeClaims | "malformed" | "foreign" | "expired" {
  const parts = TOKEN_PATTERN.exec(token);
  if (parts === null) return "malformed";
  const [, kind = "", saleId = "", difficulty = "", expires = "", seed = "", sealed = "", mac = ""] = parts;
  const claims = token.slice(0, token.length - mac.length - 1);
  if (saleId !== here.saleId || !key.verify(coveredText(claims, here.sessionId), mac)) return "foreign";
  const expiresAt = Number.parseInt(expires, 36) * 1_000;
  if (here.nowMs >= expiresAt) return "expired";
  return {
    kind: kind as ChallengeKindName,
    difficulty: Number(difficulty),
    expiresAt,
    seed,
    sealed: sealed === NOTHING_SEALED ? null : sealed,
  };
}
