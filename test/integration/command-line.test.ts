/**
 * The command line against a running node: an operator at a shell steers a sale, and scripts can rely on exit codes.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectAccepted, expectRefusal } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { type EndedProcess, NodeProcess, runToEnd } from "../support/node-process.ts";
import { saleSpec, waitForState } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";

setDefaultTimeout(60_000);

const HOUR_MS = 3_600_000;

let cluster: PostgresCluster;
let databaseUrl: string;
let node: NodeProcess;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-shell-"));
  cluster = await PostgresCluster.start();
  databaseUrl = await cluster.createDatabase();
  node = await NodeProcess.start({ runtime: "bun", databaseUrl });
});

afterAll(async () => {
  await node?.kill();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function doorbuster(...args: string[]): Promise<EndedProcess> {
  const env = { ADMIN_PORT: String(node.adminPort), ADMIN_TOKEN: node.adminToken };
  return await runToEnd({ runtime: "bun", args, env });
}

test("creates, shows, opens, pauses, resumes and closes a sale, and proves its books, with exit code 0", async () => {
  const spec = saleSpec({ opensAt: Date.now() + HOUR_MS, closesAt: Date.now() + 2 * HOUR_MS });
  const saleId = String(spec["id"]);
  const sale = { saleId, sku: "seat" };
  const file = join(folder, "sale.json");
  writeFileSync(file, JSON.stringify(spec));
  const created = await doorbuster("sale", "create", file);
  expect([created.code, created.output.includes(saleId)], created.output).toEqual([0, true]);
  expect((await doorbuster("sale", "list")).output).toContain(saleId);
  const buyer = await Buyer.guest(node.buyerUrl);
  for (const [command, state] of [
    ["open", "open"],
    ["pause", "paused"],
    ["resume", "open"],
    ["close", "closed"],
  ] as const) {
    const ended = await doorbuster("sale", command, saleId);
    expect(ended.code, ended.output).toBe(0);
    await waitForState(node.buyerUrl, saleId, state);
    const answer = await buyer.reserve(sale);
    if (state === "open") expectAccepted(answer);
    else expectRefusal(answer, state);
  }
  const audit = await doorbuster("audit", saleId);
  expect([audit.code, /balanced/i.test(audit.output)], audit.output).toEqual([0, true]);
});

test("creates the sale of the documented example", async () => {
  const created = await doorbuster("sale", "create", "docs/operating/sale.example.json", "--json");
  expect(created.code, created.output).toBe(0);
  const sale = JSON.parse(created.output);
  expect(sale).toMatchObject({ id: "summer-night", state: "scheduled", opensAt: Date.parse("2030-06-01T18:00:00Z") });
  expect(sale.items.map((item: { sku: string; total: number }) => [item.sku, item.total])).toEqual([
    ["standing", 3_000],
    ["front-row", 40],
  ]);
});

test("exits 1 when the books do not balance, naming what is wrong", async () => {
  const spec = saleSpec();
  const file = join(folder, "cooked.json");
  writeFileSync(file, JSON.stringify(spec));
  expect((await doorbuster("sale", "create", file)).code).toBe(0);
  const saleId = String(spec["id"]);
  const buyer = await Buyer.guest(node.buyerUrl);
  await waitForState(node.buyerUrl, saleId, "open");
  const { rid } = expectAccepted(await buyer.reserve({ saleId, sku: "seat" }));
  await cluster.query(databaseUrl, "delete from orders where rid = $1", [rid]);
  const audit = await doorbuster("audit", saleId);
  expect(audit.code, audit.output).toBe(1);
  expect(audit.output).toMatch(/held_mismatch/);
});

test("exits 1 for a sale that is not there and for a token that is wrong", async () => {
  expect((await doorbuster("sale", "show", "no-such-sale")).code).toBe(1);
  expect((await doorbuster("audit", "no-such-sale")).code).toBe(1);
  const stranger = await doorbuster("sale", "list", "--token", "not-the-token-at-all");
  expect([stranger.code, /token/i.test(stranger.output)], stranger.output).toEqual([1, true]);
});

test("migrates an empty database, and finds nothing to do the second time", async () => {
  const env = { DATABASE_URL: await cluster.createDatabase(), SECRET: node.secret, ADMIN_TOKEN: node.adminToken };
  const first = await runToEnd({ runtime: "node", args: ["migrate"], env });
  expect([first.code, /0001_ledger/.test(first.output)], first.output).toEqual([0, true]);
  const second = await runToEnd({ runtime: "bun", args: ["migrate"], env });
  expect([second.code, /0001_ledger/.test(second.output)], second.output).toEqual([0, false]);
});

test("refuses to run on a database whose migration was changed, and says which", async () => {
  const env = { DATABASE_URL: await cluster.createDatabase(), SECRET: node.secret, ADMIN_TOKEN: node.adminToken };
  expect((await runToEnd({ runtime: "bun", args: ["migrate"], env })).code).toBe(0);
  const tables = await cluster.query<{ table: string }>(
    env.DATABASE_URL,
    "select table_schema || '.' || table_name as table from information_schema.columns where column_name = 'checksum'",
  );
  for (const { table } of tables)
    await cluster.query(env.DATABASE_URL, `update ${table} set checksum = repeat('0', 64)`);
  expect(tables.length).toBeGreaterThan(0);
  const ended = await runToEnd({ runtime: "bun", args: ["serve"], env: { ...env, PORT: "0", ADMIN_PORT: "0" } });
  expect(ended.code, ended.output).toBeGreaterThan(0);
  expect(ended.output).toMatch(/0001_ledger|migration/i);
});
