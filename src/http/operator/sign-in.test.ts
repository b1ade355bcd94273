/**
 * Signing in: three things that must all be right, of which none is told apart, each used once.
 */
import { beforeEach, expect, test } from "bun:test";
import { expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { pageHeaders } from "../../../test/support/operator-people.ts";
import { Seal } from "./seal.ts";
import { codeAt, stepAt } from "./totp.ts";

const PASSWORD = "stapled horse battery";
const NOBODY = pageHeaders("none=here");

let staged: Staged;

beforeEach(() => {
  staged = stageOperatorApp();
});

const post = (path: string, json: unknown, headers: Record<string, string> = NOBODY) =>
  staged.request("POST", `/v1/admin${path}`, { token: null, headers, json });

interface Invited {
  readonly person: { readonly id: string };
  readonly invitation: { readonly token: string; readonly expiresAt: number };
}

async function invite(name = "Ann", role = "operator"): Promise<Invited> {
  const response = await staged.request("POST", "/v1/admin/people", { json: { name, role } });
  expect(response.status).toBe(201);
  return (await response.json()) as Invited;
}

function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Takes the invitation up as its owner does; answers what his app shows from then on. */
async function enrol(invited: Invited, password = PASSWORD): Promise<{ cookie: string; code: () => string }> {
  const offer = await post("/enrolment", { invitation: invited.invitation.token });
  const { secret, uri } = (await offer.json()) as { secret: string; uri: string };
  expect(uri).toContain(secret);
  const code = () => codeAt(fromBase32(secret), stepAt(staged.clock.nowMs()));
  const done = await post("/enrolment/complete", { invitation: invited.invitation.token, password, code: code() });
  expect(done.status).toBe(200);
  return { cookie: cookieOf(done), code };
}

function cookieOf(response: Response): string {
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

test("an invited person enrols, is signed in, and from then on signs in with all three", async () => {
  const { cookie, code } = await enrol(await invite());
  const me = await staged.request("GET", "/v1/admin/me", { token: null, headers: pageHeaders(cookie) });
  expect(await me.json()).toMatchObject({ kind: "person", name: "Ann", role: "operator" });
  staged.clock.jump(30_000);
  const signedIn = await post("/sign-in", { name: "aNN", password: PASSWORD, code: code() });
  expect(signedIn.status).toBe(200);
  expect(cookieOf(signedIn)).not.toBe(cookie);
});

test("T10: the session's cookie is for this host, TLS, and no script; and it is not in the store", async () => {
  const { cookie, code } = await enrol(await invite());
  staged.clock.jump(30_000);
  const header = (await post("/sign-in", { name: "Ann", password: PASSWORD, code: code() })).headers.get("set-cookie");
  expect(header).toMatch(
    /^__Host-doorbuster-operator=[A-Za-z0-9_-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200$/,
  );
  expect([...staged.operators.sessions.keys()]).not.toContain(cookie.split("=")[1] ?? "");
});

test("whoever is wrong anywhere hears the same", async () => {
  const { code } = await enrol(await invite());
  staged.clock.jump(30_000);
  const right = { name: "Ann", password: PASSWORD, code: code() };
  const wrongs = [
    { ...right, name: "Nobody" },
    { ...right, password: `${PASSWORD}x` },
    { ...right, code: right.code === "000000" ? "000001" : "000000" },
  ];
  const answers: unknown[] = [];
  for (const wrong of wrongs) answers.push(await expectProblem(await post("/sign-in", wrong), "sign_in_failed", 401));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  await staged.operators.people.changePerson({ id: [...staged.operators.kept.keys()][0] ?? "", isActive: false });
  await expectProblem(await post("/sign-in", right), "sign_in_failed", 401);
});

test("a code that was used is used, also by whoever looked over a shoulder", async () => {
  const { code } = await enrol(await invite());
  const right = { name: "Ann", password: PASSWORD, code: code() };
  await expectProblem(await post("/sign-in", right), "sign_in_failed", 401);
  staged.clock.jump(30_000);
  const tries = await Promise.all([1, 2, 3].map(() => post("/sign-in", { ...right, code: code() })));
  expect(tries.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
});

test("tries are counted: per name from an address, and the wait is told", async () => {
  await enrol(await invite());
  for (let tries = 0; tries < 5; tries += 1) {
    await expectProblem(await post("/sign-in", { name: "Ann", password: "x", code: "000000" }), "sign_in_failed", 401);
  }
  const slowed = await post("/sign-in", { name: "aNN", password: PASSWORD, code: "000000" });
  await expectProblem(slowed, "throttled", 429);
  expect(Number(slowed.headers.get("retry-after"))).toBeGreaterThan(0);
  await expectProblem(await post("/sign-in", { name: "Bob", password: "x", code: "000000" }), "sign_in_failed", 401);
  await staged.clock.advance(60_000);
  await expectProblem(await post("/sign-in", { name: "Ann", password: "x", code: "000000" }), "sign_in_failed", 401);
});

test("an invitation is good once, for a day, and the next one replaces it and everything else", async () => {
  const invited = await invite();
  const { cookie } = await enrol(invited);
  await expectProblem(await post("/enrolment", { invitation: invited.invitation.token }), "sign_in_failed", 401);
  const path = `/v1/admin/people/${invited.person.id}/invitation`;
  const again = (await (await staged.request("POST", path, { json: {} })).json()) as Invited;
  expect((await staged.request("GET", "/v1/admin/me", { token: null, headers: pageHeaders(cookie) })).status).toBe(401);
  staged.clock.jump(24 * 3_600_000);
  await expectProblem(await post("/enrolment", { invitation: again.invitation.token }), "sign_in_failed", 401);
});

test("several of one office join at once, and one invitation is not tried without end", async () => {
  for (const name of ["Ann", "Bob", "Cid", "Dora"]) await enrol(await invite(name));
  const tries = [];
  for (let count = 0; count < 6; count += 1) tries.push((await post("/enrolment", { invitation: "made up" })).status);
  expect(tries).toEqual([401, 401, 401, 401, 401, 429]);
});

test("who enrols is told what is wrong with his password or code, and may try again", async () => {
  const { invitation } = await invite();
  const wrong = { invitation: invitation.token, password: "short", code: "000000" };
  const weak = await expectProblem(await post("/enrolment/complete", wrong), "malformed", 400);
  expect(weak["errors"]).toMatchObject([{ field: "password" }]);
  const missed = await post("/enrolment/complete", { ...wrong, password: PASSWORD });
  expect((await expectProblem(missed, "malformed", 400))["errors"]).toMatchObject([{ field: "code" }]);
  expect((await post("/enrolment", { invitation: invitation.token })).status).toBe(200);
});

test("proving again takes a fresh code of one's own", async () => {
  const { cookie, code } = await enrol(await invite());
  const headers = pageHeaders(cookie);
  await expectProblem(await post("/step-up", { code: code() }, headers), "proof_required", 403);
  staged.clock.jump(3_600_000);
  const before = [...staged.operators.sessions.values()].map(({ provenAt }) => provenAt);
  expect((await post("/step-up", { code: code() }, headers)).status).toBe(200);
  expect([...staged.operators.sessions.values()].map(({ provenAt }) => provenAt)).toEqual(
    before.map((at) => at + 3_600_000),
  );
});

test("signing out ends the session on every node and takes the cookie away", async () => {
  const { cookie } = await enrol(await invite());
  const out = await post("/sign-out", {}, pageHeaders(cookie));
  expect([out.status, out.headers.get("set-cookie")]).toEqual([204, expect.stringContaining("Max-Age=0")]);
  expect((await staged.request("GET", "/v1/admin/me", { token: null, headers: pageHeaders(cookie) })).status).toBe(401);
});

test("the log has who came and went, and no secret of anybody", async () => {
  const invited = await invite();
  const { cookie, code } = await enrol(invited);
  staged.clock.jump(30_000);
  const used = code();
  await post("/sign-in", { name: "Ann", password: PASSWORD, code: used });
  await post("/sign-in", { name: "Ann", password: `${PASSWORD}!`, code: used });
  await post("/sign-in", { name: "my secret in the wrong field", password: "x", code: used });
  await post("/sign-out", {}, pageHeaders(cookie));
  const events = staged.operators.entries.map(({ entry }) => (JSON.parse(entry) as { event: string }).event);
  expect(events).toEqual([
    "asked",
    "answered",
    "enrolled",
    "signed in",
    "sign-in failed",
    "sign-in failed",
    "signed out",
  ]);
  const text = JSON.stringify(staged.operators.entries);
  for (const secret of [PASSWORD, used, "my secret", invited.invitation.token, cookie.split("=")[1] ?? ""]) {
    expect(text).not.toContain(secret);
  }
});

test("codes stay good while SECRET is changed, and are sealed anew at the next sign-in", async () => {
  const { code } = await enrol(await invite());
  const [id = ""] = staged.operators.kept.keys();
  const one = staged.operators.kept.get(id);
  const old = new Seal({ current: new Uint8Array(32).fill(9), previous: null }, { id: () => "x", fraction: () => 0 });
  const random = { id: () => "y", fraction: () => 0 };
  const secret = new Seal(staged.operators.sealKeys, random).open(one?.totpSealed ?? "", `operator code ${id}`)?.text;
  const sealed = old.seal(secret ?? "", `operator code ${id}`);
  await staged.operators.people.resealTotp(id, sealed);
  staged.clock.jump(30_000);
  await expectProblem(await post("/sign-in", { name: "Ann", password: PASSWORD, code: code() }), "sign_in_failed", 401);
  Object.assign(staged.operators.sealKeys, { previous: new Uint8Array(32).fill(9) });
  expect((await post("/sign-in", { name: "Ann", password: PASSWORD, code: code() })).status).toBe(200);
  expect(staged.operators.kept.get(id)?.totpSealed).not.toBe(sealed);
});

test("how one can sign in is told to anybody, and nothing about who", async () => {
  const told = async (headers = {}) =>
    (await staged.request("GET", "/v1/admin/sign-in", { token: null, headers })).json();
  expect(await told()).toEqual({ people: false, provider: false, me: null });
  const { cookie } = await enrol(await invite());
  expect(await told()).toEqual({ people: true, provider: false, me: null });
  expect(await told(pageHeaders(cookie))).toMatchObject({ me: { kind: "person", name: "Ann" } });
});
