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
import { RedisServer } from "../support/redis-server.ts";
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
      "UPDATE mode_change SET reason = ''",
      "DELETE FROM mode_change",
      "UPDATE deployment_key SET fingerprint = 'mine'",
      "DELETE FROM deployment_key",
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

  test("T32: cannot move a unit but by the functions that keep the books, whatever they are called with", async () => {
    const operator = new Operator(node);
    const sale = await operator.createSale({ holdMs: 60_000 }, [node.buyerUrl]);
    const buyer = await Buyer.guest(node.buyerUrl);
    const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
    const moves = [
      "UPDATE stock SET sold = 0",
      "UPDATE stock SET held = held - 1, free = free + 1",
      "UPDATE stock SET held = held - 1, sold = sold + 1",
      "UPDATE stock SET total = total + 1, free = free + 1",
      "UPDATE stock SET version = version + 1",
      "INSERT INTO stock (item_id, total, free, sold) SELECT 0, 1, 0, 1",
      `SELECT release_units(ARRAY['${rid}'])`,
      "SELECT return_granted(item_id, 0) FROM stock",
    ];
    const outcomes = await Promise.all(moves.map(async (text) => [text, await outcomeOf(appUrl, text)] as const));
    expect(outcomes.filter(([, outcome]) => outcome !== DENIED)).toEqual([]);
    // A table of one's own does not stand for ours, and the books have the adjustment.
    const before = await operator.audit(sale.saleId);
    const own = `CREATE TEMP TABLE stock AS SELECT * FROM public.stock WHERE false; CREATE TEMP TABLE stock_adjustment
      AS SELECT * FROM public.stock_adjustment WHERE false; SELECT adjust_stock('${sale.saleId}', '${sale.sku}', 1, 'mine')`;
    expect(await outcomeOf(appUrl, own)).toBe("done");
    const after = await operator.audit(sale.saleId);
    expect([after.balanced, after.items[0].total]).toEqual([true, before.items[0].total + 1]);
    const [row] = await cluster.query<{ found: string }>(
      ownerUrl,
      "SELECT count(*) AS found FROM stock_adjustment WHERE reason = 'mine'",
    );
    expect(Number(row?.found)).toBe(1);
    // A stranger with a login cannot call what runs with the owner's rights.
    await cluster.query("postgres", "CREATE ROLE stranger LOGIN");
    const strangerUrl = appUrl.replace("doorbuster_app@", "stranger@");
    expect(await outcomeOf(strangerUrl, `SELECT adjust_stock('${sale.saleId}', '${sale.sku}', 1, 'x')`)).toBe(DENIED);
  });

  test("is enough in redis mode too: granted, bought, given back, and brought home when Redis dies", async () => {
    const redis = await RedisServer.start();
    const env = { RATE_BUYER_PER_S: "0", REDIS_URL: redis.url, LEDGER_DWELL_MS: "0" };
    const second = await NodeProcess.start({ runtime: "bun", databaseUrl: appUrl, env });
    try {
      const operator = new Operator(second);
      const sale = await operator.createSale({ holdMs: 60_000 }, [second.buyerUrl]);
      const mode = async (): Promise<string> =>
        (await operator.must("GET", `/sales/${sale.saleId}/stats`)).ledger.mode as string;
      await waitUntil("the sale to be in Redis", async () => (await mode()) === "redis", { withinMs: 30_000 });
      const buyer = await Buyer.guest(second.buyerUrl);
      const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
      expect((await buyer.cancel(rid)).json.status).toBe("cancelled");
      await redis.kill();
      await waitUntil("the sale to be back", async () => (await mode()) === "postgres", { withinMs: 30_000 });
      expectAccepted(await patiently(async () => await buyer.reserve(sale)));
      expect((await operator.audit(sale.saleId)).balanced).toBe(true);
      const complaints = second.output.split("\n").filter((line) => /permission denied|42501/.test(line));
      expect(complaints).toEqual([]);
    } finally {
      await second.kill();
      await redis.stop();
    }
  });

  test("cannot make a unit out of nothing, and neither can the owner", async () => {
    const forgeries = [
      "UPDATE stock SET sold = 0",
      "UPDATE stock SET free = free + 1",
      "UPDATE stock SET total = total + 1",
      "UPDATE stock SET free = -1, held = held + free + 1",
      "UPDATE buyer_hold SET quantity = per_buyer_max + 1",
    ];
    for (const text of forgeries) {
      expect([text, await outcomeOf(ownerUrl, text)]).toEqual([text, CHECK_VIOLATED]);
      const ofTheApp = text.includes("UPDATE stock") ? DENIED : CHECK_VIOLATED;
      expect([text, await outcomeOf(appUrl, text)]).toEqual([text, ofTheApp]);
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
