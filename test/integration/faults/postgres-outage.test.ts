/**
 * PostgreSQL goes away in the middle of a sale, by a stop of ten seconds and by a stall: buyers hear `unavailable` or
 * `busy`, never that anything is sold out, and the sale goes on by itself.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey, requestHeaders, reservationsPath } from "../../support/buyer-client.ts";
import { SessionMint } from "../../support/minted-session.ts";
import { type NodeProcess, startNodes } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { RawConnection, requestHead } from "../../support/raw-http.ts";
import { Rush } from "../../support/rush.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(120_000);

const OUTAGE_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;
const FLOOD = 3_000;
const SECRET = "one-secret-for-both-nodes-0123456789abcdef";
const ADMIN_TOKEN = "one-token-for-both-nodes";

let cluster: PostgresCluster;
let nodes: NodeProcess[];
let operator: Operator;
const mint = new SessionMint(SECRET);

beforeAll(async () => {
  cluster = await PostgresCluster.start();
  const env = {
    ...OPEN_LIMITS,
  };
  const shared = { databaseUrl: await cluster.createDatabase(), secret: SECRET, adminToken: ADMIN_TOKEN, env };
  nodes = await startNodes([
    { ...shared, runtime: "bun" },
    { ...shared, runtime: "node" },
  ]);
  operator = new Operator(nodes[0] as NodeProcess);
});

afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.kill()));
  await cluster?.stop();
});

function urls(): string[] {
  return nodes.map((node) => node.buyerUrl);
}

test("tells buyers `unavailable` while PostgreSQL is stopped for ten seconds, and resumes by itself", async () => {
  const item = await operator.createSale({ items: [seat({ stock: 1_000_000 })] }, urls());
  const rush = new Rush({ mint, item, buyerUrls: urls(), concurrencyMax: 8 });
  rush.begin();
  await waitUntil("the sale to flow", () => rush.acceptedCount > 50);
  await cluster.stopServer("fast");
  const stoppedAt = performance.now();
  await waitUntil("ten seconds without PostgreSQL", () => performance.now() - stoppedAt > OUTAGE_MS, {
    withinMs: OUTAGE_MS * 2,
  });
  const before = rush.acceptedCount;
  await cluster.startServer();
  await waitUntil("the sale to resume by itself", () => rush.acceptedCount > before + 50, { withinMs: 30_000 });
  await rush.end();

  expect(rush.counts["unavailable"] ?? 0).toBeGreaterThan(0);
  for (const refusal of rush.refusals) {
    expect(refusal.json?.reason, refusal.text).toMatch(/^(unavailable|busy)$/);
    expectRefusal(refusal, refusal.json.reason, { retryAfter: true });
  }
  expect(rush.counts["broken"] ?? 0).toBe(0);
  const rids = await rush.proveAt((nodes[1] as NodeProcess).buyerUrl);
  await waitUntil(
    "the operator's side to be back",
    async () => (await operator.send("GET", `/sales/${item.saleId}/audit`)).status === 200,
  );
  const audit = await operator.audit(item.saleId);
  expect(audit).toMatchObject({ balanced: true, violations: [], items: [{ held: rids.size }] });
});

test("answers a crowd before its deadline while PostgreSQL stalls: `busy` or `unavailable`, nothing else", async () => {
  const item = await operator.createSale({ items: [seat({ stock: 1_000_000 })] }, urls());
  for (const node of nodes) {
    cluster.freeze();
    const flood = await mapBounded(range(FLOOD), FLOOD, async () => await stallOne(node, item)).finally(() =>
      cluster.thaw(),
    );
    const reasons = new Set(flood.map((answer) => answer.json?.reason as string));
    for (const answer of flood) expectRefusal(answer, answer.json?.reason, { retryAfter: true });
    expect([...reasons].sort()).toEqual(["busy", "unavailable"]);
    await waitUntil("the ledger to answer again", async () => {
      return (await new Buyer(node.buyerUrl, mint.mint()).reserve(item)).status === 201;
    });
  }
  expect(await operator.audit(item.saleId)).toMatchObject({ balanced: true, violations: [] });
});

async function stallOne(node: NodeProcess, item: { saleId: string; sku: string }) {
  const path = reservationsPath(item);
  const body = '{"quantity":1}';
  const headers = requestHeaders(mint.mint(), { path, body, idempotencyKey: freshKey() });
  const connection = await RawConnection.open(node.buyerPort);
  try {
    connection.write(`${requestHead("POST", path, { ...headers, "Content-Length": String(body.length) })}${body}`);
    return await connection.answer(ANSWER_WITHIN_MS);
  } finally {
    connection.close();
  }
}

test("knows without PostgreSQL what needs no ledger: time, signatures, sales that are not open", async () => {
  const hour = 3_600_000;
  const later = await operator.createSale({ opensAt: Date.now() + hour, closesAt: Date.now() + 2 * hour }, urls());
  const item = await operator.createSale({}, urls());
  cluster.freeze();
  try {
    for (const url of urls()) {
      const buyer = new Buyer(url, mint.mint());
      expect((await fetch(`${url}/v1/time`)).status).toBe(200);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expectRefusal(await buyer.reserve(later), "not_open");
      expectRefusal(await buyer.reserve(item, { isUnsigned: true }), "signature_missing");
      expectRefusal(await buyer.reserve({ ...item, saleId: "nowhere" }), "no_such_sale");
    }
  } finally {
    cluster.thaw();
  }
});
