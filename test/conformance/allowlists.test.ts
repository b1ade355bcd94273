/**
 * Allowlists on the embedded database and on a real PostgreSQL: written in parts, in force as a whole, gone as a whole;
 * and sales with tiers, whose first buyers the ledger itself lets in.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { migrate, readMigrations } from "../../src/adapters/postgres/migrate.ts";
import { PostgresAllowlistStore } from "../../src/adapters/postgres/postgres-allowlist-store.ts";
import { PostgresSaleStore } from "../../src/adapters/postgres/postgres-sale-store.ts";
import { isFault } from "../../src/domain/faults.ts";
import type { BuyerId, Rid, SaleId, Sku } from "../../src/domain/ids.ts";
import type { Eligibility, Sale } from "../../src/domain/sale.ts";
import type { AllowlistEntry } from "../../src/ports/allowlist-store.ts";
import { openEmbeddedDatabase } from "../support/embedded-database.ts";
import { type LedgerFixture, openPgliteFixture, openPostgresFixture, silentLog } from "./ledger-fixture.ts";

const HOUR_MS = 3_600_000;
const NOBODY = "no-such-sale" as SaleId;

function entriesOf(count: number, tier: string | null = null): readonly AllowlistEntry[] {
  return Array.from({ length: count }, (_, index) => ({ buyerId: `buyer-${tier ?? ""}-${index}` as BuyerId, tier }));
}

function describeAllowlists(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`allowlists on ${name}`, () => {
    let fixture: LedgerFixture;
    let lists: PostgresAllowlistStore;
    let sales: PostgresSaleStore;
    let drawn = 0;

    before(async () => {
      fixture = await open();
      lists = new PostgresAllowlistStore(fixture.database);
      sales = new PostgresSaleStore(fixture.database);
    });
    after(() => fixture.close());

    async function createSale(changes: { opensAt?: number; eligibility?: Eligibility } = {}): Promise<Sale> {
      drawn += 1;
      const price = { amount: 100, currency: "EUR" };
      return sales.createSale({
        id: `listed-${drawn}` as SaleId,
        name: "Listed",
        description: null,
        imageUrl: null,
        opensAt: Date.now() - HOUR_MS,
        closesAt: Date.now() + 2 * HOUR_MS,
        holdMs: HOUR_MS,
        perBuyerMax: 1,
        challenge: "none",
        signature: "required",
        eligibility: { allowlist: true },
        buckets: 1,
        items: [{ sku: "seat" as Sku, name: "A seat", price, stock: 5, perBuyerMax: 1 }],
        ...changes,
      });
    }

    async function publish(saleId: SaleId, parts: readonly (readonly AllowlistEntry[])[]): Promise<number> {
      const listId = await lists.begin(saleId);
      assert.ok(listId !== null);
      for (const [part, entries] of parts.entries()) await lists.addPart({ listId, part, entries });
      const buyers = parts.flat().length;
      assert.equal(await lists.publish({ saleId, listId, buyers, parts: parts.length }), true);
      return listId;
    }

    test("counts from its publication and reads as it was written, tiers and all", async () => {
      const { id: saleId, revision } = await createSale();
      assert.equal(await lists.findPublished(saleId), null);
      const parts = [entriesOf(5_000), entriesOf(3, "gold"), []];
      const listId = await publish(saleId, parts);
      assert.deepEqual(await lists.findPublished(saleId), { listId, buyers: 5_003, parts: 3 });
      for (const [part, entries] of parts.entries()) assert.deepEqual(await lists.readPart({ listId, part }), entries);
      assert.equal(await lists.readPart({ listId, part: 3 }), null);
      assert.ok(((await sales.findSale(saleId))?.revision ?? 0) > revision);
    });

    test("replaces the one before as a whole: whoever still reads that one learns that it is gone", async () => {
      const { id: saleId } = await createSale();
      const old = await publish(saleId, [entriesOf(2), entriesOf(2, "gold")]);
      assert.equal((await lists.readPart({ listId: old, part: 0 }))?.length, 2);
      const fresh = await publish(saleId, [entriesOf(1)]);
      assert.equal(await lists.readPart({ listId: old, part: 1 }), null);
      assert.deepEqual(await lists.findPublished(saleId), { listId: fresh, buyers: 1, parts: 1 });
    });

    test("that is being written, or was given up, changes nothing", async () => {
      const { id: saleId } = await createSale();
      const inForce = await publish(saleId, [entriesOf(1)]);
      const draft = await lists.begin(saleId);
      assert.ok(draft !== null);
      await lists.addPart({ listId: draft, part: 0, entries: entriesOf(9) });
      assert.equal((await lists.findPublished(saleId))?.listId, inForce);
      await lists.discard(draft);
      assert.equal(await lists.readPart({ listId: draft, part: 0 }), null);
      assert.equal(await lists.publish({ saleId, listId: draft, buyers: 9, parts: 1 }), false);
      // What is in force cannot be given up.
      await lists.discard(inForce);
      assert.equal((await lists.findPublished(saleId))?.listId, inForce);
    });

    test("of two that are written at once the one published last is in force, and whole", async () => {
      const { id: saleId } = await createSale();
      const [one, two] = [await lists.begin(saleId), await lists.begin(saleId)];
      assert.ok(one !== null && two !== null);
      await lists.addPart({ listId: one, part: 0, entries: entriesOf(1) });
      await lists.addPart({ listId: two, part: 0, entries: entriesOf(2) });
      await lists.publish({ saleId, listId: two, buyers: 2, parts: 1 });
      await lists.publish({ saleId, listId: one, buyers: 1, parts: 1 });
      assert.deepEqual(await lists.findPublished(saleId), { listId: one, buyers: 1, parts: 1 });
      assert.equal((await lists.readPart({ listId: one, part: 0 }))?.length, 1);
    });

    test("of a sale that does not exist cannot be begun", async () => {
      assert.equal(await lists.begin(NOBODY), null);
      assert.equal(await lists.findPublished(NOBODY), null);
    });

    test("a sale with tiers opens for the ledger with the first of them, and says when it opens for all", async () => {
      const opensAt = Date.now() + HOUR_MS;
      const tiers = [{ name: "gold", opensAt: Date.now() - 1_000, levelMin: 1 }];
      const sale = await createSale({ opensAt, eligibility: { tiers } });
      assert.equal(sale.opensAt, opensAt);
      assert.deepEqual(sale.eligibility.tiers, tiers);
      const reserve = async (of: Sale, rid: string) => {
        const itemId = of.items[0]?.itemId ?? 0;
        const attempts = [{ rid: rid as Rid, buyerId: "ann" as BuyerId, quantity: 1 }];
        const answer = await fixture.ledger.reserve({ saleId: of.id, itemId, epoch: of.epoch, attempts });
        return answer.outcomes[0]?.kind === "refused" ? answer.outcomes[0].reason : answer.outcomes[0]?.kind;
      };
      assert.equal(await reserve(sale, "rid-of-a-tier-sale-000000000"), "accepted");
      const plain = await createSale({ opensAt, eligibility: {} });
      assert.equal(await reserve(plain, "rid-of-a-plain-sale-00000000"), "not_open");

      const opened = await sales.commandSale(sale.id, "open");
      assert.ok(opened !== null && opened.opensAt <= Date.now());
      assert.deepEqual((await sales.findSale(sale.id))?.eligibility.tiers, tiers);
    });

    test("a tier must stay ahead of its sale", async () => {
      const opensAt = Date.now() + HOUR_MS;
      const { id: saleId } = await createSale({ opensAt, eligibility: {} });
      const tiers = (at: number) => ({ eligibility: { tiers: [{ name: "gold", opensAt: at }] } });
      const isConflict = (error: unknown) => isFault(error, "SALE_CONFLICT");
      await assert.rejects(sales.patchSale(saleId, tiers(opensAt)), isConflict);
      const patched = await sales.patchSale(saleId, tiers(opensAt - 1));
      assert.equal(patched?.opensAt, opensAt);
      await assert.rejects(sales.patchSale(saleId, { opensAt: opensAt - 1 }), isConflict);
      const later = await sales.patchSale(saleId, { opensAt: opensAt + 1 });
      assert.equal(later?.opensAt, opensAt + 1);
      // Without tiers the ledger opens with the sale again.
      const plain = await sales.patchSale(saleId, { eligibility: {} });
      assert.equal(plain?.opensAt, opensAt + 1);
    });
  });
}

test("lists from before lists had parts are in force after the upgrade", async () => {
  const database = await openEmbeddedDatabase({ log: silentLog });
  try {
    const migrations = await readMigrations();
    await migrate(
      database,
      migrations.filter(({ number }) => number < 12),
    );
    await database.query({
      text: `INSERT INTO sale (id, name, opens_at, closes_at, hold_ms, per_buyer_max, challenge, signature, eligibility)
             SELECT 'old-' || n, 'Old', 1, 2, 1, 1, 'none', 'required', '{"allowlist":true}' FROM generate_series(1, 2) n`,
    });
    await database.query({
      text: "INSERT INTO allowlist SELECT 'old-1', 'buyer-' || lpad(n::text, 5, '0') FROM generate_series(1, 5001) n",
    });
    await migrate(database, migrations);
    const lists = new PostgresAllowlistStore(database);
    const list = await lists.findPublished("old-1" as SaleId);
    assert.equal(list?.buyers, 5_001);
    assert.equal(list.parts, 2);
    const parts = await Promise.all([0, 1].map((part) => lists.readPart({ listId: list.listId, part })));
    assert.deepEqual(
      parts.map((part) => part?.length),
      [5_000, 1],
    );
    assert.deepEqual(parts[1], [{ buyerId: "buyer-05001", tier: null }]);
    assert.equal(await lists.findPublished("old-2" as SaleId), null);
    const sale = await new PostgresSaleStore(database).findSale("old-1" as SaleId);
    assert.equal(sale?.opensAt, 1);
  } finally {
    await database.close();
  }
});

describeAllowlists("pglite", openPgliteFixture);
describeAllowlists("postgres", openPostgresFixture);
