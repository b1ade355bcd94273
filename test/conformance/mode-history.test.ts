/** How sales came into their modes, on the embedded database and on a real PostgreSQL: nothing is left out, nothing told twice. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import { createPostgresModeHistory } from "../../src/adapters/postgres/postgres-mode-history.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import type { ModeHistory } from "../../src/ports/mode-history.ts";
import { type LedgerFixture, openPgliteFixture, openPostgresFixture, openSale, present } from "./ledger-fixture.ts";

function describeModeHistory(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`history of modes: ${name}`, () => {
    let fixture: LedgerFixture;
    let books: PostgresBooks;
    let history: ModeHistory;
    before(async () => {
      fixture = await open();
      books = new PostgresBooks(fixture.database);
      history = createPostgresModeHistory(fixture.database);
    });
    after(() => fixture.close());

    const told = async (saleId: SaleId, rowsMax = 100) =>
      (await history.read({ saleId, rowsMax })).map(({ from, to, epoch, reason }) => [from, to, epoch, reason]);

    test("a sale begins, goes to Redis and comes back: each step once, the newest first, with its reason", async () => {
      const [{ id: saleId }, other] = [
        await openSale(fixture, { stocks: [5] }),
        await openSale(fixture, { stocks: [5] }),
      ];
      const reason = "Redis is well";
      assert.ok(await books.fence({ saleId, seenEpoch: 1, from: ["postgres"], mode: "warming", reason }));
      assert.ok(await books.changeMode({ saleId, epoch: 2, from: "warming", to: "redis", reason }));
      assert.ok(await books.changeMode({ saleId, epoch: 2, from: "redis", to: "draining", reason: "Redis is gone" }));
      assert.ok(await books.fence({ saleId, seenEpoch: 2, from: ["draining"], mode: "postgres", reason: "drained" }));
      const all = [
        ["draining", "postgres", 3, "drained"],
        ["redis", "draining", 2, "Redis is gone"],
        ["warming", "redis", 2, reason],
        ["postgres", "warming", 2, reason],
        [null, "postgres", 1, "created"],
      ];
      assert.deepEqual(await told(saleId), all);
      assert.deepEqual(await told(saleId, 2), all.slice(0, 2));
      assert.deepEqual(await told(other.id), all.slice(-1));
      const [state] = await books.readLedgerStates([saleId]);
      assert.equal((await history.read({ saleId, rowsMax: 1 }))[0]?.at, present(state).modeSinceMs);
    });

    test("what changes neither mode nor epoch, and what was refused, is no step", async () => {
      const { id: saleId } = await openSale(fixture, { stocks: [5] });
      assert.ok(await books.changeMode({ saleId, epoch: 1, from: "postgres", to: "postgres", reason: "no Redis yet" }));
      assert.equal(await books.fence({ saleId, seenEpoch: 7, mode: "warming", reason: "stale" }), false);
      assert.ok(await fixture.sales.patchSale(saleId, { name: "Another name" }));
      assert.deepEqual(await told(saleId), [[null, "postgres", 1, "created"]]);
      await fixture.fence(present(await fixture.sales.findSale(saleId)));
      assert.deepEqual((await told(saleId))[0], ["postgres", "postgres", 2, "fenced"]);
    });
  });
}

describeModeHistory("pglite", openPgliteFixture);
describeModeHistory("postgres", openPostgresFixture);
