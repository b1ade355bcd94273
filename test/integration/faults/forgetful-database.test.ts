/**
 * A node does not start on a PostgreSQL that may forget, and says what to do; where less was agreed to, everybody sees it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { call } from "../../support/answers.ts";
import { NodeProcess, runToEnd } from "../../support/node-process.ts";
import { Operator } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";

setDefaultTimeout(60_000);

let cluster: PostgresCluster;
let databaseUrl: string;

beforeAll(async () => {
  cluster = await PostgresCluster.start({ settings: { fsync: "off", full_page_writes: "off" } });
  databaseUrl = await cluster.createDatabase();
});

afterAll(async () => {
  await cluster?.stop();
});

test("a node refuses it, and names the settings and the way to accept less", async () => {
  const env = { DATABASE_URL: databaseUrl, SECRET: "s".repeat(43), ADMIN_TOKEN: "t".repeat(32), PORT: "0" };
  const ended = await runToEnd({ runtime: "bun", args: ["serve"], env: { ...env, ADMIN_PORT: "0" } });
  expect(ended.code).not.toBe(0);
  expect(ended.output).toMatch(/Set fsync = on and full_page_writes = on in postgresql\.conf/);
  expect(ended.output).toContain("LEDGER_DURABILITY=everysec");
  expect(ended.output).toContain("fsync and full_page_writes are off");
});

test("a node that was told that less is enough sells, and says so in readiness, to operators and in a metric", async () => {
  const node = await NodeProcess.start({ runtime: "bun", databaseUrl, env: { LEDGER_DURABILITY: "everysec" } });
  try {
    const { json } = await call(`${node.adminUrl}/readyz`);
    expect(json.checks.ledger).toMatch(/^ok: .*everysec.*PostgreSQL.*fsync and full_page_writes are off/);
    const operator = new Operator(node);
    const { saleId } = await operator.createSale({}, [node.buyerUrl]);
    const stats = await operator.must("GET", `/sales/${saleId}/stats`);
    expect(stats.ledger.database).toEqual({ kind: "server", weakness: "fsync and full_page_writes are off" });
    const { text } = await call(`${node.adminUrl}/metrics`);
    expect(text).toContain('doorbuster_promise_weaker{store="postgres"} 1');
  } finally {
    await node.stop();
  }
});
