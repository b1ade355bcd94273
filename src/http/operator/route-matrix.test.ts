/**
 * T9: every route of the operator API against everybody who might ask.
 *
 * The list is written by hand and says the same as operator-routes.ts: whoever adds a route says twice who may use it.
 */
import { beforeEach, expect, test } from "bun:test";
import { makeBuyerApp } from "../../../test/support/buyer-app.ts";
import { ADMIN_TOKEN, createSale, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { pageHeaders, type SignedIn, signInAs } from "../../../test/support/operator-people.ts";
import { OPERATOR_ROLES } from "../../domain/operator-role.ts";
import { OPERATOR_ROUTES } from "./operator-routes.ts";

const ASKERS = ["stranger", "viewer", "operator", "owner", "machine"] as const;
type Asker = (typeof ASKERS)[number];

const ANYONE: readonly Asker[] = ASKERS;
const SIGNED_IN: readonly Asker[] = ["viewer", "operator", "owner", "machine"];
const PEOPLE: readonly Asker[] = ["viewer", "operator", "owner"];
const OPERATORS: readonly Asker[] = ["operator", "owner", "machine"];
const DECIDERS: readonly Asker[] = ["operator", "owner"];
const OWNERS: readonly Asker[] = ["owner", "machine"];
const MACHINE: readonly Asker[] = ["machine"];

const MATRIX: Readonly<Record<string, readonly Asker[]>> = {
  "GET /sign-in": ANYONE,
  "POST /sign-in": ANYONE,
  "POST /enrolment": ANYONE,
  "POST /enrolment/complete": ANYONE,
  "GET /oidc/start": ANYONE,
  "GET /oidc/callback": ANYONE,
  "GET /me": SIGNED_IN,
  "POST /sign-out": PEOPLE,
  "POST /step-up": PEOPLE,
  "GET /sales": SIGNED_IN,
  "POST /sales": OPERATORS,
  "GET /sales/:saleId": SIGNED_IN,
  "PATCH /sales/:saleId": OPERATORS,
  "POST /sales/:saleId/warm-up": OPERATORS,
  "POST /sales/:saleId/open": OPERATORS,
  "POST /sales/:saleId/pause": OPERATORS,
  "POST /sales/:saleId/resume": OPERATORS,
  "POST /sales/:saleId/close": OPERATORS,
  "POST /sales/:saleId/items/:sku/adjust": OPERATORS,
  "POST /sales/:saleId/items/:sku/adjust/dry-run": SIGNED_IN,
  "PUT /sales/:saleId/items/:sku/price": OPERATORS,
  "GET /sales/:saleId/audit": SIGNED_IN,
  "GET /sales/:saleId/mode-changes": SIGNED_IN,
  "POST /sales/:saleId/recover": OWNERS,
  "GET /sales/:saleId/stats": SIGNED_IN,
  "GET /sales/:saleId/stats/stream": SIGNED_IN,
  "GET /sales/:saleId/orders": SIGNED_IN,
  "PUT /sales/:saleId/allowlist": OPERATORS,
  "GET /bans": SIGNED_IN,
  "POST /bans": OPERATORS,
  "DELETE /bans/:banId": OPERATORS,
  "GET /risk": SIGNED_IN,
  "POST /rehearsals": OPERATORS,
  "GET /rehearsals": SIGNED_IN,
  "GET /rehearsals/:id": SIGNED_IN,
  "DELETE /rehearsals/:id": OPERATORS,
  "GET /webhooks": OPERATORS,
  "POST /webhooks": OWNERS,
  "DELETE /webhooks/:id": OWNERS,
  "GET /approvals": SIGNED_IN,
  "POST /approvals/:approvalId/approve": DECIDERS,
  "POST /approvals/:approvalId/reject": DECIDERS,
  "POST /approvals/:approvalId/withdraw": DECIDERS,
  "GET /people": OWNERS,
  "POST /people": OWNERS,
  "PATCH /people/:personId": OWNERS,
  "POST /people/:personId/invitation": MACHINE,
  "GET /log": OWNERS,
};

let staged: Staged;
let people: Readonly<Record<string, SignedIn>>;

beforeEach(async () => {
  staged = stageOperatorApp();
  await createSale(staged);
  const signedIn = await Promise.all(OPERATOR_ROLES.map(async (role) => [role, await signInAs(staged, role)] as const));
  people = Object.fromEntries(signedIn);
});

const [METHOD, PATH] = [0, 1];

function split(name: string): readonly [method: string, path: string] {
  const parts = name.split(" ");
  const path = (parts[PATH] ?? "").replace(":saleId", "drop").replace(":sku", "shoe").replace(/:\w+/, "some-id");
  return [parts[METHOD] ?? "", path];
}

/** A body that no route accepts, so that nothing is changed while we look who is let through to it. */
async function statusFor(asker: Asker, name: string): Promise<{ status: number; reason: string }> {
  const [method, path] = split(name);
  const options = method === "GET" ? {} : { json: { nothing: "that any route knows" } };
  const response =
    asker === "stranger" || asker === "machine"
      ? await staged.request(method, `/v1/admin${path}`, {
          ...options,
          token: asker === "machine" ? ADMIN_TOKEN : null,
          headers: asker === "machine" ? {} : pageHeaders("nothing=here"),
        })
      : await (people[asker] as SignedIn).request(method, path, options);
  const isDocument = response.headers.get("content-type")?.includes("json") === true;
  const reason = isDocument ? String(((await response.json()) as Record<string, unknown>)["reason"]) : "";
  await response.body?.cancel().catch(() => undefined);
  return { status: response.status, reason };
}

test("T9: the matrix has every route, and no other", () => {
  expect(Object.keys(MATRIX).sort()).toEqual(Object.keys(OPERATOR_ROUTES).sort());
});

test.each(Object.keys(MATRIX))("T9: %s", async (name) => {
  for (const asker of ASKERS) {
    const { status, reason } = await statusFor(asker, name);
    const isLetIn = !["unauthorized", "forbidden", "cross_site", "proof_required"].includes(reason) && status !== 405;
    expect([asker, isLetIn], `${asker} got ${status} ${reason}`).toEqual([
      asker,
      MATRIX[name]?.includes(asker) === true,
    ]);
    if (!isLetIn) expect([status, reason]).toEqual(asker === "stranger" ? [401, "unauthorized"] : [403, "forbidden"]);
  }
});

test("T9: a session that is over, of somebody who is out, or made up is a stranger's", async () => {
  const { clock, operators } = staged;
  const viewer = people["viewer"] as SignedIn;
  expect((await viewer.request("GET", "/sales")).status).toBe(200);
  const wrongs = ["__Host-doorbuster-operator=made-up", `${viewer.cookie}x`, `${viewer.cookie}; ${viewer.cookie}`];
  for (const cookie of [...wrongs, viewer.cookie.replace("__Host-", "")]) {
    expect((await viewer.request("GET", "/sales", { headers: { cookie } })).status).toBe(401);
  }
  await operators.people.changePerson({ id: "operator", isActive: false });
  expect((await (people["operator"] as SignedIn).request("GET", "/sales")).status).toBe(401);
  clock.jump(2 * 3_600_000);
  expect((await viewer.request("GET", "/sales")).status).toBe(401);
});

test("T9: a wrong token is not made good by a cookie, nor by anything but the header", async () => {
  const owner = people["owner"] as SignedIn;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}x` };
  expect((await owner.request("GET", "/sales", { headers })).status).toBe(401);
  const asCookie = { cookie: `__Host-doorbuster-operator=${ADMIN_TOKEN}` };
  expect((await staged.request("GET", "/v1/admin/sales", { token: null, headers: asCookie })).status).toBe(401);
});

test("T9: nothing of the operator API is on the buyers' port", async () => {
  const buyers = makeBuyerApp();
  for (const name of Object.keys(OPERATOR_ROUTES)) {
    const [method, path] = split(name);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, cookie: (people["owner"] as SignedIn).cookie };
    const { status } = await buyers.fetch(`/v1/admin${path}`, { method, headers });
    expect([name, status]).toEqual([name, 404]);
  }
});

test("T9: another spelling of a path has the same rules as the path itself", async () => {
  const viewer = people["viewer"] as SignedIn;
  for (const path of [
    "/sales/drop/%63lose",
    "/%73ales/drop/close",
    "/sales/drop/close?x=/stats",
    "/sales/d%72op/close",
  ]) {
    const { status } = await viewer.request("POST", path, { json: {} });
    expect([path, [403, 404].includes(status)]).toEqual([path, true]);
  }
  expect(staged.sales.get("drop")?.phase).toBe("scheduled");
});

test("T10: what a page of another site can send changes nothing, with the best of cookies", async () => {
  const operator = people["operator"] as SignedIn;
  const path = "/sales/drop/pause";
  const crossings: readonly Record<string, string>[] = [
    { origin: "https://evil.test" },
    { origin: "https://evil.test", "sec-fetch-site": "cross-site" },
    { origin: "http://operator.test.evil.test" },
    { origin: "http://operator.test:81" },
    { origin: "null" },
    { origin: "" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
    { "content-type": "text/plain" },
    { "content-type": "application/x-www-form-urlencoded" },
    { "content-type": "multipart/form-data; boundary=x" },
  ];
  for (const headers of crossings) {
    const response = await operator.request("POST", path, { body: "{}", headers });
    expect([JSON.stringify(headers), response.status]).toEqual([JSON.stringify(headers), 403]);
  }
  const { origin: _, ...withoutOrigin } = pageHeaders(operator.cookie);
  const bare = await staged.request("POST", `/v1/admin${path}`, { token: null, headers: withoutOrigin, json: {} });
  expect(bare.status).toBe(403);
  expect(staged.sales.get("drop")?.phase).toBe("scheduled");
  expect((await operator.request("POST", path, { json: {} })).status).toBe(200);
  expect(staged.sales.get("drop")?.phase).toBe("paused");
});

test("T10: nobody is signed in or out by a page of another site", async () => {
  const crossing = { origin: "https://evil.test", host: "operator.test", "sec-fetch-site": "cross-site" };
  const json = { name: "ann", password: "a long enough one", code: "123456" };
  const forced = await staged.request("POST", "/v1/admin/sign-in", { token: null, headers: crossing, json });
  expect(forced.status).toBe(403);
  const viewer = people["viewer"] as SignedIn;
  expect((await viewer.request("POST", "/sign-out", { headers: crossing, json: {} })).status).toBe(403);
  expect((await viewer.request("GET", "/sales")).status).toBe(200);
});

test("T10: no state is changed by GET or HEAD, whoever asks", async () => {
  const paths = Object.keys(OPERATOR_ROUTES).filter((name) => !name.startsWith("GET "));
  for (const name of paths) {
    const [, path] = split(name);
    for (const method of ["GET", "HEAD"]) {
      if (OPERATOR_ROUTES[`GET ${name.split(" ")[PATH]}`] !== undefined) continue;
      const { status } = await staged.request(method, `/v1/admin${path}`);
      expect([name, method, status === 404 || status === 405]).toEqual([name, method, true]);
    }
  }
  const readers = Object.entries(OPERATOR_ROUTES).filter(([name]) => name.startsWith("GET "));
  expect(readers.filter(([, row]) => row.changes !== undefined)).toEqual([]);
});

test("T9: whoever is shut out sees no figures any more, also by a stream that was open", async () => {
  const operator = people["operator"] as SignedIn;
  const { body } = await operator.request("GET", "/sales/drop/stats/stream");
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  /** The end of the stream within so many seconds of ours, or what is there instead. */
  const endsWithin = async (seconds: number): Promise<boolean> => {
    for (let second = 0; second < seconds; second += 1) {
      const [piece] = await Promise.all([reader.read(), staged.clock.advance(1_000)]);
      if (piece.done) return true;
    }
    return false;
  };
  expect(await endsWithin(25)).toBe(false);
  await staged.operators.people.changePerson({ id: "operator", isActive: false });
  expect(await endsWithin(15)).toBe(true);
  expect(staged.clock.timerCount).toBe(0);
});
