/**
 * Each way of not being who one says has its own refusal, on every route that asks.
 */
import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import { type AuthenticationDemands, createAuthenticator, isRefusal } from "./authenticate.ts";
import { deriveKeys, signingKeyOf } from "./keys.ts";
import { mintSessionToken } from "./session-token.ts";

const KEYS = deriveKeys("a secret");
const SESSION_ID = "session" as SessionId;
const PATH = "/v1/reservations/abc";
const OPTIONAL: AuthenticationDemands = { signature: "optional", replay: "harmless" };
const REQUIRED: AuthenticationDemands = { signature: "required", replay: "refused" };

function setting() {
  const clock = new ManualClock();
  const authenticator = createAuthenticator({ keys: KEYS, clock, random: evenRandom() });
  const token = mintSessionToken(KEYS.session, {
    sessionId: SESSION_ID,
    buyerId: "buyer" as BuyerId,
    expiresAt: clock.nowMs() + 10_000,
    level: 3,
    accountCreatedAt: null,
  });
  const reasonOf = (headers: Record<string, string>, demands: AuthenticationDemands): string => {
    const request = { method: "DELETE", pathAndQuery: PATH, header: (name: string) => headers[name] ?? null };
    const answer = authenticator.authenticate(request, demands);
    return isRefusal(answer) ? answer.reason : answer.buyerId;
  };
  const signed = (nonce: string, timestamp = String(clock.nowMs())) => {
    const key = Buffer.from(signingKeyOf(KEYS, SESSION_ID), "base64url");
    const signature = createHmac("sha256", key).update(`v1\nDELETE\n${PATH}\n${timestamp}\n${nonce}\n\n`);
    return {
      authorization: `Bearer ${token}`,
      "x-timestamp": timestamp,
      "x-nonce": nonce,
      "x-signature": signature.digest("base64url"),
    };
  };
  return { clock, token, reasonOf, signed };
}

describe("authentication", () => {
  test("tells missing, foreign, invalid and expired sessions apart", async () => {
    const { clock, token, reasonOf } = setting();
    expect(reasonOf({}, OPTIONAL)).toBe("session_missing");
    expect(reasonOf({ authorization: "Basic YTpi" }, OPTIONAL)).toBe("session_invalid");
    expect(reasonOf({ authorization: `Bearer ${token}x` }, OPTIONAL)).toBe("session_invalid");
    expect(reasonOf({ authorization: `Bearer ${token}` }, OPTIONAL)).toBe("buyer");
    expect(reasonOf({ authorization: `bearer ${token}` }, OPTIONAL)).toBe("buyer");
    await clock.advance(10_000);
    expect(reasonOf({ authorization: `Bearer ${token}` }, OPTIONAL)).toBe("session_expired");
  });

  test("demands a signature only where the sale does, but checks any that is sent", () => {
    const { token, reasonOf, signed } = setting();
    expect(reasonOf({ authorization: `Bearer ${token}` }, REQUIRED)).toBe("signature_missing");
    expect(reasonOf(signed("nonce-number-one"), REQUIRED)).toBe("buyer");
    expect(reasonOf({ ...signed("nonce-number-two"), "x-signature": "A".repeat(43) }, OPTIONAL)).toBe(
      "signature_invalid",
    );
  });

  test("answers the identical request again where that is harmless, and refuses it elsewhere", () => {
    const { reasonOf, signed } = setting();
    const request = signed("nonce-number-one");
    expect(reasonOf(request, OPTIONAL)).toBe("buyer");
    expect(reasonOf(request, OPTIONAL)).toBe("buyer");
    expect(reasonOf(request, REQUIRED)).toBe("signature_replayed");
  });

  test("refuses a nonce under another signature everywhere", async () => {
    const { clock, reasonOf, signed } = setting();
    expect(reasonOf(signed("nonce-number-one"), OPTIONAL)).toBe("buyer");
    await clock.advance(5);
    expect(reasonOf(signed("nonce-number-one"), OPTIONAL)).toBe("signature_replayed");
  });

  test("a forged request does not use up the nonce of the genuine one", () => {
    const { reasonOf, signed } = setting();
    const request = signed("nonce-number-one");
    expect(reasonOf({ ...request, "x-signature": "B".repeat(43) }, REQUIRED)).toBe("signature_invalid");
    expect(reasonOf(request, REQUIRED)).toBe("buyer");
  });

  test("refuses a captured request 31 s later as stale", () => {
    const { clock, reasonOf, signed } = setting();
    expect(reasonOf(signed("nonce-number-one", String(clock.nowMs() - 31_000)), OPTIONAL)).toBe("signature_stale");
  });
});
