/**
 * What operators, load balancers and alarms are told about the redis ledger of a running deployment.
 *
 * One node has a Redis with the weaker promise, the other has none. The tests follow one sale from Redis to PostgreSQL.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { call, expectAccepted } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { NodeProcess } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";

setDefaultTimeout(60_000);

let cluster: PostgresCluster;
let redis: RedisServer;
let node: NodeProcess;
let plain: NodeProcess;
let operator: Operator;
let item: { saleId: string; sku: string };

beforeAll(async () => {
  [cluster, redis] = await Promise.all([PostgresCluster.start(), RedisServer.start({ appendFsync: "everysec" })]);
  const common = {
    runtime: "bun" as const,
    databaseUrl: await cluster.createDatabase(),
    secret: "s".repeat(43),
    adminToken: "t".repeat(32),
  };
  // The node without Redis must not be one that conducts, or a fall back would be its decision.
  const weak = { REDIS_URL: redis.url, LEDGER_DURABILITY: "everysec", LEDGER_DWELL_MS: "600000" };
  node = await NodeProcess.start({ ...common, env: weak });
  plain = await NodeProcess.start({ ...common, roles: "api,admin" });
  operator = new Operator(node);
  item = await operator.createSale({ buckets: 2 }, [node.buyerUrl]);
}, 90_000);

afterAll(async () => {
  redis?.thaw();
  await Promise.all([node?.kill(), plain?.kill()]);
  await Promise.all([redis?.stop(), cluster?.stop()]);
});

// biome-ignore lint/suspicious/noExplicitAny: the test reads members of a document whose form it is checking
async function ledgerOf(from: Operator = operator): Promise<any> {
  return (await from.must("GET", `/sales/${item.saleId}/stats`)).ledger;
}

async function samplesOf(url: string): Promise<(name: string) => string | undefined> {
  const lines = (await call(`${url}/metrics`)).text.split("\n");
  return (name) => lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

test("statistics say who decides, why, what is promised, and what each bucket has", async () => {
  await waitUntil("redis mode", async () => (await ledgerOf()).mode === "redis");
  for (let count = 0; count < 4; count += 1) {
    expectAccepted(await (await Buyer.guest(node.buyerUrl)).reserve(item));
  }
  const ledger = await waitUntil("the commits", async () => {
    const known = await ledgerOf();
    return known.backlog === 0 ? known : null;
  });
  expect(ledger).toMatchObject({ wanted: "redis", flips: 0, buckets: 2, durability: "everysec" });
  expect(ledger.epoch).toBeGreaterThan(1);
  expect(ledger.reason).toMatch(/Redis/);
  expect(ledger.sinceMs).toBeLessThanOrEqual(Date.now());
  const sum = (name: string) =>
    ledger.bucketStock.reduce((units: number, one: Record<string, number>) => units + (one[name] ?? 0), 0);
  expect(ledger.bucketStock.map((one: { bucket: number }) => one.bucket)).toEqual([0, 1]);
  expect(sum("reserved")).toBe(4);
  expect(sum("available") + sum("leased")).toBeLessThanOrEqual(6);
});

test("a weaker promise is named by readiness, and keeps nobody away", async () => {
  const answer = await call(`${node.adminUrl}/readyz`);
  expect(answer.status).toBe(200);
  expect(answer.json.checks.ledger).toMatch(/^ok: .*everysec.*202/);
});

test("a node without Redis is not ready for a sale that lives there, on either port", async () => {
  await waitUntil("the other node to know", async () => (await call(`${plain.adminUrl}/readyz`)).status === 503);
  const answer = await call(`${plain.adminUrl}/readyz`);
  expect(answer.json.checks.ledger).toContain(item.saleId);
  expect(answer.json.checks.ledger).toContain("REDIS_URL");
  expect((await call(`${plain.buyerUrl}/readyz`)).status).toBe(503);
  expect((await call(`${plain.adminUrl}/healthz`)).status).toBe(200);
});

test("metrics say the mode, the epoch and the backlog", async () => {
  const sampleOf = await samplesOf(node.adminUrl);
  const labels = `sale="${item.saleId}"`;
  expect(sampleOf(`doorbuster_ledger_mode{${labels},mode="redis"}`)).toBe("1");
  expect(sampleOf(`doorbuster_ledger_mode{${labels},mode="postgres"}`)).toBe("0");
  expect(sampleOf(`doorbuster_ledger_in_wanted_mode{${labels}}`)).toBe("1");
  expect(sampleOf(`doorbuster_ledger_backlog_reservations{${labels}}`)).toBe("0");
  expect(Number(sampleOf(`doorbuster_ledger_epoch{${labels}}`))).toBeGreaterThan(1);
});

test("an operator goes on seeing his sale while Redis hangs, and is told why it fell back", async () => {
  redis.freeze();
  const stuck = await waitUntil("Redis to be noticed as silent", async () => {
    const known = await ledgerOf();
    return known.bucketStock === null ? known : null;
  });
  expect(stuck).toMatchObject({ mode: "redis", backlog: null });
  const fallen = await waitUntil("postgres mode", async () => {
    const known = await ledgerOf();
    return known.mode === "postgres" ? known : null;
  });
  expect(fallen).toMatchObject({ wanted: "redis", backlog: 0, bucketStock: [] });
  expect(fallen.epoch).toBeGreaterThan(stuck.epoch);
  expect(fallen.sinceMs).toBeGreaterThan(stuck.sinceMs);
  expect(fallen.reason).toMatch(/Redis/);
  const sampleOf = await samplesOf(node.adminUrl);
  expect(sampleOf(`doorbuster_ledger_in_wanted_mode{sale="${item.saleId}"}`)).toBe("0");
  expect(sampleOf("doorbuster_database_up")).toBe("1");
});

test("a sale in PostgreSQL is everybody's: the node without Redis is ready and sells it", async () => {
  await waitUntil("readiness", async () => (await call(`${plain.buyerUrl}/readyz`)).status === 200);
  expect((await call(`${plain.adminUrl}/readyz`)).json.checks.ledger).toBe("ok");
  expect(await ledgerOf(new Operator(plain))).toMatchObject({ mode: "postgres", wanted: "postgres", durability: null });
  expectAccepted(await (await Buyer.guest(plain.buyerUrl)).reserve(item));
});
