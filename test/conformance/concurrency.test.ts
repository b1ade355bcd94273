/**
 * Many processes on one PostgreSQL: exact counts, no deadlock, whatever runs beside the sale.
 *
 * Each worker has a pool of its own, as another process would. Judged by recomputing stock from the orders.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PostgresLedger } from "../../src/adapters/postgres/postgres-ledger.ts";
import { PostgresOrderStore } from "../../src/adapters/postgres/postgres-order-store.ts";
import type { Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Database } from "../../src/ports/database.ts";
import { createDice, type Dice } from "./history.ts";
import {
  buyerOf,
  connect,
  itemIdOf,
  type LedgerFixture,
  openPostgresFixture,
  openSale,
  ridOf,
} from "./ledger-fixture.ts";

const WORKERS = 4;
const ROUNDS = 60;
const BATCH = 32;
const TIMEOUT_MS = 60_000;

describe("concurrency: postgres", () => {
  let fixture: LedgerFixture & { readonly url: string };
  let pools: Database[] = [];
  before(async () => {
    fixture = await openPostgresFixture();
    pools = Array.from({ length: WORKERS }, () => connect(fixture.url, 4));
  });
  after(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await fixture.close();
  });

  /** Stock rows recomputed from the orders themselves. */
  async function assertBalanced(sale: Sale): Promise<{ taken: number; total: number }> {
    const sums = await fixture.database.query<{ item_id: number; held: number; sold: number }>(
      {
        text: `SELECT item_id, coalesce(sum(quantity) FILTER (WHERE status IN ('held', 'expiring')), 0)::integer AS held,
                      coalesce(sum(quantity) FILTER (WHERE status = 'paid'), 0)::integer AS sold
                 FROM orders WHERE sale_id = $1 GROUP BY item_id`,
      },
      [sale.id],
    );
    let taken = 0;
    let total = 0;
    for (const stock of await fixture.ledger.readStock(sale.items.map((item) => item.itemId))) {
      const sum = sums.find((row) => row.item_id === stock.itemId) ?? { held: 0, sold: 0 };
      assert.deepEqual([stock.held, stock.sold], [sum.held, sum.sold]);
      taken += sum.held + sum.sold;
      total += stock.total;
    }
    return { taken, total };
  }

  test("sells exactly the stock to a hundred times as many wishes from four pools", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const sale = await openSale(fixture, { stocks: [200], perBuyerMax: 1 });
    await Promise.all(
      pools.map(async (pool, worker) => {
        const ledger = new PostgresLedger(pool);
        for (let round = 0; round < ROUNDS; round++) {
          const buyers = Array.from({ length: BATCH }, (_, index) => buyerOf(`${worker}-${round}-${index}`));
          await ledger.reserve({
            saleId: sale.id,
            itemId: itemIdOf(sale),
            epoch: sale.epoch,
            attempts: buyers.map((buyerId) => ({ rid: ridOf(sale, buyerId, "k"), buyerId, quantity: 1 })),
          });
        }
      }),
    );
    assert.deepEqual(await assertBalanced(sale), { taken: 200, total: 200 });
  });

  test("the same keys through four pools at once give each buyer one reservation", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const sale = await openSale(fixture, { stocks: [1_000], perBuyerMax: 2 });
    const buyers = Array.from({ length: BATCH }, (_, index) => buyerOf(`same-${index}`));
    const attempts = buyers.map((buyerId) => ({ rid: ridOf(sale, buyerId, "k"), buyerId, quantity: 1 }));
    const batch = { saleId: sale.id, itemId: itemIdOf(sale), epoch: sale.epoch, attempts };
    const answers = await Promise.all(pools.map((pool) => new PostgresLedger(pool).reserve(batch)));
    const fresh = answers.flatMap((answer) => answer.outcomes).filter((o) => o.kind === "accepted" && !o.replayed);
    assert.equal(fresh.length, BATCH);
    assert.equal((await assertBalanced(sale)).taken, BATCH);
  });

  test("selling, cancelling, expiring and paying side by side never deadlock and always balance", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const sale = await openSale(fixture, { stocks: [60, 60], perBuyerMax: 3 });
    const deadlocksBefore = await deadlocks(fixture.database);
    await Promise.all(pools.map((pool, worker) => mixedWork({ pool, sale, dice: createDice(worker + 1) })));
    await assertBalanced(sale);
    assert.equal(await deadlocks(fixture.database), deadlocksBefore);
  });
});

async function mixedWork(options: { pool: Database; sale: Sale; dice: Dice }): Promise<void> {
  const { pool, sale, dice } = options;
  const ledger = new PostgresLedger(pool);
  const orders = new PostgresOrderStore(pool);
  for (let round = 0; round < ROUNDS; round++) {
    const item = dice(2);
    const wishes = new Map(
      Array.from({ length: 8 }, () => {
        const buyerId = buyerOf(`mixed-${dice(40)}`);
        return [
          buyerId,
          { rid: ridOf(sale, buyerId, `key-${item}-${round}-${dice(2)}`), buyerId, quantity: 1 + dice(2) },
        ];
      }),
    );
    const attempts = [...wishes.values()];
    await ledger.reserve({ saleId: sale.id, itemId: itemIdOf(sale, item), epoch: sale.epoch, attempts });
    await Promise.all(attempts.map(({ rid, buyerId }) => endSomehow({ orders, pool, rid, buyerId, way: dice(5) })));
    const expiring = await orders.beginExpiry({ rowsMax: 50, retryAfterMs: 10_000 });
    await orders.finishEnding(expiring.map((order) => order.rid));
  }
}

async function endSomehow(options: {
  orders: PostgresOrderStore;
  pool: Database;
  rid: Rid;
  buyerId: ReturnType<typeof buyerOf>;
  way: number;
}): Promise<void> {
  const { orders, pool, rid, buyerId, way } = options;
  if (way === 0) return;
  if (way === 1) {
    await orders.cancelHold({ rid, buyerId });
    return;
  }
  if (way === 2) {
    await pool.query({ text: "UPDATE orders SET hold_until = 1 WHERE rid = $1" }, [rid]);
    return;
  }
  await orders.attachPayment({ rid, paymentId: `pay-${rid}` });
  const amount = { amount: way === 3 ? 1_000 : 2_000, currency: "EUR" };
  await orders.settlePayment({ provider: "test", notificationId: `n-${rid}`, paymentId: `pay-${rid}`, amount });
}

async function deadlocks(database: Database): Promise<number> {
  const [row] = await database.query<{ deadlocks: number }>({
    text: "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
  });
  return row?.deadlocks ?? 0;
}
