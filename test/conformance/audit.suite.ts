/**
 * The audit on real databases: sound books balance, and every way of corrupting them is reported by its name.
 *
 * The constraints that make such corruption impossible are dropped first, in this suite's own database: the auditor must
 * not depend on what it audits.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createPostgresAuditStore } from "../../src/adapters/postgres/postgres-audit-store.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import { AUDIT_VIOLATIONS, type Auditor, type AuditViolationCode, createAuditor } from "../../src/ledger/auditor.ts";
import type { Database } from "../../src/ports/database.ts";
import type { LedgerFixture } from "./ledger-fixture.ts";

const DROP = "drop" as SaleId;
const TABLES = "sale, item, stock, orders, buyer_hold, outbox, stock_adjustment";

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

class Stage {
  readonly #database: Database;
  readonly auditor: Auditor;

  constructor(database: Database) {
    this.#database = database;
    // Buckets are another suite's business: here Postgres alone decides.
    this.auditor = createAuditor(createPostgresAuditStore(database), { check: async () => null });
  }

  async sql(text: string, values: readonly (string | number)[] = []): Promise<void> {
    await this.#database.query({ text }, values);
  }

  /** Nothing may hold the tests back from corrupting the data. */
  async dropConstraints(): Promise<void> {
    const found = await this.#database.query<{ statement: string }>({
      text: `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) AS statement
               FROM pg_constraint WHERE contype IN ('c', 'f')
                AND conrelid IN ('stock'::regclass, 'orders'::regclass, 'buyer_hold'::regclass)
             UNION ALL
             SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
               FROM pg_constraint WHERE contype = 'u' AND conrelid = 'orders'::regclass`,
    });
    for (const { statement } of found) await this.sql(statement);
  }

  /** Ten units: r1 and r2 paid, r3 expiring, r4 held, r5 cancelled: six are taken. */
  async openSale(): Promise<void> {
    await this.sql(`TRUNCATE ${TABLES} RESTART IDENTITY CASCADE`);
    await this.sql(
      `INSERT INTO sale (id, name, opens_at, closes_at, hold_ms, per_buyer_max, challenge, signature, eligibility)
       VALUES ($1, 'Drop', 0, 9000000000000000, 60000, 2, 'none', 'required', '{}')`,
      [DROP],
    );
    await this.sql(`INSERT INTO item (sale_id, sku, name, price_amount, price_currency, per_buyer_max, position)
                    VALUES ('drop', 'shoe', 'Shoe', 4900, 'EUR', 2, 0)`);
    await this.sql("INSERT INTO stock (item_id, total, free) SELECT item_id, 10, 10 FROM item");
    await this.#reserve(["r1", "r2"], 2);
    await this.#reserve(["r3", "r4", "r5"], 1);
    await this.sql("UPDATE orders SET payment_id = 'pay-' || rid WHERE rid IN ('r1', 'r2')");
    await this.sql("SELECT settle_payment('sandbox', NULL, 'pay-r1', 9800, 'EUR')");
    await this.sql("SELECT settle_payment('sandbox', NULL, 'pay-r2', 9800, 'EUR')");
    await this.sql("UPDATE orders SET status = 'expiring' WHERE rid = 'r3'");
    await this.sql("SELECT cancel_hold('r5', 'buyer-r5')");
  }

  async #reserve(rids: readonly string[], quantity: number): Promise<void> {
    const answers = await this.#database.query<{ verdicts: string }>(
      { text: "SELECT verdicts FROM reserve_batch($1, (SELECT item_id FROM item), 1, $2, $3, $4::integer[])" },
      [DROP, rids, rids.map((rid) => `buyer-${rid}`), rids.map(() => quantity)],
    );
    assert.equal(answers[0]?.verdicts, "H".repeat(rids.length));
  }
}

export function describeAudit(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`audit: ${name}`, () => {
    let fixture: LedgerFixture;
    let stage: Stage;
    before(async () => {
      fixture = await open();
      stage = new Stage(fixture.database);
      await stage.dropConstraints();
    });
    beforeEach(() => stage.openSale());
    after(() => fixture.close());

    async function codes(): Promise<readonly string[] | undefined> {
      return (await stage.auditor.audit(DROP))?.violations.map((violation) => violation.code);
    }

    test("a sale with every kind of ending balances, and every unit is in its place", async () => {
      const report = await stage.auditor.audit(DROP);
      assert.deepEqual(report?.violations, []);
      assert.equal(report?.balanced, true);
      const places = { total: 10, free: 4, granted: 0, held: 2, sold: 4, inFlight: 0, ordersHeld: 2, ordersSold: 4 };
      const orders = { cancelled: 1, expiring: 1, held: 1, paid: 2 };
      assert.deepEqual(report?.items, [{ sku: "shoe", ...places, orders, places: null }]);
    });

    test("adjusting the stock keeps the books balanced", async () => {
      await stage.sql("SELECT adjust_stock('drop', 'shoe', 5, 'found a box')");
      await stage.sql("SELECT adjust_stock('drop', 'shoe', -3, 'water damage')");
      const report = await stage.auditor.audit(DROP);
      assert.equal(report?.balanced, true);
      assert.equal(report?.items[0]?.total, 12);
    });

    test("a fence that starts a new sequence keeps the books balanced", async () => {
      await stage.sql("SELECT fence_sale('drop', 1, 'postgres')");
      assert.deepEqual(await codes(), []);
    });

    test("a sale that does not exist has no audit", async () => {
      assert.equal(await stage.auditor.audit("nowhere" as SaleId), null);
    });

    for (const code of Object.keys(AUDIT_VIOLATIONS) as AuditViolationCode[]) {
      test(`data corrupted behind the constraints' back is reported as ${code}`, async () => {
        await stage.sql(CORRUPTIONS[code]);
        const found = await codes();
        assert.ok(found?.includes(code), `found ${found?.join(", ")}`);
      });
    }

    test("a violation names the row that is wrong", async () => {
      await stage.sql(CORRUPTIONS.buyer_hold_mismatch);
      const report = await stage.auditor.audit(DROP);
      assert.equal(report?.violations.length, 1);
      assert.match(report?.violations[0]?.text ?? "", /buyer-r4/);
    });
  });
}
