/**
 * The shop's login is believed only when it was signed with the configured kind of key and says who it is.
 */
import { describe, expect, test } from "bun:test";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { isFault } from "../../domain/faults.ts";
import { deriveBuyerId } from "../../domain/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { createShopLoginVerifier, type ShopLoginVerifier } from "./shop-login.ts";

const NOW_MS = 1_800_000_000_000;
const NOW_S = NOW_MS / 1_000;
const SECRET = "a-secret-shared-by-shop-and-doorbuster";
const clock: Clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, setTimer: () => () => undefined };

const CLAIMS: JWTPayload = { iss: "https://shop.example", sub: "customer 17", exp: NOW_S + 300 };

function sign(claims: JWTPayload, secret = SECRET, algorithm = "HS256"): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(new TextEncoder().encode(secret));
}

function bySecret(): ShopLoginVerifier {
  return createShopLoginVerifier({ source: { kind: "secret", secret: SECRET }, clock });
}

describe("a login signed with the shared secret", () => {
  test("names a stable buyer with level and account age", async () => {
    const login = await bySecret().verify(await sign({ ...CLAIMS, level: 3, account_created_at: NOW_S - 86_400 }));
    expect(login).toEqual({
      buyerId: deriveBuyerId({ issuer: "https://shop.example", subject: "customer 17" }),
      level: 3,
      accountCreatedAt: NOW_MS - 86_400_000,
    });
  });

  test("without optional claims has level 0 and no account age", async () => {
    expect(await bySecret().verify(await sign(CLAIMS))).toMatchObject({ level: 0, accountCreatedAt: null });
  });

  test("may give the account's age in milliseconds", async () => {
    const login = await bySecret().verify(await sign({ ...CLAIMS, account_created_at: NOW_MS - 5 }));
    expect(login).toMatchObject({ accountCreatedAt: NOW_MS - 5 });
  });

  test("is expired by the server's clock, not by the machine's", async () => {
    expect(await bySecret().verify(await sign({ ...CLAIMS, exp: NOW_S - 6 }))).toBe("session_expired");
    expect(await bySecret().verify(await sign({ ...CLAIMS, exp: NOW_S - 4 }))).not.toBe("session_expired");
  });

  test.each([
    ["another secret", () => sign(CLAIMS, "another-secret-of-the-same-strength-xx")],
    ["another algorithm of the same family", () => sign(CLAIMS, SECRET, "HS512")],
    ["no expiry", () => sign({ iss: CLAIMS.iss ?? "", sub: CLAIMS.sub ?? "" })],
    ["no issuer", () => sign({ sub: "a", exp: NOW_S + 1 })],
    ["no subject", () => sign({ iss: "a", exp: NOW_S + 1 })],
    ["an empty subject", () => sign({ ...CLAIMS, sub: "" })],
    ["an endless subject", () => sign({ ...CLAIMS, sub: "a".repeat(256) })],
    ["a line feed in the issuer", () => sign({ ...CLAIMS, iss: "a\nb" })],
    ["a start in the future", () => sign({ ...CLAIMS, nbf: NOW_S + 60 })],
    ["a level that is text", () => sign({ ...CLAIMS, level: "9" })],
    ["a negative level", () => sign({ ...CLAIMS, level: -1 })],
    ["an age that is a fraction", () => sign({ ...CLAIMS, account_created_at: 1.5 })],
  ])("is refused with %s", async (_name, token) => {
    expect(await bySecret().verify(await token())).toBe("session_invalid");
  });

  test("names the issuer and the audience that are demanded, and any where none is", async () => {
    const source = { kind: "secret", secret: SECRET } as const;
    const strict = createShopLoginVerifier({ source, clock, issuer: "https://shop.example", audience: "doorbuster" });
    const good = { ...CLAIMS, aud: ["newsletter", "doorbuster"] };
    expect(await strict.verify(await sign(good))).toMatchObject({ level: 0 });
    for (const wrong of [{ iss: "https://shop.example/" }, { aud: "newsletter" }, { aud: "" }, { aud: [] }]) {
      expect(await strict.verify(await sign({ ...good, ...wrong }))).toBe("session_invalid");
    }
    expect(await strict.verify(await sign(CLAIMS))).toBe("session_invalid");
    expect(await bySecret().verify(await sign({ ...CLAIMS, aud: "newsletter" }))).toMatchObject({ level: 0 });
  });

  test.each(["", "a", "a.b", "a.b.c", "....", `${"x".repeat(4_000)}`])(
    "is refused when it is no JWT: %p",
    async (text) => {
      expect(await bySecret().verify(text)).toBe("session_invalid");
    },
  );

  test("is refused when unsigned, whatever its header says", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    expect(await bySecret().verify(`${part({ alg: "none" })}.${part(CLAIMS)}.`)).toBe("session_invalid");
  });
});

describe("a login signed with a published key", () => {
  async function shop() {
    const pair = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "RS256" };
    const seen = { fetches: 0 };
    const verifier = createShopLoginVerifier({
      source: { kind: "jwks", url: "https://shop.example/jwks.json" },
      clock,
      fetch: async () => {
        seen.fetches += 1;
        return Response.json({ keys: [jwk] });
      },
    });
    return { pair, seen, verifier };
  }

  test("is believed, and the keys are fetched once", async () => {
    const { pair, seen, verifier } = await shop();
    for (let time = 0; time < 3; time += 1) {
      const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "RS256", kid: "k1" }).sign(pair.privateKey);
      expect(await verifier.verify(token)).toMatchObject({ level: 0 });
    }
    expect(seen.fetches).toBe(1);
  });

  test("cannot be forged with the public key as an HMAC secret", async () => {
    const { pair, verifier } = await shop();
    const forged = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: "HS256", kid: "k1" })
      .sign(new TextEncoder().encode(await exportSPKI(pair.publicKey)));
    expect(await verifier.verify(forged)).toBe("session_invalid");
  });

  test("with unknown key ids costs one fetch, not one each", async () => {
    const { pair, seen, verifier } = await shop();
    for (const kid of ["../../x", "k2", "k3", "k4"]) {
      const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "RS256", kid }).sign(pair.privateKey);
      expect(await verifier.verify(token)).toBe("session_invalid");
    }
    expect(seen.fetches).toBeLessThanOrEqual(2);
  });

  test.each([
    ["the network is down", () => Promise.reject(new TypeError("fetch failed"))],
    ["the shop answers 500", () => Promise.resolve(new Response("", { status: 500 }))],
    ["the answer is no key set", () => Promise.resolve(Response.json({ hello: 1 }))],
  ])("is a fault, never a refusal, when %s", async (_name, fetch) => {
    const { pair } = await shop();
    const source = { kind: "jwks", url: "https://shop.example/jwks.json" } as const;
    const verifier = createShopLoginVerifier({ source, clock, fetch });
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "RS256", kid: "k1" }).sign(pair.privateKey);
    const error = await verifier.verify(token).catch((reason: unknown) => reason);
    expect(isFault(error, "SHOP_LOGIN_UNAVAILABLE")).toBe(true);
  });
});
