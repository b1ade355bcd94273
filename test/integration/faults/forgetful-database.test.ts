/**
 * A node does not start on a PostgreSQL that may forget, and says what to do; where less was agreed to, everybody sees it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer } from "../../support/buyer-client.ts";
import { NodeProcess, runToEnd } from "../../support/node-process.ts";
import { Operator } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { waitUntil } from "../../support/waiting.ts";

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

test("a server that begins to forget under a running node is not sold from, which readiness explains; then it is again", async () => {
  const sound = await PostgresCluster.start();
  const url = await sound.createDatabase();
  const node = await NodeProcess.start({ runtime: "bun", databaseUrl: url, env: { RATE_BUYER_PER_S: "0" } });
  /** As a server that was started again with other settings: every connection is made anew. */
  const set = async (value: string): Promise<void> => {
    await sound.query("postgres", `ALTER SYSTEM SET fsync = ${value}`);
    await sound.query("postgres", "SELECT pg_reload_conf()");
    await waitUntil("new connections to see it", async () => {
      return (await sound.query<{ fsync: string }>("postgres", "SHOW fsync"))[0]?.fsync === value;
    });
    const own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'doorbuster%'";
    await sound.query("postgres", own);
  };
  try {
    const sale = await new Operator(node).createSale({}, [node.buyerUrl]);
    const buyer = await Buyer.guest(node.buyerUrl);
    await set("off");
    await waitUntil("readiness to explain it", async () => {
      const answer = await call(`${node.adminUrl}/readyz`);
      return answer.status === 503 && /fsync is off.*LEDGER_DURABILITY/.test(answer.text);
    });
    expectRefusal(await buyer.reserve(sale), "unavailable");
    expectRefusal(await buyer.send({ method: "GET", path: `/v1/reservations?saleId=${sale.saleId}` }), "unavailable");
    await set("on");
    const bought = await waitUntil("a sale", async () => {
      const answer = await buyer.reserve(sale);
      return answer.status === 201 ? answer : null;
    });
    expectAccepted(bought);
    await waitUntil("readiness", async () => (await call(`${node.adminUrl}/readyz`)).status === 200);
  } finally {
    await node.kill();
    await sound.stop();
  }
});
