/**
 * The shop's published keys change while buyers log in: new ones are found, withdrawn ones stop counting, and no key can be
 * used with another algorithm than its own. A real key server on loopback; only the calendar is moved.
 */
import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";
import { isFault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import { createShopLoginVerifier, type ShopLoginVerifier } from "./shop-login.ts";

const HALF_A_MINUTE_MS = 30_000;
const TEN_MINUTES_MS = 600_000;
const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => 0, setTimer: () => () => undefined };

interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

/** What the key server says now. */
let published: { keys: readonly JWK[]; status: number };
let fetches: number;
let server: Server;
let verifier: ShopLoginVerifier;

beforeEach(async () => {
  published = { keys: [], status: 200 };
  fetches = 0;
  server = createServer((_request, response) => {
    fetches += 1;
    response.writeHead(published.status, { "content-type": "application/json" });
    response.end(JSON.stringify({ keys: published.keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  verifier = createShopLoginVerifier({ source: { kind: "jwks", url: `http://127.0.0.1:${port}/keys` }, clock });
});

afterEach(() => {
  setSystemTime();
  server.close();
});

function later(byMs: number): void {
  setSystemTime(new Date(Date.now() + byMs));
}

async function makeKey(kid: string, algorithm = "RS256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" } };
}

function tokenOf(key: SigningKey, header: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const nowS = Math.floor(Date.now() / 1_000);
  return new SignJWT({ iss: "https://shop.example", sub: "customer 17", exp: nowS + 300 })
    .setProtectedHeader({ alg: key.jwk.alg ?? "", kid: key.jwk.kid ?? "", ...header })
    .sign(key.privateKey);
}

async function outcome(token: string): Promise<string> {
  try {
    const login = await verifier.verify(token);
    return typeof login === "string" ? login : "believed";
  } catch (error) {
    return isFault(error) ? error.code : "a bug";
  }
}

describe("keys that rotate", () => {
  test("a key that appears is found, with one request however many buyers bring it", async () => {
    const [old, fresh] = [await makeKey("2026-10"), await makeKey("2026-11")];
    published.keys = [old.jwk];
    expect(await outcome(await tokenOf(old))).toBe("believed");
    published.keys = [old.jwk, fresh.jwk];
    later(HALF_A_MINUTE_MS);
    const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenOf(fresh)));
    expect(new Set(await Promise.all(tokens.map(outcome)))).toEqual(new Set(["believed"]));
    expect(await outcome(await tokenOf(old))).toBe("believed");
    expect(fetches).toBe(2);
  });

  test("unknown keys make us ask no more than twice a minute, so a forger cannot turn us against the shop", async () => {
    const [known, unknown] = [await makeKey("known"), await makeKey("unknown")];
    published.keys = [known.jwk];
    for (let round = 0; round < 40; round += 1) {
      expect(await outcome(await tokenOf(unknown, { kid: `kid-${round}` }))).toBe("session_invalid");
      later(1_000);
    }
    expect(fetches).toBe(2);
  });

  test("a withdrawn key is believed for ten minutes at most", async () => {
    const [leaked, fresh] = [await makeKey("leaked"), await makeKey("fresh")];
    published.keys = [leaked.jwk];
    expect(await outcome(await tokenOf(leaked))).toBe("believed");
    published.keys = [fresh.jwk];
    later(TEN_MINUTES_MS);
    expect(await outcome(await tokenOf(leaked))).toBe("session_invalid");
    expect(await outcome(await tokenOf(fresh))).toBe("believed");
  });

  test("while the key server is away known keys count until they are old, and then nothing does", async () => {
    const key = await makeKey("known");
    published.keys = [key.jwk];
    expect(await outcome(await tokenOf(key))).toBe("believed");
    published.status = 503;
    later(TEN_MINUTES_MS - 1_000);
    expect(await outcome(await tokenOf(key))).toBe("believed");
    later(1_000);
    expect(await outcome(await tokenOf(key))).toBe("SHOP_LOGIN_UNAVAILABLE");
    published.status = 200;
    expect(await outcome(await tokenOf(key))).toBe("believed");
  });
});

describe("a key and its algorithm", () => {
  test.each(["RS256", "PS256", "ES256", "EdDSA"])("%s is believed under its own name", async (algorithm) => {
    const key = await makeKey("one", algorithm);
    published.keys = [key.jwk];
    expect(await outcome(await tokenOf(key))).toBe("believed");
  });

  test("the header chooses neither algorithm nor key nor where keys are", async () => {
    const [rsa, stranger] = [await makeKey("one"), await makeKey("one")];
    const other = await makeKey("two", "PS256");
    published.keys = [rsa.jwk, other.jwk];
    const hmacWith = async (secret: string) => {
      const nowS = Math.floor(Date.now() / 1_000);
      return new SignJWT({ iss: "https://shop.example", sub: "x", exp: nowS + 300 })
        .setProtectedHeader({ alg: "HS256", kid: "one" })
        .sign(new TextEncoder().encode(secret));
    };
    const wrongs: Record<string, string> = {
      "the public key as an HMAC secret, PEM": await hmacWith(await exportSPKI(rsa.publicKey)),
      "the public key as an HMAC secret, JWK": await hmacWith(JSON.stringify(rsa.jwk)),
      "the modulus as an HMAC secret": await hmacWith(rsa.jwk.n ?? ""),
      "a key of the attacker's in the header": await tokenOf(stranger, { jwk: stranger.jwk }),
      "an address of the attacker's in the header": await tokenOf(stranger, { jku: "http://127.0.0.1:9/keys" }),
      "a certificate's address in the header": await tokenOf(stranger, { x5u: "http://127.0.0.1:9/cert" }),
      "a key id that is a path": await tokenOf(stranger, { kid: "../../../../etc/passwd" }),
      "a key id that is a query": await tokenOf(stranger, { kid: "one' OR '1'='1" }),
      "the key id of another algorithm's key": await tokenOf(rsa, { kid: "two" }),
    };
    for (const [name, token] of Object.entries(wrongs))
      expect([name, await outcome(token)]).toEqual([name, "session_invalid"]);
    const [, payload] = (await tokenOf(rsa)).split(".");
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const header = Buffer.from(JSON.stringify({ alg, kid: "one" })).toString("base64url");
      for (const signature of ["", "AA"])
        expect(await outcome(`${header}.${payload}.${signature}`)).toBe("session_invalid");
    }
  });

  test("an algorithm that we did not choose is refused, even with the shop's own key", async () => {
    for (const algorithm of ["RS384", "PS512", "ES384"]) {
      const key = await makeKey("one", algorithm);
      const { alg: _unnamed, ...jwk } = key.jwk;
      published.keys = [jwk];
      later(TEN_MINUTES_MS);
      expect([algorithm, await outcome(await tokenOf(key))]).toEqual([algorithm, "session_invalid"]);
    }
  });

  test("a symmetric key that a shop publishes by mistake signs nothing: everybody can read it", async () => {
    const secret = Buffer.alloc(32, 9);
    published.keys = [{ kty: "oct", k: secret.toString("base64url"), kid: "one", alg: "HS256" }];
    const nowS = Math.floor(Date.now() / 1_000);
    const token = await new SignJWT({ iss: "https://shop.example", sub: "x", exp: nowS + 300 })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .sign(secret);
    expect(await outcome(token)).toBe("session_invalid");
  });

  test("a key too short to be safe is a fault of the shop's, not of its buyers", async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 1_024, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
      true,
      ["sign", "verify"],
    );
    published.keys = [{ ...(await exportJWK(publicKey)), kid: "short", alg: "RS256" }];
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const nowS = Math.floor(Date.now() / 1_000);
    const text = `${part({ alg: "RS256", kid: "short" })}.${part({ iss: "https://shop.example", sub: "x", exp: nowS + 300 })}`;
    const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, Buffer.from(text));
    expect(await outcome(`${text}.${Buffer.from(signature).toString("base64url")}`)).toBe("SHOP_LOGIN_UNAVAILABLE");
  });
});
