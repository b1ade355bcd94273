import { beforeEach, expect, test } from "bun:test";
import {
  ADMIN_TOKEN,
  createSale,
  expectProblem,
  type Staged,
  saleBody,
  stageOperatorApp,
} from "../../../test/support/operator-app.ts";
import { Fault } from "../../domain/faults.ts";

let staged: Staged;

beforeEach(() => {
  staged = stageOperatorApp();
});

test("no route answers anything but 401 without the right token, not even one that does not exist", async () => {
  await createSale(staged);
  const paths = ["/sales", "/sales/drop", "/sales/drop/stats", "/sales/drop/stats/stream", "/sales/drop/audit"];
  const wrongs = [null, "", "wrong", `${ADMIN_TOKEN}x`, ADMIN_TOKEN.slice(0, -1), ADMIN_TOKEN.toUpperCase()];
  for (const path of [...paths, "/sales/drop/orders", "/bans", "/nothing"]) {
    for (const token of wrongs) {
      const response = await staged.request("GET", `/v1/admin${path}`, { token });
      await expectProblem(response, "unauthorized", 401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
  }
  expect((await staged.request("POST", "/v1/admin/sales/drop/close", { token: null })).status).toBe(401);
  expect(staged.sales.get("drop")?.phase).toBe("scheduled");
});

test("a token in the query or in a cookie signs nobody in", async () => {
  const path = `/v1/admin/sales?token=${ADMIN_TOKEN}&access_token=${ADMIN_TOKEN}`;
  const response = await staged.request("GET", path, { token: null, headers: { cookie: `token=${ADMIN_TOKEN}` } });
  expect(response.status).toBe(401);
});

test("an empty configured token signs nobody in", async () => {
  const { createOperatorCheck } = await import("./authenticate.ts");
  const isOperator = createOperatorCheck("");
  expect([null, "", "Bearer", "Bearer ", "Bearer  "].map((header) => isOperator(header))).not.toContain(true);
});

test("a created sale is answered in full, with its place, and found again", async () => {
  const response = await createSale(staged);
  expect(response.status).toBe(201);
  expect(response.headers.get("location")).toBe("/v1/admin/sales/drop");
  const made = (await response.json()) as Record<string, unknown>;
  expect(made).toMatchObject({
    id: "drop",
    state: "open",
    phase: "scheduled",
    challenge: "none",
    signature: "required",
    eligibility: {},
    mode: "postgres",
    buckets: 1,
    epoch: 1,
    serverNow: staged.clock.nowMs(),
  });
  expect(made["items"]).toEqual([
    {
      sku: "shoe",
      name: "Shoe",
      price: { amount: 4_900, currency: "EUR" },
      perBuyerMax: 2,
      stock: 10,
      total: 10,
      free: 10,
      granted: 0,
      held: 0,
      sold: 0,
    },
  ]);
  expect(await (await staged.request("GET", "/v1/admin/sales/drop")).json()).toEqual(made);
  expect(await (await staged.request("GET", "/v1/admin/sales")).json()).toEqual({ sales: [made] });
});

test("the number of buckets is chosen when a sale is created, and never changes", async () => {
  const response = await createSale(staged, { buckets: 4 });
  expect(await response.json()).toMatchObject({ buckets: 4 });
  const changed = await staged.request("PATCH", "/v1/admin/sales/drop", { json: { buckets: 2 } });
  const problem = await expectProblem(changed, "malformed", 400);
  expect(problem["detail"]).toContain("buckets");
  expect(await (await staged.request("GET", "/v1/admin/sales/drop")).json()).toMatchObject({ buckets: 4 });
});

test("internal item numbers never leave", async () => {
  await createSale(staged);
  const text = await (await staged.request("GET", "/v1/admin/sales/drop")).text();
  expect(text).not.toContain("itemId");
});

test("a sale needs no more than a name, an opening and items", async () => {
  const { id, closesAt, holdMs, perBuyerMax, ...least } = saleBody(staged);
  const response = await staged.request("POST", "/v1/admin/sales", { json: least });
  expect(await response.json()).toMatchObject({
    id: expect.stringMatching(/^made-id-\d+$/),
    closesAt: Number(least["opensAt"]) + 86_400_000,
    holdMs: 600_000,
    perBuyerMax: 1,
  });
});

test("an id that is taken is a conflict that says so", async () => {
  await createSale(staged);
  const problem = await expectProblem(await createSale(staged), "conflict", 409);
  expect(problem["detail"]).toContain("there is already a sale drop");
});

test("bodies that are no JSON object, or hide something, are malformed", async () => {
  const bodies = ["", "[]", "null", "{", '{"name":"a","name":"b"}', '{"__proto__":{"a":1}}', `${"[".repeat(10_000)}`];
  for (const body of [...bodies, new Uint8Array([0x7b, 0xff, 0x7d])]) {
    await expectProblem(await staged.request("POST", "/v1/admin/sales", { body }), "malformed", 400);
  }
  expect(staged.sales.size).toBe(0);
});

test("a body beyond its bound is refused by its size", async () => {
  const response = await createSale(staged, { description: "x".repeat(1_100_000) });
  await expectProblem(response, "payload_too_large", 413);
});

test("a change is stored, and one that names nothing or too much is refused", async () => {
  await createSale(staged);
  const changed = await staged.request("PATCH", "/v1/admin/sales/drop", { json: { name: "Winter drop" } });
  expect(await changed.json()).toMatchObject({ name: "Winter drop", holdMs: 600_000 });
  const wrongs = [{}, { stock: 5 }, { items: [] }, { id: "other" }, { opensAt: 5 }, { challenge: "sometimes" }];
  for (const json of wrongs) {
    await expectProblem(await staged.request("PATCH", "/v1/admin/sales/drop", { json }), "malformed", 400);
  }
});

test("the commands of a sale's life are idempotent", async () => {
  await createSale(staged, { opensAt: staged.clock.nowMs() + 60_000 });
  const states: unknown[] = [];
  for (const command of ["open", "open", "pause", "pause", "resume", "resume", "close", "close"]) {
    const response = await staged.request("POST", `/v1/admin/sales/drop/${command}`);
    expect(response.status).toBe(200);
    states.push(((await response.json()) as Record<string, unknown>)["state"]);
  }
  expect(states).toEqual(["open", "open", "paused", "paused", "open", "open", "closed", "closed"]);
  const reopened = await staged.request("POST", "/v1/admin/sales/drop/open", { json: {} });
  expect((await expectProblem(reopened, "conflict", 409))["detail"]).toContain("over");
});

test("a command with a body that means something is refused, not ignored", async () => {
  await createSale(staged);
  const response = await staged.request("POST", "/v1/admin/sales/drop/close", { json: { dryRun: true } });
  await expectProblem(response, "malformed", 400);
  expect(staged.sales.get("drop")?.phase).toBe("scheduled");
});

test("warm-up readies this node and answers the sale", async () => {
  await createSale(staged);
  const response = await staged.request("POST", "/v1/admin/sales/drop/warm-up");
  expect(await response.json()).toMatchObject({ id: "drop" });
  expect(staged.warmUps).toBe(1);
  await expectProblem(await staged.request("POST", "/v1/admin/sales/nowhere/warm-up"), "no_such_sale", 404);
  expect(staged.warmUps).toBe(1);
});

test("what does not exist is told apart: sale, item, ban, route", async () => {
  await createSale(staged);
  const calls: readonly (readonly [string, string, string, Record<string, unknown>?])[] = [
    ["GET", "/sales/nowhere", "no_such_sale"],
    ["GET", "/sales/a%20b", "no_such_sale"],
    ["PATCH", "/sales/nowhere", "no_such_sale", { name: "x" }],
    ["POST", "/sales/nowhere/open", "no_such_sale"],
    ["GET", "/sales/nowhere/stats", "no_such_sale"],
    ["GET", "/sales/nowhere/stats/stream", "no_such_sale"],
    ["GET", "/sales/nowhere/audit", "no_such_sale"],
    ["GET", "/sales/nowhere/orders", "no_such_sale"],
    ["PUT", "/sales/nowhere/allowlist", "no_such_sale", { buyerIds: [] }],
    ["POST", "/sales/nowhere/items/shoe/adjust", "no_such_sale", { delta: 1, reason: "x" }],
    ["POST", "/sales/drop/items/hat/adjust", "no_such_item", { delta: 1, reason: "x" }],
    ["DELETE", "/bans/nobody", "not_found"],
    ["GET", "/elsewhere", "not_found"],
  ];
  for (const [method, path, reason, json] of calls) {
    const options = json === undefined ? {} : { json };
    await expectProblem(await staged.request(method, `/v1/admin${path}`, options), reason, 404);
  }
});

test("another method on a path that exists is 405 and names the methods there are", async () => {
  const response = await staged.request("DELETE", "/v1/admin/sales/drop");
  await expectProblem(response, "method_not_allowed", 405);
  expect(response.headers.get("allow")?.split(", ").sort()).toEqual(["GET", "HEAD", "PATCH"]);
});

test("stock is adjusted with a reason, and never below what is free", async () => {
  await createSale(staged);
  const path = "/v1/admin/sales/drop/items/shoe/adjust";
  const added = await staged.request("POST", path, { json: { delta: 5, reason: "found a box" } });
  expect(await added.json()).toEqual({ sku: "shoe", total: 15, free: 15, granted: 0, held: 0, sold: 0 });
  await expectProblem(await staged.request("POST", path, { json: { delta: -16, reason: "x" } }), "conflict", 409);
  for (const json of [
    { delta: 0, reason: "x" },
    { delta: 1.5, reason: "x" },
    { delta: 1 },
    { delta: "1", reason: "x" },
  ]) {
    await expectProblem(await staged.request("POST", path, { json }), "malformed", 400);
  }
});

test("an audit is answered as the auditor made it", async () => {
  await createSale(staged);
  const report = await (await staged.request("GET", "/v1/admin/sales/drop/audit")).json();
  expect(report).toMatchObject({ saleId: "drop", balanced: true, violations: [] });
});

test("the quick audit is another scope of the same path, and an unknown scope is an error", async () => {
  await createSale(staged);
  const path = "/v1/admin/sales/drop/audit";
  const report = await (await staged.request("GET", `${path}?scope=places`)).json();
  expect(report).toMatchObject({ saleId: "drop", balanced: true, trouble: null });
  await expectProblem(await staged.request("GET", `${path}?scope=some`), "malformed", 400);
  await expectProblem(await staged.request("GET", "/v1/admin/sales/no/audit?scope=places"), "no_such_sale", 404);
});

test("a recovery names its source and answers what it found", async () => {
  await createSale(staged);
  const path = "/v1/admin/sales/drop/recover";
  await expectProblem(await staged.request("POST", path, { json: {} }), "malformed", 400);
  const answer = await staged.request("POST", path, { json: { from: "stream" } });
  expect(await answer.json()).toEqual({ saleId: "drop", epoch: 7, found: 3, known: 1, recovered: 2, voided: 0 });
  const nowhere = await staged.request("POST", "/v1/admin/sales/no/recover", { json: { from: "stream" } });
  await expectProblem(nowhere, "no_such_sale", 404);
});

test("statistics name every stage, every reason, and where the stock is", async () => {
  await createSale(staged);
  staged.totals = {
    ...staged.totals,
    decisions: { accepted: 7, replayed: 2, sold_out: 90, throttled: 5, not_open: 3, internal: 1 },
    accepted: { counts: new Map([[8_000, 9]]), sumMs: 60 },
    rates: { acceptedPerS: 1.26, refusedPerS: 20 },
    runsAlive: 3,
    backlog: 4,
  };
  const stats = (await (await staged.request("GET", "/v1/admin/sales/drop/stats")).json()) as {
    stages: { stage: string; refused: number; reasons: Record<string, number> }[];
  };
  expect(stats).toMatchObject({
    saleId: "drop",
    at: staged.clock.nowMs(),
    state: "open",
    mode: "postgres",
    epoch: 1,
    decisions: { total: 108, accepted: 7, replayed: 2, refused: 99 },
    rates: { decisionsPerS: 21.3, acceptedPerS: 1.3, refusedPerS: 20 },
    latencies: { accepted: { count: 9, p50Ms: 8, p99Ms: 8 }, refused: { count: 0 } },
    stock: [{ sku: "shoe", total: 10, free: 10, granted: 0, held: 0, sold: 0 }],
    backlog: 4,
    nodes: 3,
  });
  expect(stats.stages.map((stage) => stage.stage)).toEqual([
    "shed",
    "window",
    "identity",
    "throttle",
    "sold-out",
    "admission",
    "reserve",
    "none",
  ]);
  expect(stats.stages.find((stage) => stage.stage === "sold-out")).toEqual({
    stage: "sold-out",
    refused: 90,
    reasons: { sold_out: 90 },
  } as never);
});

test("a sale whose units are all taken is empty, and sold out only when all are sold", async () => {
  await createSale(staged);
  const stock = staged.stock.get(1);
  if (stock === undefined) throw new Error("the sale has stock");
  const stateOf = async (): Promise<unknown> =>
    ((await (await staged.request("GET", "/v1/admin/sales/drop")).json()) as Record<string, unknown>)["state"];
  staged.stock.set(1, { ...stock, free: 0, held: 1, sold: 9 });
  expect(await stateOf()).toBe("empty");
  staged.stock.set(1, { ...stock, free: 0, sold: 10 });
  expect(await stateOf()).toBe("sold_out");
});

test("a database that is away is told as unavailable, a bug as an id that finds its log line", async () => {
  staged.fault = new Fault("DATABASE_UNAVAILABLE", { internal: "postgres://user:hunter2@db" });
  const away = await staged.request("GET", "/v1/admin/sales");
  expect(JSON.stringify(await expectProblem(away, "unavailable", 503))).not.toContain("hunter2");
  expect(away.headers.get("retry-after")).toMatch(/^[12]$/);
  staged.fault = new TypeError("undefined is not a function at secret.ts");
  const problem = await expectProblem(await staged.request("GET", "/v1/admin/sales"), "internal", 500);
  expect(JSON.stringify(problem)).not.toContain("secret.ts");
  expect(staged.logged).toMatchObject([{ requestId: problem["requestId"] }]);
});

test("every answer forbids caching, sniffing and framing", async () => {
  for (const path of ["/v1/admin/sales", "/v1/admin/nothing", "/healthz"]) {
    const { headers } = await staged.request("GET", path);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  }
});
