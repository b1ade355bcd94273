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

/** What is remembered after somebody came twice. */
function remembered(cache: SessionCache, token: string): KnownSession {
  cache.find(token, NOW_MS);
  return known(cache.find(token, NOW_MS));
}

describe("remembered sessions", () => {
  test("a token that came twice is recognised from then on", () => {
    const cache = new SessionCache(KEYS);
    const second = remembered(cache, tokenOf("a"));
    expect(second.session.buyerId as string).toBe("buyer-a");
    expect(known(cache.find(tokenOf("a"), NOW_MS))).toBe(second);
  });

  test("a crowd that comes once leaves nothing behind, and takes nobody's place", () => {
    const cache = new SessionCache(KEYS, 2);
    const regular = remembered(cache, tokenOf("a"));
    for (let index = 0; index < 1_000; index += 1) {
      expect(known(cache.find(tokenOf(`once-${index}`), NOW_MS)).session.buyerId as string).toBe(`buyer-once-${index}`);
    }
    expect(known(cache.find(tokenOf("a"), NOW_MS))).toBe(regular);
  });

  test("a forged token is refused also when the genuine one is remembered", () => {
    const cache = new SessionCache(KEYS);
    const token = tokenOf("a");
    remembered(cache, token);
    const forged = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
    for (let times = 0; times < 2; times++) expect(cache.find(forged, NOW_MS)).toBe("session_invalid");
  });

  test("a remembered session expires on time", () => {
    const cache = new SessionCache(KEYS);
    const token = tokenOf("a", NOW_MS + 1_000);
    remembered(cache, token);
    known(cache.find(token, NOW_MS + 999));
    expect(cache.find(token, NOW_MS + 1_000)).toBe("session_expired");
  });

  test("memory is bounded: a token is forgotten after two generations of others", () => {
    const cache = new SessionCache(KEYS, 2);
    const first = remembered(cache, tokenOf("a"));
    for (const name of ["b", "c", "d"]) remembered(cache, tokenOf(name));
    expect(known(cache.find(tokenOf("a"), NOW_MS))).toBe(first);
    remembered(cache, tokenOf("e"));
    expect(known(cache.find(tokenOf("a"), NOW_MS))).not.toBe(first);
  });

  test("the signing key is the session's own", () => {
    const cache = new SessionCache(KEYS);
    const session = remembered(cache, tokenOf("a"));
    expect(session.rawSigningKey).toBe(rawSigningKeyOf(KEYS, "session-a" as SessionId));
    expect(session.rawSigningKey).not.toBe(known(cache.find(tokenOf("b"), NOW_MS)).rawSigningKey);
  });
});
