/**
 * Nodes are restarted in the middle of a rush: who hears of it first, what buyers hear, and what is promised stays true.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { SessionMint } from "../../support/minted-session.ts";
import { NodeProcess, type Runtime } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { Rush } from "../../support/rush.ts";
import { waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(120_000);

const SECRET = "a-secret-that-both-processes-know-0123456789";
const ADMIN_TOKEN = "an-operator-token-of-both-processes";
const CONCURRENCY = 16;
const NOTICE_MS = 3_000;

let cluster: PostgresCluster;
const mint = new SessionMint(SECRET);
const started: NodeProcess[] = [];

beforeAll(async () => {
  cluster = await PostgresCluster.start();
});

afterAll(async () => {
  await Promise.all(started.map((node) => node.kill()));
  await cluster?.stop();
});

async function startNode(
  runtime: Runtime,
  databaseUrl: string,
  more: { env: Record<string, string>; buyerPort?: number },
) {
  const shared = { databaseUrl, secret: SECRET, adminToken: ADMIN_TOKEN };
  const { buyerPort } = more;
  const place = buyerPort === undefined ? {} : { buyerPort };
  const node = await NodeProcess.spawn({ ...shared, ...place, runtime, env: { ...OPEN_LIMITS, ...more.env } });
  started.push(node);
  await waitUntil("the node to be ready", async () => (await readiness(node.adminUrl)) === 200, { withinMs: 45_000 });
  return node;
}

async function readiness(url: string): Promise<number> {
  return await fetch(`${url}/readyz`).then(
    (response) => response.status,
    () => 0,
  );
}

test.each(["bun", "node"] as const)(
  "on %s a process hands its port over to the next one: nobody hears of a restart, the sale goes on",
  async (runtime) => {
    const databaseUrl = await cluster.createDatabase();
    const env = { PORT_SHARED: "on" };
    const old = await startNode(runtime, databaseUrl, { env });
    const item = await new Operator(old).createSale({ items: [seat({ stock: 1_000_000 })] }, [old.buyerUrl]);
    const rush = new Rush({ mint, item, buyerUrls: [old.buyerUrl], concurrencyMax: CONCURRENCY });
    rush.begin();
    await waitUntil("the sale to flow", () => rush.acceptedCount > 30);
    const next = await startNode(runtime, databaseUrl, { env, buyerPort: old.buyerPort });
    const before = rush.acceptedCount;
    expect(await old.stop()).toMatchObject({ code: 0 });
    await waitUntil("the sale to go on", () => rush.acceptedCount > before + 100);
    await rush.end();

    expect(Object.keys(rush.counts).filter((word) => word !== "201" && word !== "broken")).toEqual([]);
    // A connection that was about to be used when it was closed: at most one each.
    expect(rush.counts["broken"] ?? 0).toBeLessThanOrEqual(CONCURRENCY);
    const rids = await rush.proveAt(next.buyerUrl);
    expect(await new Operator(next).audit(item.saleId)).toMatchObject({ balanced: true, items: [{ held: rids.size }] });
    await next.stop();
  },
);

test("a node that will drain says so first, and refuses nobody until its notice is over", async () => {
  const node = await startNode("bun", await cluster.createDatabase(), { env: { DRAIN_NOTICE_MS: String(NOTICE_MS) } });
  const item = await new Operator(node).createSale({ items: [seat({ stock: 1_000_000 })] }, [node.buyerUrl]);
  const rush = new Rush({ mint, item, buyerUrls: [node.buyerUrl], concurrencyMax: 4 });
  rush.begin();
  await waitUntil("the sale to flow", () => rush.acceptedCount > 10);
  const ended = node.stop();
  await waitUntil("both doors to say draining", async () => {
    const told = await Promise.all([readiness(node.buyerUrl), readiness(node.adminUrl)]);
    return told.every((status) => status === 503);
  });
  const whenTold = rush.acceptedCount;
  await waitUntil("attempts to be taken all the same", () => rush.acceptedCount > whenTold + 10);
  expect(rush.refusals).toEqual([]);
  expect(await ended).toMatchObject({ code: 0 });
  await rush.end();
  // While others finish newcomers are refused; where nobody has anything to finish the door is closed at once.
  expect(rush.refusals.filter((refusal) => refusal.json?.reason !== "draining")).toEqual([]);
  expect((rush.counts["broken"] ?? 0) + rush.refusals.length).toBeGreaterThan(0);
});
