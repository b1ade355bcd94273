/**
 * The operator's token: one secret for all operators, compared in constant time.
 *
 * Both sides are hashed first, so neither the length nor a common prefix shows in the time it takes. A token in the
 * query string is not accepted: addresses end up in logs and histories.
 */
import { createHash, timingSafeEqual } from "node:crypto";

const BEARER_PATTERN = /^Bearer +(\S{1,512})$/i;

/** Tells whether an `Authorization` header carries the operator's token. */
export type OperatorCheck = (authorization: string | null) => boolean;

/** A check against one token. An empty token is a configuration nobody may sign in with. */
export function createOperatorCheck(adminToken: string): OperatorCheck {
  const expected = digest(adminToken);
  return (authorization) => {
    const presented = BEARER_PATTERN.exec(authorization ?? "")?.[1] ?? "";
    return timingSafeEqual(digest(presented), expected) && presented.length > 0;
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
