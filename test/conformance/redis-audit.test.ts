/**
 * The audits over real servers: no false alarm while everything moves, and every real damage reported while it moves too.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { readDeploymentId } from "../../src/adapters/postgres/deployment-id.ts";
import { createPostgresAuditStore } from "../../src/adapters/postgres/postgres-audit-store.ts";
import { LedgerKeys } from "../../src/adapters/redis/keys.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { type Auditor, createAuditor } from "../../src/ledger/auditor.ts";
import { BucketAuditor } from "../../src/ledger/bucket-auditor.ts";
import { waitUntil } from "../support/waiting.ts";
import { createDice } from "./history.ts";
import { buyerOf, itemIdOf, openSale, present, ridOf } from "./ledger-fixture.ts";
import { openRedisFixture, type RedisFixture } from "./redis-fixture.ts";

const SELLERS = 6;
const LOOKS_MIN = 40;

describe("audits of the redis ledger", () => {
  let fixture: RedisFixture;
  let auditor: Auditor;
  let buckets: BucketAuditor;
  let keys: LedgerKeys;
  before(async () => {
    fixture = await openRedisFixture({ buckets: 2 });
    buckets = new BucketAuditor({ store: fixture.store, books: fixture.books, clock: createSystemClock() });
    auditor = createAuditor(createPostgresAuditStore(fixture.database), buckets);
    keys = new LedgerKeys(await readDeploymentId(fixture.database));
  });
  after(() => fixture.close());

  /** Buys and gives back until told to stop; answers how many attempts were made. */
  async function trade(sale: Sale, seller: number, isOver: () => boolean): Promise<number> {
    const dice = createDice(seller + 1);
    let attempts = 0;
    while (!isOver()) {
      const buyers = Array.from({ length: 1 + dice(8) }, (_, index) => buyerOf(`${seller}-${attempts + index}`));
      attempts += buyers.length;
      await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale, dice(2)),
        epoch: sale.epoch,
        attempts: buyers.map((buyerId) => ({ rid: ridOf(sale, buyerId, "k"), buyerId, quantity: 1 + dice(2) })),
      });
      const [first] = buyers;
      if (first !== undefined && dice(2) === 0) {
        await fixture.orders.cancelHold({ rid: ridOf(sale, first, "k"), buyerId: first });
      }
    }
    return attempts;
  }

  test("while buyers buy and give back as fast as they can, every look balances and adds up to the unit", async () => {
    const sale = await openSale(fixture, { stocks: [400, 400], perBuyerMax: 2 });
    let isOver = false;
    const sellers = Array.from({ length: SELLERS }, (_, seller) => trade(sale, seller, () => isOver));
    let looks = 0;
    let mostUncommitted = 0;
    for (; looks < LOOKS_MIN; looks += 1) {
      const report = present(await auditor.auditPlaces(sale.id));
      assert.deepEqual([report.violations, report.trouble], [[], null]);
      for (const item of report.items) {
        assert.equal(item.sum, item.total);
        mostUncommitted = Math.max(mostUncommitted, item.uncommitted);
      }
      if (looks % 10 === 0) assert.deepEqual(present(await auditor.audit(sale.id)).violations, []);
    }
    isOver = true;
    const attempts = (await Promise.all(sellers)).reduce((sum, each) => sum + each, 0);
    assert.ok(attempts > 100, `${attempts} attempts`);
    assert.ok(mostUncommitted > 0, "acceptances were seen on their way");
    // At rest everything is proven.
    await waitUntil("every acceptance to be proven", async () => {
      const report = present(await auditor.auditPlaces(sale.id));
      const all = report.items.flatMap((item) => item.buckets);
      return all.every((bucket) => bucket.seq === bucket.provenSeq && bucket.uncommitted === 0);
    });
    const report = present(await auditor.audit(sale.id));
    assert.deepEqual([report.balanced, report.mode, report.unproven], [true, "redis", null]);
  });

  /** A fresh sale with a reservation in bucket 0 of its item, and the damage done to it. */
  async function damaged(damage: (sale: Sale, meta: string) => Promise<unknown>): Promise<readonly string[]> {
    const sale = await openSale(fixture, { stocks: [20] });
    for (let index = 0; index < 6; index += 1) {
      await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale),
        epoch: sale.epoch,
        attempts: [{ rid: ridOf(sale, buyerOf(index), "k"), buyerId: buyerOf(index), quantity: 1 }],
      });
    }
    assert.deepEqual(present(await auditor.auditPlaces(sale.id)).violations, []);
    await damage(sale, keys.of({ itemId: itemIdOf(sale), bucket: 0 }).meta);
    const report = present(await auditor.auditPlaces(sale.id));
    return [...report.violations.map((violation) => violation.code), report.trouble?.kind ?? ""];
  }

  const redis = (...args: string[]) => fixture.server.call(...args);

  test("a credit that Postgres never gave is a phantom", async () => {
    const codes = await damaged((sale) =>
      fixture.store.credit({
        ...{ itemId: itemIdOf(sale), bucket: 0, epoch: sale.epoch },
        creditId: "forged",
        units: 3,
        notes: [],
      }),
    );
    assert.ok(codes.includes("phantom_credit"), codes.join());
  });

  test("a counter that somebody turned does not balance", async () => {
    const codes = await damaged((_sale, meta) => redis("HINCRBY", meta, "available", "1"));
    assert.ok(codes.includes("bucket_unbalanced"), codes.join());
  });

  test("a bucket that went back in time knows fewer acceptances than Postgres has orders", async () => {
    const codes = await damaged(async (_sale, meta) => {
      const reserved = Number(await redis("HGET", meta, "reserved"));
      await redis("HSET", meta, "seq", "0", "reserved", "0");
      await redis("HINCRBY", meta, "available", String(reserved));
    });
    assert.ok(codes.includes("redis_rolled_back"), codes.join());
  });

  test("granted units that disappear from Postgres' own row are missed", async () => {
    const codes = await damaged((sale) =>
      fixture.database.query({ text: "UPDATE stock SET granted = granted - 1, free = free + 1 WHERE item_id = $1" }, [
        itemIdOf(sale),
      ]),
    );
    assert.ok(codes.includes("granted_mismatch"), codes.join());
  });

  test("orders that were seen committed and are gone tell that Postgres went back in time", async () => {
    const codes = await damaged(async (sale) => {
      await waitUntil("the orders to be seen committed", async () => {
        await fixture.conductor.runOnce();
        const addresses = [0, 1].map((bucket) => ({ itemId: itemIdOf(sale), bucket }));
        const audits = await Promise.all(addresses.map((address) => fixture.store.audit(address)));
        return audits.some((audit) => (audit?.committedSeq ?? 0) > 0);
      });
      await fixture.database.query({ text: "DELETE FROM orders WHERE item_id = $1" }, [itemIdOf(sale)]);
    });
    assert.ok(codes.includes("postgres_rolled_back"), codes.join());
  });
});
