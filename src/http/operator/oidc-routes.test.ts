/**
 * Signing in at the identity provider, as a browser goes: there, back with the cookie it was given, and in.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { TestIdentityProvider } from "../../../test/support/identity-provider.ts";
import { expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { signInAs } from "../../../test/support/operator-people.ts";
import { OpenidProvider } from "../../adapters/openid/openid-provider.ts";

const OWN_ORIGIN = "https://console.test";

let there: TestIdentityProvider;
let staged: Staged;

beforeAll(async () => {
  there = await TestIdentityProvider.start();
});

beforeEach(async () => {
  there.subject = "idp-ann";
  staged = stageOperatorApp();
  Object.assign(staged.operators, { provider: new OpenidProvider(there), ownOrigin: OWN_ORIGIN });
  await signInAs(staged, "operator", "ann");
});

afterAll(() => there.stop());

const get = (path: string, cookie = ""): Promise<Response> =>
  staged.request("GET", path, { token: null, headers: cookie === "" ? {} : { cookie } });

/** There and back; answers the way back and the cookie for it. */
async function comeBack(): Promise<{ path: string; cookie: string }> {
  const start = await get("/v1/admin/oidc/start");
  expect(start.status).toBe(302);
  const back = await fetch(start.headers.get("location") ?? "", { redirect: "manual" });
  const { origin, pathname, search } = new URL(back.headers.get("location") ?? "");
  expect(origin).toBe(OWN_ORIGIN);
  const [cookie = ""] = (start.headers.get("set-cookie") ?? "").split(";");
  return { path: `${pathname}${search}`, cookie };
}

test("somebody of our list who signed in there is in, with a session like everybody's", async () => {
  const { path, cookie } = await comeBack();
  const answer = await get(path, cookie);
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "/"]);
  const [ended, session = ""] = answer.headers.getSetCookie();
  expect(ended).toStartWith("__Host-doorbuster-sign-in=;");
  expect(session).toMatch(/^__Host-doorbuster-operator=\S+; Path=\/; Secure; HttpOnly; SameSite=Strict/);
  const me = await get("/v1/admin/me", session.split(";")[0]);
  expect(await me.json()).toMatchObject({ kind: "person", id: "ann", role: "operator" });
});

test("a stranger of the provider is nobody here, and neither is somebody who was shut out", async () => {
  const refuse = async (): Promise<void> => {
    const { path, cookie } = await comeBack();
    const answer = await get(path, cookie);
    expect(answer.headers.get("location")).toBe("/#/sign-in-failed");
    expect(answer.headers.getSetCookie()).toHaveLength(1);
  };
  there.subject = "somebody";
  await refuse();
  there.subject = "idp-ann";
  await staged.operators.people.changePerson({ id: "ann", isActive: false });
  await refuse();
  const events = staged.operators.entries.map(({ entry }) => JSON.parse(entry) as { event: string; detail: string });
  expect(events).toMatchObject([
    { event: "sign-in failed", actor: { name: "somebody" } },
    { event: "sign-in failed", detail: "not in our list" },
  ]);
});

test("T10: nobody is signed in by another's way back, nor without the cookie he left with", async () => {
  const [mine, other] = [await comeBack(), await comeBack()];
  for (const [path, cookie] of [
    [mine.path, ""],
    [mine.path, other.cookie],
    [mine.path, "__Host-doorbuster-sign-in=made-up"],
    ["/v1/admin/oidc/callback", mine.cookie],
    ["/v1/admin/oidc/callback?code=x&state=y", mine.cookie],
  ] as const) {
    const answer = await get(path, cookie);
    expect([path, answer.headers.get("location")]).toEqual([path, "/#/sign-in-failed"]);
    expect(answer.headers.getSetCookie().join()).not.toContain("doorbuster-operator");
  }
});

test("without a provider the way there does not exist, and a provider that is away says so", async () => {
  Object.assign(staged.operators, {
    provider: new OpenidProvider({ issuer: "http://127.0.0.1:1", clientId: "x", clientSecret: "y" }),
  });
  await expectProblem(await get("/v1/admin/oidc/start"), "unavailable", 503);
  Object.assign(staged.operators, { provider: null });
  await expectProblem(await get("/v1/admin/oidc/start"), "not_found", 404);
});

test("with an address of our own, only its pages may change anything", async () => {
  const ann = await signInAs(staged, "operator", "bob");
  const pause = (origin: string) => ann.request("POST", "/bans", { json: {}, headers: { origin } });
  expect((await pause("http://operator.test")).status).toBe(403);
  expect((await pause(OWN_ORIGIN)).status).toBe(400);
});
