/**
 * Who may speak for a buyer: sessions of guests and of the shop's login, request signatures, and replays.
 */

import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import {
  Buyer,
  contentDigest,
  freshKey,
  requestHeaders,
  requestSession,
  reservationsPath,
} from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { shopToken, unsignedShopToken } from "../../support/shop-login.ts";

const BUYER_ID_LENGTH = 22;

/** The other base64url character whose bits differ in the top: a real change also at the end of a code. */
function flip(text: string, position: number): string {
  const at = position < 0 ? text.length + position : position;
  const old = text[at] as string;
  return `${text.slice(0, at)}${old === "A" ? "Q" : "A"}${text.slice(at + 1)}`;
}

function describeSessions(deployment: GetDeployment): void {
  test("starts a guest's session with an opaque buyer id, a token and a signing key of its own", async () => {
    const answer = await requestSession(deployment().buyerUrl, { kind: "guest" });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.json).sort()).toEqual(["buyerId", "expiresAt", "signingKey", "token"]);
    expect(answer.json.buyerId).toMatch(/^[A-Za-z0-9_-]{22,64}$/);
    expect(Buffer.from(answer.json.signingKey, "base64url").length).toBe(32);
    expect(answer.json.expiresAt).toBeGreaterThan(Date.now());
    expect(answer.headers.get("cache-control")).toContain("no-store");
    const other = (await deployment().guest()).session;
    expect(other.buyerId).not.toBe(answer.json.buyerId);
    expect(other.signingKey).not.toBe(answer.json.signingKey);
  });

  test("gives a login of the shop the buyer id that the contract derives, the same in every session", async () => {
    const sub = `customer-${freshKey()}`;
    const one = await requestSession(deployment().buyerUrl, { kind: "jwt", token: shopToken({ sub }) });
    const two = await requestSession(deployment().buyerUrl, { kind: "jwt", token: shopToken({ sub }) });
    const digest = createHash("sha256").update(`https://shop.example\n${sub}`).digest("base64url");
    expect([one.status, two.status]).toEqual([201, 201]);
    expect(one.json.buyerId).toBe(digest.slice(0, BUYER_ID_LENGTH));
    expect(two.json.buyerId).toBe(one.json.buyerId);
    expect(two.json.signingKey).not.toBe(one.json.signingKey);
  });

  test("counts one buyer's limit over all of his sessions", async () => {
    const sale = await deployment().sale();
    const sub = `customer-${freshKey()}`;
    const one = await Buyer.login(deployment().buyerUrl, shopToken({ sub }));
    const two = await Buyer.login(deployment().buyerUrl, shopToken({ sub }));
    expectAccepted(await one.reserve(sale, { quantity: 2 }));
    expectRefusal(await two.reserve(sale), "limit_reached");
  });

  test("refuses every forged, foreign or ended login", async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const [head, payload, mac] = shopToken().split(".") as [string, string, string];
    const forged: Record<string, string> = {
      "alg none": unsignedShopToken("none"),
      "alg NONE": unsignedShopToken("NONE"),
      "alg HS512": shopToken({}, { header: { alg: "HS512", typ: "JWT" } }),
      "alg RS256": shopToken({}, { header: { alg: "RS256", typ: "JWT" } }),
      "another secret": shopToken({}, { secret: "another-secret-of-more-than-thirty-two-bytes" }),
      "an empty secret": shopToken({}, { secret: "" }),
      "a hostile kid": shopToken({}, { header: { alg: "HS256", kid: "../../dev/null" }, secret: "" }),
      "a flipped payload": `${head}.${flip(payload, 10)}.${mac}`,
      "a flipped signature": `${head}.${payload}.${flip(mac, 5)}`,
      "no subject": shopToken({ sub: undefined }),
      "an empty subject": shopToken({ sub: "" }),
      "not yet valid": shopToken({ nbf: nowS + 600 }),
      "no token": "not-a-token",
    };
    for (const [name, token] of Object.entries(forged)) {
      const answer = await requestSession(deployment().buyerUrl, { kind: "jwt", token });
      expect([name, answer.status, answer.json?.reason]).toEqual([name, 401, "session_invalid"]);
    }
    const late = await requestSession(deployment().buyerUrl, { kind: "jwt", token: shopToken({ exp: nowS - 600 }) });
    expect(late.status).toBe(401);
    expect(late.json.reason).toMatch(/^session_(expired|invalid)$/);
  });

  test("refuses a token of which any single part was changed", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { token } = buyer.session;
    const positions = token.split("").flatMap((letter, index) => (letter === "." ? [] : [index]));
    for (const position of positions.filter((index) => index % 7 === 0 || index > token.length - 3)) {
      const headers = { Authorization: `Bearer ${flip(token, position)}` };
      expectRefusal(await buyer.reserve(sale, { headers }), "session_invalid");
      expectRefusal(
        await buyer.send({ method: "GET", path: "/v1/reservations", headers, isUnsigned: true }),
        "session_invalid",
      );
    }
    for (const value of ["Bearer", `Basic ${token}`, token, `Bearer ${token}.`, `Bearer ${token}x`]) {
      const answer = await buyer.reserve(sale, { headers: { Authorization: value } });
      expect([value, answer.status]).toEqual([value, 401]);
    }
  });

  test("refuses a session that has ended, on every route", async () => {
    const sale = await deployment().sale();
    const ended = new Buyer(deployment().buyerUrl, deployment().mint.mint({ expiresAt: Date.now() - 1_000 }));
    expectRefusal(await ended.reserve(sale), "session_expired");
    expectRefusal(await ended.list(sale.saleId), "session_expired");
    expectRefusal(await ended.send({ method: "GET", path: "/v1/events" }), "session_expired");
  });
}

/** Each changes one part of a good request after it was signed. */
const MUTATIONS: Readonly<Record<string, (headers: Record<string, string>) => Record<string, string>>> = {
  "the last character of the signature": (all) => ({ ...all, "X-Signature": flip(all["X-Signature"] as string, -1) }),
  "the first character of the signature": (all) => ({ ...all, "X-Signature": flip(all["X-Signature"] as string, 0) }),
  "the signature cut short": (all) => ({ ...all, "X-Signature": (all["X-Signature"] as string).slice(0, -1) }),
  "the signature made longer": (all) => ({ ...all, "X-Signature": `${all["X-Signature"]}A` }),
  "an empty signature": (all) => ({ ...all, "X-Signature": "" }),
  "the signature in base64 padding": (all) => ({ ...all, "X-Signature": `${all["X-Signature"]}=` }),
  "the timestamp": (all) => ({ ...all, "X-Timestamp": String(Number(all["X-Timestamp"]) + 1) }),
  "the timestamp with a leading zero": (all) => ({ ...all, "X-Timestamp": `0${all["X-Timestamp"]}` }),
  "the nonce": (all) => ({ ...all, "X-Nonce": flip(all["X-Nonce"] as string, 3) }),
  "the idempotency key": (all) => ({ ...all, "Idempotency-Key": flip(all["Idempotency-Key"] as string, 3) }),
  "the digest": (all) => ({ ...all, "Content-Digest": contentDigest('{"quantity":2}') }),
  "no timestamp": ({ "X-Timestamp": _, ...rest }) => rest,
  "no nonce": ({ "X-Nonce": _, ...rest }) => rest,
  "no digest": ({ "Content-Digest": _, ...rest }) => rest,
  "no signature": ({ "X-Signature": _, ...rest }) => rest,
  "a timestamp that is no number": (all) => ({ ...all, "X-Timestamp": "soon" }),
  "a nonce that is too short": (all) => ({ ...all, "X-Nonce": "short" }),
};

function describeSignatures(deployment: GetDeployment): void {
  for (const [part, mutate] of Object.entries(MUTATIONS)) {
    test(`refuses a signed request with 401 after a change of one part: ${part}`, async () => {
      const sale = await deployment().sale();
      const buyer = await deployment().guest();
      const path = reservationsPath(sale);
      const body = '{"quantity":1}';
      const headers = mutate(requestHeaders(buyer.session, { path, body, idempotencyKey: freshKey() }));
      const answer = await call(`${deployment().buyerUrl}${path}`, { method: "POST", headers, body });
      expect([answer.status, answer.json.stage]).toEqual([401, "identity"]);
      expect(answer.json.reason).toMatch(/^signature_(invalid|missing|stale)$/);
      expect((await buyer.list(sale.saleId)).json.reservations).toEqual([]);
    });
  }

  test("refuses a signature made for another path, query, method, item or session", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const stranger = await deployment().guest();
    const path = reservationsPath(sale);
    const body = '{"quantity":1}';
    const forged: ReadonlyArray<readonly [string, Record<string, string>, string]> = [
      ["another item", requestHeaders(buyer.session, { path: `${path}x`, body, idempotencyKey: freshKey() }), path],
      [
        "another method",
        requestHeaders(buyer.session, { method: "PUT", path, body, idempotencyKey: freshKey() }),
        path,
      ],
      [
        "a query that was not signed",
        requestHeaders(buyer.session, { path, body, idempotencyKey: freshKey() }),
        `${path}?a=1`,
      ],
      [
        "another session's key",
        requestHeaders(buyer.session, {
          path,
          body,
          idempotencyKey: freshKey(),
          signingKey: stranger.session.signingKey,
        }),
        path,
      ],
    ];
    for (const [name, headers, sentTo] of forged) {
      const answer = await call(`${deployment().buyerUrl}${sentTo}`, { method: "POST", headers, body });
      expect([name, answer.status, answer.json.reason]).toEqual([name, 401, "signature_invalid"]);
    }
  });

  test("accepts a timestamp inside 30 seconds and refuses one outside, in both directions", async () => {
    const sale = await deployment().sale({ perBuyerMax: 10, items: [{ ...SEAT, perBuyerMax: 10 }] });
    const buyer = await deployment().guest();
    for (const offsetMs of [-28_000, 28_000]) {
      expectAccepted(await buyer.reserve(sale, { timestamp: Date.now() + offsetMs }));
    }
    for (const offsetMs of [-31_000, 32_000, -86_400_000, 86_400_000]) {
      expectRefusal(await buyer.reserve(sale, { timestamp: Date.now() + offsetMs }), "signature_stale");
    }
  });

  test("refuses a nonce that was used for another request of the session, and allows it in another session", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const nonce = freshKey();
    expectAccepted(await buyer.reserve(sale, { nonce }));
    expectRefusal(await buyer.reserve(sale, { nonce }), "signature_replayed");
    expectAccepted(await (await deployment().guest()).reserve(sale, { nonce }));
  });

  test("checks a signature that is sent also where none is required", async () => {
    const sale = await deployment().sale({ signature: "optional" });
    const buyer = await deployment().guest();
    expectAccepted(await buyer.reserve(sale, { isUnsigned: true }));
    expectAccepted(await buyer.reserve(sale));
    const forged = { headers: { "X-Signature": "A".repeat(43) } };
    expectRefusal(await buyer.reserve(sale, forged), "signature_invalid");
    expectRefusal(await buyer.send({ method: "GET", path: "/v1/reservations", ...forged }), "signature_invalid");
  });
}

const SEAT = { sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: 10 };

export function describeIdentity(deployment: GetDeployment): void {
  describeSessions(deployment);
  describeSignatures(deployment);
}
