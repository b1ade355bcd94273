/**
 * Changes of mode over real servers: what Redis loses or forgets costs buyers a pause, never a unit and never an order.
 *
 * Short forms of what lab/chaos does to whole deployments.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { readDeploymentId } from "../../src/adapters/postgres/deployment-id.ts";
import { createPostgresAuditStore } from "../../src/adapters/postgres/postgres-audit-store.ts";
import { PostgresLedger } from "../../src/adapters/postgres/postgres-ledger.ts";
import { LedgerKeys } from "../../src/adapters/redis/keys.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { type AuditReport, createAuditor } from "../../src/ledger/auditor.ts";
import { BucketAuditor } from "../../src/ledger/bucket-auditor.ts";
import { BatchCommitter } from "../../src/orders/batch-committer.ts";
import { GAP_AGE_MS_MIN, GapAudit } from "../../src/orders/gap-audit.ts";
import { createSaleAlarm } from "../../src/orders/sale-alarm.ts";
import { ROLLED_BACK, StreamRecovery } from "../../src/orders/stream-recovery.ts";
import { range, waitUntil } from "../support/waiting.ts";
import { buyerOf, itemIdOf, openSale, present, ridOf, silentLog } from "./ledger-fixture.ts";
import { openRedisFixture, type RedisFixture } from "./redis-fixture.ts";

describe("modes of the redis ledger", () => {
  let fixture: RedisFixture;
  before(async () => {
    fixture = await openRedisFixture();
  });
  after(() => fixture.close());

  async function buy(sale: Sale, buyers: readonly number[]): Promise<readonly string[]> {
    const { outcomes } = await fixture.ledger.reserve({
      saleId: sale.id,
      itemId: itemIdOf(sale),
      epoch: present(fixture.directory.findSale(sale.id)).epoch,
      attempts: buyers.map((buyer) => ({
        rid: ridOf(sale, buyerOf(buyer), "k"),
        buyerId: buyerOf(buyer),
        quantity: 1,
      })),
    });
    return outcomes.map((outcome) => {
      if (outcome.kind === "refused") return outcome.reason;
      return outcome.kind === "accepted" ? outcome.status : outcome.kind;
    });
  }

  async function audit(sale: Sale): Promise<AuditReport> {
    const buckets = new BucketAuditor({ store: fixture.store, books: fixture.books, clock: createSystemClock() });
    return present(await createAuditor(createPostgresAuditStore(fixture.database), buckets).audit(sale.id));
  }

  test("a killed Redis loses no order: Postgres sells on, and the sale returns with all it knew", async () => {
    const sale = await openSale(fixture, { stocks: [10], perBuyerMax: 1 });
    assert.deepEqual(await buy(sale, range(3)), ["held", "held", "held"]);
    await fixture.server.kill();
    await fixture.server.startServer();
    await waitUntil("the sale to have left redis mode", async () => {
      await fixture.directory.refresh();
      await fixture.conductor.runOnce();
      return present(fixture.directory.findSale(sale.id)).epoch > sale.epoch;
    });
    const back = await fixture.reachMode(sale.id, "redis");
    assert.ok(back.epoch >= sale.epoch + 2, "by way of postgres mode");
    assert.deepEqual(await buy(sale, [0, 1, 7]), ["held", "held", "held"]);
    const report = await audit(sale);
    assert.deepEqual([report.balanced, report.unproven], [true, null]);
    assert.equal(report.items[0]?.ordersHeld, 4);
  });

  test("entries deleted by hand from the stream become orders when they have been missing for long enough", async () => {
    const sale = await openSale(fixture, { stocks: [5] });
    await fixture.worker.stop();
    const address = { itemId: itemIdOf(sale), bucket: 0, epoch: sale.epoch };
    const rid = ridOf(sale, buyerOf(1), "k");
    await fixture.store.reserve({ ...address, leaseId: null, attempts: [{ rid, buyerId: buyerOf(1), quantity: 2 }] });
    const keys = new LedgerKeys(await readDeploymentId(fixture.database));
    assert.equal(await fixture.server.call("XDEL", keys.streamOf(address, sale.epoch), "1-0"), 1);
    const system = createSystemClock();
    let aheadMs = 0;
    const clock = { ...system, monotonicMs: () => system.monotonicMs() + aheadMs };
    const alarm = createSaleAlarm({ books: fixture.books, log: silentLog });
    const parts = { ...fixture, sales: fixture.directory, alarm, clock, random: createSystemRandom(), log: silentLog };
    const gaps = new GapAudit({ ...parts, committer: new BatchCommitter(parts), onRepaired: () => undefined });
    await gaps.look();
    assert.equal(await fixture.orders.findOrder(rid), null);
    aheadMs = GAP_AGE_MS_MIN;
    await gaps.look();
    const order = present(await fixture.orders.findOrder(rid));
    assert.deepEqual([order.status, order.quantity], ["held", 2]);
    fixture.worker.start();
    assert.deepEqual((await audit(sale)).violations, []);
  });

  test("a restored PostgreSQL stops the sale, and recovering it brings the forgotten orders back", async () => {
    const sale = await openSale(fixture, { stocks: [10] });
    const backup = await fixture.database.query<{ row: string }>(
      { text: "SELECT to_jsonb(k)::text AS row FROM stock k WHERE item_id = $1" },
      [itemIdOf(sale)],
    );
    assert.deepEqual(await buy(sale, range(4)), ["held", "held", "held", "held"]);
    await waitUntil("the orders to be seen committed", async () => {
      await fixture.conductor.runOnce();
      return (await fixture.store.audit({ itemId: itemIdOf(sale), bucket: 0 }))?.committedSeq === 4;
    });
    await restore(sale, present(backup[0]).row);
    const stopped = await fixture.reachMode(sale.id, "closed");
    const [state] = await fixture.books.readLedgerStates([sale.id]);
    assert.ok(state?.modeReason.startsWith(ROLLED_BACK), state?.modeReason);

    const random = createSystemRandom();
    const parts = { store: fixture.store, books: fixture.books, orders: fixture.orders };
    const recovery = new StreamRecovery({ ...parts, clock: createSystemClock(), random, log: silentLog });
    const report = await recovery.recover(stopped);
    assert.deepEqual([report.found, report.recovered, report.voided], [4, 4, 0]);
    await fixture.reachMode(sale.id, "redis");
    assert.deepEqual(await buy(sale, [0, 9]), ["held", "held"]);
    const audited = await audit(sale);
    assert.deepEqual(audited.violations, []);
    assert.equal(audited.items[0]?.ordersHeld, 5);
  });

  /** Takes the item back to what a backup said of it: its stock row, and no order. */
  async function restore(sale: Sale, row: string): Promise<void> {
    const itemId = itemIdOf(sale);
    await fixture.database.transaction(async (connection) => {
      await connection.query({ text: "DELETE FROM orders WHERE item_id = $1" }, [itemId]);
      await connection.query({ text: "DELETE FROM buyer_hold WHERE item_id = $1" }, [itemId]);
      await connection.query(
        {
          text: `UPDATE stock k SET free = b.free, granted = b.granted, held = b.held, sold = b.sold, seq = b.seq
                   FROM jsonb_populate_record(NULL::stock, $2::jsonb) b WHERE k.item_id = $1`,
        },
        [itemId, row],
      );
    });
  }

  test("whoever acts on the old epoch is refused by both sides after a change of mode", async () => {
    const sale = await openSale(fixture, { stocks: [3] });
    const later = await fixture.fence(sale);
    assert.ok(later.epoch > sale.epoch);
    const attempts = [{ rid: ridOf(sale, buyerOf(1), "k"), buyerId: buyerOf(1), quantity: 1 }];
    const batch = { saleId: sale.id, itemId: itemIdOf(sale), epoch: sale.epoch, attempts };
    await assert.rejects(new PostgresLedger(fixture.database).reserve(batch), { code: "LEDGER_FENCED" });
    const address = { itemId: itemIdOf(sale), bucket: 0, epoch: sale.epoch };
    await assert.rejects(fixture.store.reserve({ ...address, leaseId: null, attempts }), { code: "LEDGER_FENCED" });
    const row = { seq: 1, rid: "r", buyerId: "b", quantity: 1, promisedUntil: 0 };
    assert.deepEqual(await fixture.books.commitBatch({ ...address, saleId: sale.id, rows: [row] }), { kind: "fenced" });
  });
});
