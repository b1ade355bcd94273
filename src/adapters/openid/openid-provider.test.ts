/**
 * Against a provider over HTTP that does as it should, and then does not.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type Misbehaviour, TestIdentityProvider } from "../../../test/support/identity-provider.ts";
import { isFault } from "../../domain/faults.ts";
import type { IdentityAnswer } from "../../ports/identity-provider.ts";
import { OpenidProvider } from "./openid-provider.ts";

const CALLBACK = "https://console.test/v1/admin/oidc/callback";

let there: TestIdentityProvider;
let provider: OpenidProvider;

beforeAll(async () => {
  there = await TestIdentityProvider.start();
});

beforeEach(() => {
  there.misbehave = {};
  provider = new OpenidProvider(there);
});

afterAll(() => there.stop());

/** The way of a browser: to the provider and back. */
async function goThere(url: string): Promise<string> {
  const { headers } = await fetch(url, { redirect: "manual" });
  return headers.get("location") ?? "";
}

async function signIn(misbehave: Misbehaviour = {}): Promise<IdentityAnswer> {
  const { url, state } = await provider.begin(CALLBACK);
  there.misbehave = misbehave;
  return provider.finish(await goThere(url), state);
}

test("whoever signed in there is known here by who he is there", async () => {
  expect(await signIn()).toEqual({ kind: "known", externalId: "sub-ann" });
});

test("the request has PKCE, state, nonce and asks for a fresh sign-in; no two are alike", async () => {
  const [first, second] = [await provider.begin(CALLBACK), await provider.begin(CALLBACK)];
  const asked = new URL(first.url).searchParams;
  for (const name of ["code_challenge", "state", "nonce", "max_age"]) expect(asked.get(name)).toBeTruthy();
  expect(asked.get("code_challenge_method")).toBe("S256");
  expect(first.url).not.toBe(second.url);
  expect(first.url).not.toContain(there.clientSecret);
});

const nowS = Math.floor(Date.now() / 1_000);
const unsigned = (claims: unknown): string => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode(claims)}.`;
};
const CHEATS: readonly (readonly [string, Misbehaviour])[] = [
  ["for another client", { claims: { aud: "another" } }],
  ["by another issuer", { claims: { iss: "https://evil.test" } }],
  ["for another sign-in", { claims: { nonce: "another" } }],
  ["that has expired", { claims: { exp: nowS - 60 } }],
  ["of somebody who signed in long ago", { claims: { auth_time: nowS - 3_600 } }],
  ["without a subject", { claims: { sub: undefined } }],
  ["signed by a stranger", { isSignedByStranger: true }],
  ["signed by nobody", { token: unsigned({ iss: "x", sub: "sub-ann", aud: "doorbuster", exp: nowS + 60, iat: nowS }) }],
  ["that is no token", { token: "nonsense" }],
];

test.each(CHEATS)("T21: an answer %s signs nobody in", async (_, misbehave) => {
  expect(await signIn(misbehave)).toMatchObject({ kind: "refused" });
});

test("an answer to another sign-in, or one that was used, signs nobody in", async () => {
  const [mine, other] = [await provider.begin(CALLBACK), await provider.begin(CALLBACK)];
  expect(await provider.finish(await goThere(other.url), mine.state)).toMatchObject({ kind: "refused" });
  const back = await goThere(mine.url);
  expect(await provider.finish(back, mine.state)).toMatchObject({ kind: "known" });
  expect(await provider.finish(back, mine.state)).toMatchObject({ kind: "refused" });
  const denied = `${CALLBACK}?error=access_denied&state=${new URL(mine.url).searchParams.get("state")}`;
  expect(await provider.finish(denied, mine.state)).toEqual({ kind: "refused", why: "access_denied" });
});

test("a provider that is away is a fault, and the next sign-in finds it again", async () => {
  const lost = new OpenidProvider({ ...there, clientId: "x", clientSecret: "y", issuer: "http://127.0.0.1:1" });
  const error = await lost.begin(CALLBACK).catch((caught: unknown) => caught);
  expect(isFault(error, "IDENTITY_PROVIDER_UNAVAILABLE")).toBe(true);
  expect(await signIn()).toMatchObject({ kind: "known" });
});
