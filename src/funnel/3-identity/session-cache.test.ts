/** What remembering verified tokens may and may not change. */
import { describe, expect, test } from "bun:test";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import { deriveKeys, rawSigningKeyOf } from "./keys.ts";
import { type KnownSession, SessionCache } from "./session-cache.ts";
import { mintSessionToken } from "./session-token.ts";

const NOW_MS = 1_800_000_000_000;
const KEYS = deriveKeys("s".repeat(32));

function tokenOf(name: string, expiresAt = NOW_MS + 60_000): string {
  const facts = { sessionId: `session-${name}` as SessionId, buyerId: `buyer-${name}` as BuyerId, expiresAt };
  return mintSessionToken(KEYS.session, { ...facts, level: 0, accountCreatedAt: null, device: "", suspicion: 0 });
}

function known(found: ReturnType<SessionCache["find"]>): KnownSession {
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("remembered sessions", () => {
  test("a token is verified once and then recognised", () => {
    const cache = new SessionCache(KEYS);
    const first = known(cache.find(tokenOf("a"), NOW_MS));
    expect(first.session.buyerId as string).toBe("buyer-a");
    expect(known(cache.find(tokenOf("a"), NOW_MS))).toBe(first);
  });

  test("a forged token is refused also when the genuine one is remembered", () => {
    const cache = new SessionCache(KEYS);
    const token = tokenOf("a");
    cache.find(token, NOW_MS);
    const forged = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
    for (let times = 0; times < 2; times++) expect(cache.find(forged, NOW_MS)).toBe("session_invalid");
  });

  test("a remembered session expires on time", () => {
    const cache = new SessionCache(KEYS);
    const token = tokenOf("a", NOW_MS + 1_000);
    known(cache.find(token, NOW_MS + 999));
    expect(cache.find(token, NOW_MS + 1_000)).toBe("session_expired");
  });

  test("memory is bounded: a token is forgotten after two generations of others", () => {
    const cache = new SessionCache(KEYS, 2);
    const first = known(cache.find(tokenOf("a"), NOW_MS));
    for (const name of ["b", "c", "d"]) cache.find(tokenOf(name), NOW_MS);
    expect(known(cache.find(tokenOf("a"), NOW_MS))).toBe(first);
    cache.find(tokenOf("e"), NOW_MS);
    expect(known(cache.find(tokenOf("a"), NOW_MS))).not.toBe(first);
  });

  test("the signing key is the session's own", () => {
    const cache = new SessionCache(KEYS);
    const session = known(cache.find(tokenOf("a"), NOW_MS));
    expect(session.rawSigningKey).toBe(rawSigningKeyOf(KEYS, "session-a" as SessionId));
    expect(session.rawSigningKey).not.toBe(known(cache.find(tokenOf("b"), NOW_MS)).rawSigningKey);
  });
});
