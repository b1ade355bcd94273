/**
 * The operator's side: its own port, its own secret, a lifecycle that can be repeated, and books that balance.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { saleSpec, seat, waitForState } from "../../support/operator-client.ts";
import { shopToken } from "../../support/shop-login.ts";
import { waitUntil } from "../../support/waiting.ts";

const HOUR_MS = 3_600_000;

/** A problem document with what a person can act on. */
function expectProblem(answer: Answer, status: number, reason: string): void {
  expect([answer.status, answer.json?.reason], answer.text).toEqual([status, reason]);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
}

function describeAccess(deployment: GetDeployment): void {
  const paths = ["/v1/admin/sales", "/v1/admin/bans", "/v1/admin/sales/x/audit", "/v1/admin/sales/x/stats"];

  test("answers nothing of the operator API without the exact token", async () => {
    const { adminUrl, adminToken } = deployment().node;
    const tokens = ["", "Bearer", "Bearer ", `Bearer ${adminToken}x`, `Bearer ${adminToken.slice(0, -1)}`, adminToken];
    for (const path of paths) {
      for (const token of [...tokens, `Basic ${adminToken}`]) {
        const headers: Record<string, string> = token === "" ? {} : { Authorization: token };
        expectProblem(await call(`${adminUrl}${path}`, { headers }), 401, "unauthorized");
      }
    }
  });

  test("lets no buyer's session in", async () => {
    const { token } = (await deployment().guest()).session;
    const headers = { Authorization: `Bearer ${token}` };
    expectProblem(await call(`${deployment().node.adminUrl}/v1/admin/sales`, { headers }), 401, "unauthorized");
  });

  test("is not reachable on the buyers' port, with or without the token", async () => {
    const { buyerUrl, adminToken } = deployment().node;
    for (const path of [...paths, "/metrics", "/v1/admin/../admin/sales", "/v1/Admin/sales"]) {
      for (const headers of [{}, { Authorization: `Bearer ${adminToken}` }]) {
        expect([path, (await call(`${buyerUrl}${path}`, { headers })).status]).toEqual([path, 404]);
      }
    }
  });

  test("tells on both ports that it lives and is ready, and its metrics on the operators' port alone", async () => {
    const { buyerUrl, adminUrl } = deployment().node;
    for (const url of [buyerUrl, adminUrl]) {
      for (const path of ["/healthz", "/readyz"]) expect((await call(`${url}${path}`)).status).toBe(200);
    }
    const metrics = await call(`${adminUrl}/metrics`);
    expect(metrics.status).toBe(200);
    expect(metrics.headers.get("content-type")).toMatch(/^(text\/plain|application\/openmetrics-text)/);
    const counter = /funnel_decisions_total\{stage="window",reason="not_open"\} [1-9]/;
    expect(counter.test(metrics.text), "early birds are counted").toBe(true);
  });
}

function describeCreation(deployment: GetDeployment): void {
  const create = async (overrides: Record<string, unknown>): Promise<Answer> =>
    await deployment().operator.send("POST", "/sales", saleSpec(overrides));

  test("creates a sale, shows it in full and in the list, and refuses its id a second time", async () => {
    const spec = saleSpec({ opensAt: Date.now() + HOUR_MS, closesAt: Date.now() + 2 * HOUR_MS });
    const created = await deployment().operator.send("POST", "/sales", spec);
    expect(created.status).toBe(201);
    expect(created.json).toMatchObject({ id: spec["id"], name: "Test sale", holdMs: 600_000, perBuyerMax: 2 });
    const found = await deployment().operator.must("GET", `/sales/${spec["id"]}`);
    expect(found).toMatchObject({
      id: spec["id"],
      items: [{ sku: "seat", price: { amount: 4_900, currency: "EUR" } }],
    });
    const { sales } = await deployment().operator.must("GET", "/sales");
    expect(sales.map((sale: { id: string }) => sale.id)).toContain(spec["id"]);
    expectProblem(await deployment().operator.send("POST", "/sales", spec), 409, "conflict");
  });

  test("splits the stock into as many buckets as asked for, one when nothing is said, and never anew", async () => {
    expect((await create({})).json).toMatchObject({ buckets: 1, mode: "postgres" });
    const split = await create({ buckets: 8 });
    expect(split.json).toMatchObject({ buckets: 8 });
    const changed = await deployment().operator.send("PATCH", `/sales/${split.json.id}`, { buckets: 4 });
    expectProblem(changed, 400, "malformed");
    expect(await deployment().operator.must("GET", `/sales/${split.json.id}`)).toMatchObject({ buckets: 8 });
    for (const buckets of [0, 65, 1.5, "2"]) expectProblem(await create({ buckets }), 400, "malformed");
  });

  test("makes an id that cannot be guessed when none is given", async () => {
    const created = await create({ id: undefined });
    expect(created.status).toBe(201);
    expect(created.json.id).toMatch(/^[A-Za-z0-9_-]{22,64}$/);
  });

  test("takes every rule for challenges and changes it at any time, and refuses what is none", async () => {
    const answer = await create({ challenge: "sometimes" });
    expectProblem(answer, 400, "malformed");
    expect(answer.json.detail).toContain("adaptive");
    for (const challenge of ["none", "adaptive", "always"]) {
      const created = await create({ challenge });
      expect(created.json).toMatchObject({ challenge });
      const path = `/sales/${created.json.id}`;
      expect(await deployment().operator.must("PATCH", path, { challenge: "always" })).toMatchObject({
        challenge: "always",
      });
    }
  });

  test("refuses every sale that is not what the contract says, naming the field", async () => {
    const bad: Readonly<Record<string, Record<string, unknown>>> = {
      name: { name: "" },
      opensAt: { opensAt: "tomorrow" },
      closesAt: { closesAt: 1 },
      holdMs: { holdMs: 0 },
      perBuyerMax: { perBuyerMax: -1 },
      signature: { signature: "maybe" },
      items: { items: [] },
      stock: { items: [seat({ stock: -1 })] },
      price: { items: [seat({ price: { amount: 1.5, currency: "EUR" } })] },
      currency: { items: [seat({ price: { amount: 1, currency: "euros" } })] },
      sku: { items: [seat({}), seat({})] },
      surprise: { surprise: 1 },
      id: { id: "../etc" },
    };
    for (const [field, overrides] of Object.entries(bad)) {
      const answer = await create(overrides);
      expectProblem(answer, 400, "malformed");
      expect(answer.json.detail).toContain(field);
    }
  });

  test("changes what breaks no promise and refuses what would", async () => {
    const { saleId, sku } = await deployment().sale({ items: [seat({ stock: 4 })] });
    const renamed = await deployment().operator.send("PATCH", `/sales/${saleId}`, { name: "A better name" });
    expect([renamed.status, renamed.json.name]).toEqual([200, "A better name"]);
    expectAccepted(await (await deployment().guest()).reserve({ saleId, sku }, { quantity: 2 }));
    const later = await deployment().operator.send("PATCH", `/sales/${saleId}`, { opensAt: Date.now() + HOUR_MS });
    expectProblem(later, 409, "conflict");
    const cut = await deployment().operator.send("POST", `/sales/${saleId}/items/${sku}/adjust`, {
      delta: -3,
      reason: "x",
    });
    expectProblem(cut, 409, "conflict");
    expect((await deployment().operator.audit(saleId)).items[0]).toMatchObject({ total: 4, free: 2, held: 2 });
  });
}

function describeLifecycle(deployment: GetDeployment): void {
  test("opens, pauses, resumes and closes as often as it is told to, with the same end", async () => {
    const later = { opensAt: Date.now() + HOUR_MS, closesAt: Date.now() + 2 * HOUR_MS };
    const sale = await deployment().sale(later);
    const { operator, buyerUrl } = deployment();
    expectRefusal(await (await deployment().guest()).reserve(sale), "not_open");
    const steps = [
      ["warm-up", "scheduled"],
      ["open", "open"],
      ["pause", "paused"],
      ["resume", "open"],
      ["close", "closed"],
    ] as const;
    for (const [command, state] of steps) {
      for (let times = 0; times < 2; times += 1)
        expect((await operator.command(sale.saleId, command)).status).toBe(200);
      await waitForState(buyerUrl, sale.saleId, state);
      if (state === "open") expectAccepted(await (await deployment().guest()).reserve(sale));
    }
    expect((await operator.command(sale.saleId, "open")).status).toBe(409);
    expectProblem(await operator.command("no-such-sale", "open"), 404, "no_such_sale");
  });

  test("adds units to an empty sale, which buyers get at once, and takes unsold ones away", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1 })] });
    const { operator } = deployment();
    expectAccepted(await (await deployment().guest()).reserve(sale));
    expectRefusal(await (await deployment().guest()).reserve(sale), "empty");
    const path = `/sales/${sale.saleId}/items/seat/adjust`;
    expect((await operator.send("POST", path, { delta: 3, reason: "found a box" })).status).toBe(200);
    const next = await deployment().guest();
    await waitUntil("the new units to be sold", async () => (await next.reserve(sale)).status === 201);
    expect((await operator.send("POST", path, { delta: -2, reason: "kept for the crew" })).status).toBe(200);
    const audit = await operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].total, audit.items[0].free]).toEqual([true, 2, 0]);
    for (const body of [
      { delta: 0, reason: "x" },
      { delta: 1.5, reason: "x" },
      { delta: 1 },
      { delta: "1", reason: "x" },
    ]) {
      expectProblem(await operator.send("POST", path, body), 400, "malformed");
    }
  });

  test("admits exactly the buyers of an allowlist, as it is now", async () => {
    const sale = await deployment().sale({ eligibility: { allowlist: true } });
    const friend = await deployment().guest();
    expectRefusal(await friend.reserve(sale), "not_eligible");
    const path = `/sales/${sale.saleId}/allowlist`;
    const { status } = await deployment().operator.send("PUT", path, { buyerIds: [friend.buyerId] });
    expect(status).toBe(200);
    await waitUntil("the friend to be let in", async () => (await friend.reserve(sale)).status === 201);
    expectRefusal(await (await deployment().guest()).reserve(sale), "not_eligible");
  });

  test("asks for an age of the shop's account, which guests do not have", async () => {
    const sale = await deployment().sale({ eligibility: { accountAgeMsMin: 7 * 24 * HOUR_MS } });
    const nowS = Math.floor(Date.now() / 1_000);
    const old = await Buyer.login(
      deployment().buyerUrl,
      shopToken({ sub: freshKey(), account_created_at: nowS - 8 * 86_400 }),
    );
    const young = await Buyer.login(
      deployment().buyerUrl,
      shopToken({ sub: freshKey(), account_created_at: nowS - 86_400 }),
    );
    expectAccepted(await old.reserve(sale));
    expectRefusal(await young.reserve(sale), "not_eligible");
    expectRefusal(await (await deployment().guest()).reserve(sale), "not_eligible");
  });
}

function describeReports(deployment: GetDeployment): void {
  test("counts what happened per reason, with stock, mode and epoch", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 2 })] });
    expectAccepted(await (await deployment().guest()).reserve(sale, { quantity: 2 }));
    for (const buyer of [await deployment().guest(), await deployment().guest()]) {
      expectRefusal(await buyer.reserve(sale), "empty");
    }
    expectRefusal(await (await deployment().guest()).reserve(sale, { isUnsigned: true }), "signature_missing");
    const stats = await waitUntil("the statistics to catch up", async () => {
      const answer = await deployment().operator.must("GET", `/sales/${sale.saleId}/stats`);
      const text = JSON.stringify(answer);
      return /"empty":2\b/.test(text) && /"signature_missing":1\b/.test(text) ? answer : null;
    });
    expect(stats).toMatchObject({ mode: "postgres", epoch: expect.any(Number) });
    expect(stats.decisions).toMatchObject({ total: 4, accepted: 1, refused: 3 });
  });

  test("streams the statistics to operators alone", async () => {
    const { saleId } = await deployment().sale();
    const url = `${deployment().node.adminUrl}/v1/admin/sales/${saleId}/stats/stream`;
    expectProblem(await call(url), 401, "unauthorized");
    const abort = new AbortController();
    const headers = { Authorization: `Bearer ${deployment().node.adminToken}` };
    const response = await fetch(url, { headers, signal: abort.signal });
    expect([response.status, response.headers.get("content-type")?.split(";")[0]]).toEqual([200, "text/event-stream"]);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let received = "";
    while (!received.includes("data:")) {
      const { done, value } = await reader.read();
      expect(done, received).toBe(false);
      received += new TextDecoder().decode(value);
    }
    abort.abort();
  });

  test("pages through the orders and exports them without a formula that a spreadsheet would run", async () => {
    const dangerous = `=HYPERLINK("http://evil.example","x")`;
    const items = [seat({ name: dangerous, stock: 50 }), seat({ sku: "-2-3", name: "@SUM(A1)", stock: 50 })];
    const sale = await deployment().sale({ items });
    const rids: string[] = [];
    for (const sku of ["seat", "-2-3", "seat"]) {
      rids.push(expectAccepted(await (await deployment().guest()).reserve({ ...sale, sku })).rid);
    }
    const { orders } = await deployment().operator.must("GET", `/sales/${sale.saleId}/orders`);
    expect(orders.map((order: { rid: string }) => order.rid).sort()).toEqual([...rids].sort());
    const csv = await deployment().operator.send("GET", `/sales/${sale.saleId}/orders?format=csv`);
    expect([csv.status, csv.headers.get("content-type")?.split(";")[0]]).toEqual([200, "text/csv"]);
    expect(csv.headers.get("content-disposition")).toMatch(/^attachment/);
    for (const rid of rids) expect(csv.text).toContain(rid);
    expect(csv.text.trim().split(/\r?\n/)).toHaveLength(4);
    expect(csv.text).not.toMatch(/(^|,|\n)"?[=+@\t\r-]/);
  });

  test("has no audit, statistics or orders of a sale that is not there", async () => {
    for (const what of ["audit", "stats", "orders"]) {
      expect((await deployment().operator.send("GET", `/sales/no-such-sale/${what}`)).status).toBe(404);
    }
  });

  test("logs neither secrets nor tokens nor signatures", async () => {
    const { node } = deployment();
    const buyer = await deployment().guest();
    const sale = await deployment().sale();
    await buyer.reserve(sale, { key: "canary-key-0001" });
    await buyer.reserve(sale, { headers: { Authorization: "Bearer s2.canary.token" } });
    for (const secret of [
      node.secret,
      node.adminToken,
      buyer.session.token,
      buyer.session.signingKey,
      "s2.canary.token",
    ]) {
      expect(node.output).not.toContain(secret);
    }
  });
}

export function describeOperator(deployment: GetDeployment): void {
  describeAccess(deployment);
  describeCreation(deployment);
  describeLifecycle(deployment);
  describeReports(deployment);
}
