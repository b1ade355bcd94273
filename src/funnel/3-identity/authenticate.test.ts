/**
 * Each way of not being who one says has its own refusal, on every route that asks.
 */
import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../../test/support/memory-edge.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import type { EdgeState } from "../../ports/edge-state.ts";
import { type AuthenticationDemands, createAuthenticator, isRefusal } from "./authenticate.ts";
import { deriveKeys, signingKeyOf } from "./keys.ts";
import { mintSessionToken } from "./session-token.ts";

const KEYS = deriveKeys("a secret");
const SESSION_ID = "session" as SessionId;
const PATH = "/v1/reservations/abc";
const OPTIONAL: AuthenticationDemands = { signature: "optional", replay: "harmless" };
const REQUIRED: AuthenticationDemands = { signature: "required", replay: "refused" };

function setting(clock = new ManualClock(), edge: Pick<EdgeState, "claimNonce"> | null = null) {
  const authenticator = createAuthenticator({ keys: KEYS, clock, random: evenRandom(), edge });
  const token = mintSessionToken(KEYS.session, {
    sessionId: SESSION_ID,
    buyerId: "buyer" as BuyerId,
    expiresAt: clock.nowMs() + 10_000,
    level: 3,
    accountCreatedAt: null,
    device: "",
    suspicion: 0,
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
  /** What a route that a replay would harm answers. */
  const onceReasonOf = async (headers: Record<string, string>): Promise<string> => {
    const request = { method: "DELETE", pathAndQuery: PATH, header: (name: string) => headers[name] ?? null };
    const answer = authenticator.authenticate(request, { signature: "optional", replay: "refused" });
    if (isRefusal(answer)) return answer.reason;
    return (await authenticator.claimNonce(request, answer))?.reason ?? answer.buyerId;
  };
  return { clock, token, reasonOf, onceReasonOf, signed };
}

/** Two nodes on one edge. */
function twoNodes() {
  const clock = new ManualClock();
  const edge = new MemoryEdge(clock);
  return { clock, edge, first: setting(clock, edge), second: setting(clock, edge) };
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

  test("where a replay does harm, a request that one node has seen is refused by all", async () => {
    const { edge, first, second } = twoNodes();
    const request = first.signed("nonce-number-one");
    expect(await first.onceReasonOf(request)).toBe("buyer");
    expect(await second.onceReasonOf(request)).toBe("signature_replayed");
    expect(await second.onceReasonOf(second.signed("nonce-number-two"))).toBe("buyer");
    const asked = edge.callCount;
    expect(await first.onceReasonOf(request)).toBe("signature_replayed");
    expect(edge.callCount).toBe(asked);
  });

  test("where it is harmless, and for unsigned requests, no other node is asked", async () => {
    const { edge, first } = twoNodes();
    expect(first.reasonOf(first.signed("nonce-number-one"), OPTIONAL)).toBe("buyer");
    expect(await first.onceReasonOf({ authorization: `Bearer ${first.token}` })).toBe("buyer");
    expect(edge.callCount).toBe(0);
  });

  test("an edge that is away leaves each node with its own window, not with none", async () => {
    const { edge, first, second } = twoNodes();
    edge.isAway = true;
    const request = first.signed("nonce-number-one");
    expect(await first.onceReasonOf(request)).toBe("buyer");
    expect(await first.onceReasonOf(request)).toBe("signature_replayed");
    expect(await second.onceReasonOf(request)).toBe("buyer");
  });

  test("the edge is told neither sessions nor nonces", async () => {
    let told = "";
    const edge = {
      claimNonce: async (claim: object) => {
        told += JSON.stringify(claim);
        return true;
      },
    };
    const node = setting(new ManualClock(), edge);
    expect(await node.onceReasonOf(node.signed("nonce-number-one"))).toBe("buyer");
    expect(told).toContain("nonceKey");
    expect(told).not.toContain("nonce-number-one");
    expect(told).not.toContain(`"${SESSION_ID}"`);
  });

  test("refuses a captured request 31 s later as stale", () => {
    const { clock, reasonOf, signed } = setting();
    expect(reasonOf(signed("nonce-number-one", String(clock.nowMs() - 31_000)), OPTIONAL)).toBe("signature_stale");
  });
});
