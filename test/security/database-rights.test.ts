/**
 * T13, T31 and T32: the role that nodes run with can sell and nothing more, and what it can do the constraints still hold.
 *
 * A real server, the documented steps, and a node that never had the owner's rights.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { prepareSandbox } from "../../src/adapters/payment-sandbox/prepare.ts";
import { createPostgresDatabase } from "../../src/adapters/postgres/database.ts";
import { migrate, readMigrations } from "../../src/adapters/postgres/migrate.ts";
import { expectAccepted } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { NodeProcess } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { payInSandbox } from "../support/sandbox-checkout.ts";
import { waitUntil } from "../support/waiting.ts";
import { patiently } from "./patience.ts";

setDefaultTimeout(60_000);

const RIGHTS = readFileSync(join(import.meta.dirname, "../../docs/operating/database-role.sql"), "utf8");
/** PostgreSQL's words for "you may not" and for "the sum would be wrong". */
const DENIED = "42501";
const CHECK_VIOLATED = "23514";

describe("the role of the nodes", () => {
  let cluster: PostgresCluster;
  let node: NodeProcess;
  let ownerUrl = "";
  let appUrl = "";

  beforeAll(async () => {
    cluster = await PostgresCluster.start();
    await cluster.query("postgres", "CREATE ROLE doorbuster_owner LOGIN");
    await cluster.query("postgres", "CREATE ROLE doorbuster_app LOGIN");
    await cluster.query("postgres", "CREATE DATABASE doorbuster OWNER doorbuster_owner");
    ownerUrl = cluster.url("doorbuster").replace("postgres@", "doorbuster_owner@");
    appUrl = cluster.url("doorbuster").replace("postgres@", "doorbuster_app@");
    const log = new RecordingLog();
    const owner = createPostgresDatabase({
      url: ownerUrl,
      connectionsMax: 1,
      answerTimeoutMs: 30_000,
      applicationName: "owner",
      log,
    });
    await migrate(owner, await readMigrations());
    await prepareSandbox(owner);
    await owner.close();
    await cluster.query(ownerUrl, RIGHTS);
    node = await NodeProcess.start({ runtime: "bun", databaseUrl: appUrl, env: { RATE_BUYER_PER_S: "0" } });
  }, 120_000);
  afterAll(async () => {
    await node?.kill();
    await cluster?.stop();
  });

  /** The SQLSTATE that the statement ends with, or "done". */
  async function outcomeOf(url: string, statement: string): Promise<string> {
    try {
      await cluster.query(url, statement);
      return "done";
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  }

  test("is enough for a sale: created, opened, held, paid, given back, adjusted, banned, audited", async () => {
    const operator = new Operator(node);
    const sale = await operator.createSale({ holdMs: 60_000 }, [node.buyerUrl]);
    const buyer = await Buyer.guest(node.buyerUrl);
    const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
    await payInSandbox(buyer, rid);
    await waitUntil("the order to be paid", async () => (await buyer.find(rid)).json.status === "paid");
    const other = await Buyer.guest(node.buyerUrl);
    const given = expectAccepted(await patiently(async () => await other.reserve(sale)));
    expect((await other.cancel(given.rid)).json.status).toBe("cancelled");
    await operator.must("POST", `/sales/${sale.saleId}/items/${sale.sku}/adjust`, { delta: 2, reason: "found a box" });
    await operator.must("PUT", `/sales/${sale.saleId}/allowlist`, { buyerIds: [buyer.buyerId] });
    const ban = await operator.must("POST", "/bans", { kind: "buyer", subject: other.buyerId, reason: "a scalper" });
    expect((await operator.send("DELETE", `/bans/${ban.id}`)).status).toBeLessThan(300);
    const audit = await operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].total, audit.items[0].sold]).toEqual([true, 12, 1]);
    const complaints = node.output.split("\n").filter((line) => /permission denied|42501/.test(line));
    expect(complaints).toEqual([]);
  });

  test("cannot change what there is", async () => {
    const statements = [
      "ALTER TABLE stock DROP CONSTRAINT conserve",
      "ALTER TABLE stock DISABLE TRIGGER ALL",
      "ALTER TABLE buyer_hold DROP CONSTRAINT per_buyer",
      "DROP TABLE orders",
      "TRUNCATE orders",
      "CREATE TABLE public.mine (x integer)",
      "CREATE SCHEMA mine",
      "CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
      "DELETE FROM orders",
      "DELETE FROM stock",
      "DELETE FROM sale",
      "DELETE FROM stock_adjustment",
      "UPDATE stock_adjustment SET delta = 0",
      "DELETE FROM operator_log",
      "UPDATE operator_log SET at = 0",
      "UPDATE schema_migration SET checksum = ''",
      "COPY orders TO '/tmp/doorbuster-orders'",
      "COPY orders TO PROGRAM 'cat'",
      "SELECT pg_read_file('/etc/passwd')",
      "CREATE ROLE mine",
      "ALTER ROLE doorbuster_app SUPERUSER",
      "SET ROLE doorbuster_owner",
      "SET session_replication_role = replica",
    ];
    const outcomes = await Promise.all(statements.map(async (text) => [text, await outcomeOf(appUrl, text)] as const));
    expect(outcomes.filter(([, outcome]) => outcome !== DENIED)).toEqual([]);
  });

  test("cannot make a unit out of nothing, and neither can the owner", async () => {
    const forgeries = [
      "UPDATE stock SET sold = 0",
      "UPDATE stock SET free = free + 1",
      "UPDATE stock SET total = total + 1",
      "UPDATE stock SET free = -1, held = held + free + 1",
      "UPDATE buyer_hold SET quantity = per_buyer_max + 1",
    ];
    for (const url of [appUrl, ownerUrl]) {
      for (const text of forgeries) expect([text, await outcomeOf(url, text)]).toEqual([text, CHECK_VIOLATED]);
    }
  });

  test("is not enough to bring a schema up to date, and a node says what is missing", async () => {
    await cluster.query("postgres", "CREATE DATABASE fresh OWNER doorbuster_owner");
    const databaseUrl = cluster.url("fresh").replace("postgres@", "doorbuster_app@");
    const started = await NodeProcess.spawn({ runtime: "bun", databaseUrl });
    const ended = await started.ended();
    await started.kill();
    expect(ended.code).not.toBe(0);
    expect(ended.output).toMatch(/permission denied|DATABASE_REFUSED/);
  });
});
