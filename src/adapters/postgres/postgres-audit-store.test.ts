import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { SaleId } from "../../domain/ids.ts";
import { AUDIT_VIOLATIONS, type Auditor, type AuditViolationCode, createAuditor } from "../../ledger/auditor.ts";
import type { Database } from "../../ports/database.ts";
import { openPgliteDatabase } from "../pglite/pglite-database.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { createPostgresAuditStore } from "./postgres-audit-store.ts";

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const DROP = "drop" as SaleId;
const TABLES = "sale, item, stock, orders, buyer_hold, outbox, stock_adjustment";

let database: Database;
let auditor: Auditor;

async function sql(text: string, values: readonly (string | number)[] = []): Promise<void> {
  await database.query({ text }, values);
}

/** Nothing may hold the tests back from corrupting the data. */
async function dropConstraints(): Promise<void> {
  const found = await database.query<{ statement: string }>({
    text: `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) AS statement
             FROM pg_constraint WHERE contype IN ('c', 'f')
              AND conrelid IN ('stock'::regclass, 'orders'::regclass, 'buyer_hold'::regclass)
           UNION ALL
           SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
             FROM pg_constraint WHERE contype = 'u' AND conrelid = 'orders'::regclass`,
  });
  for (const { statement } of found) await sql(statement);
}

async function reserve(rids: readonly string[], quantity: number): Promise<void> {
  const answers = await database.query<{ verdicts: string }>(
    { text: "SELECT verdicts FROM reserve_batch($1, (SELECT item_id FROM item), 1, $2, $3, $4::integer[])" },
    [DROP, rids, rids.map((rid) => `buyer-${rid}`), rids.map(() => quantity)],
  );
  expect(answers[0]?.verdicts).toBe("H".repeat(rids.length));
}

/** Ten units: r1 and r2 paid, r3 expiring, r4 held, r5 cancelled: seven units are taken. */
async function stageSale(): Promise<void> {
  await sql(`TRUNCATE ${TABLES} RESTART IDENTITY CASCADE`);
  await sql(
    `INSERT INTO sale (id, name, opens_at, closes_at, hold_ms, per_buyer_max, challenge, signature, eligibility)
     VALUES ($1, 'Drop', 0, 9e15, 60000, 2, 'none', 'required', '{}')`,
    [DROP],
  );
  await sql(`INSERT INTO item (sale_id, sku, name, price_amount, price_currency, per_buyer_max, position)
             VALUES ('drop', 'shoe', 'Shoe', 4900, 'EUR', 2, 0)`);
  await sql("INSERT INTO stock (item_id, total, free) SELECT item_id, 10, 10 FROM item");
  await reserve(["r1", "r2"], 2);
  await reserve(["r3", "r4", "r5"], 1);
  await sql("UPDATE orders SET payment_id = 'pay-' || rid WHERE rid IN ('r1', 'r2')");
  await sql("SELECT settle_payment('sandbox', NULL, 'pay-r1', 9800, 'EUR')");
  await sql("SELECT settle_payment('sandbox', NULL, 'pay-r2', 9800, 'EUR')");
  await sql("UPDATE orders SET status = 'expiring' WHERE rid = 'r3'");
  await sql("SELECT cancel_hold('r5', 'buyer-r5')");
}

beforeAll(async () => {
  database = await openPgliteDatabase({ directory: null, answerTimeoutMs: 20_000, log: SILENT });
  await migrate(database, await readMigrations());
  await dropConstraints();
  auditor = createAuditor(createPostgresAuditStore(database));
}, 60_000);

beforeEach(stageSale);

afterAll(async () => {
  await database.close();
});

test("a sale with every kind of ending balances, and every unit is in its place", async () => {
  const report = await auditor.audit(DROP);
  expect(report?.violations).toEqual([]);
  expect(report?.balanced).toBe(true);
  expect(report?.items).toEqual([
    {
      sku: "shoe",
      total: 10,
      free: 4,
      granted: 0,
      held: 2,
      sold: 4,
      inFlight: 0,
      ordersHeld: 2,
      ordersSold: 4,
      orders: { cancelled: 1, expiring: 1, held: 1, paid: 2 },
    },
  ]);
});

test("adjusting the stock keeps the books balanced", async () => {
  await sql("SELECT adjust_stock('drop', 'shoe', 5, 'found a box')");
  await sql("SELECT adjust_stock('drop', 'shoe', -3, 'water damage')");
  const report = await auditor.audit(DROP);
  expect(report?.balanced).toBe(true);
  expect(report?.items[0]?.total).toBe(12);
});

test("a fence that starts a new sequence keeps the books balanced", async () => {
  await sql("SELECT fence_sale('drop', 1, 'postgres')");
  expect((await auditor.audit(DROP))?.violations).toEqual([]);
});

test("a sale that does not exist has no audit", async () => {
  expect(await auditor.audit("nowhere" as SaleId)).toBeNull();
});

/** For each code a corruption of the stored data that must be reported. */
const CORRUPTIONS: Record<AuditViolationCode, string> = {
  stock_missing: "DELETE FROM stock",
  stock_not_conserved: "UPDATE stock SET free = free + 1",
  stock_negative: "UPDATE stock SET free = -1, granted = granted + 5",
  total_unexplained: "UPDATE stock SET total = total + 1, free = free + 1",
  held_mismatch: "UPDATE stock SET held = held - 1, free = free + 1",
  sold_mismatch: "UPDATE stock SET sold = sold - 1, free = free + 1",
  oversold: "UPDATE orders SET quantity = 40 WHERE rid = 'r4'",
  granted_unexpected: "UPDATE stock SET granted = 1, free = free - 1",
  status_unknown: "UPDATE orders SET status = 'misplaced' WHERE rid = 'r4'",
  buyer_hold_mismatch: "UPDATE buyer_hold SET quantity = 0 WHERE buyer_id = 'buyer-r4'",
  buyer_over_limit: "UPDATE orders SET quantity = 3 WHERE rid = 'r1'",
  sequence_gap: "UPDATE orders SET seq = 9 WHERE rid = 'r5'",
  sequence_duplicate: "UPDATE orders SET seq = 1 WHERE rid = 'r5'",
  sequence_counter_mismatch: "UPDATE stock SET seq = seq + 1",
  epoch_from_future: "UPDATE orders SET epoch = 2 WHERE rid = 'r5'",
  paid_without_payment: "UPDATE orders SET payment_id = NULL WHERE rid = 'r1'",
  amount_mismatch: "UPDATE orders SET amount = 1 WHERE rid = 'r4'",
  order_misfiled: "UPDATE orders SET sale_id = 'elsewhere' WHERE rid = 'r4'",
};

for (const code of Object.keys(AUDIT_VIOLATIONS) as AuditViolationCode[]) {
  test(`data corrupted behind the constraints' back is reported as ${code}`, async () => {
    await sql(CORRUPTIONS[code]);
    const report = await auditor.audit(DROP);
    expect(report?.balanced).toBe(false);
    expect(report?.violations.map((violation) => violation.code)).toContain(code);
  });
}

test("a violation names the row that is wrong", async () => {
  await sql(CORRUPTIONS.buyer_hold_mismatch);
  const report = await auditor.audit(DROP);
  expect(report?.violations).toHaveLength(1);
  expect(report?.violations[0]?.text).toContain("buyer-r4");
});
