/** Rehearsals in the database, embedded and real: one at a time, each ended once, certificates as they were signed. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createPostgresRehearsalStore } from "../../src/adapters/postgres/postgres-rehearsal-store.ts";
import type { RehearsalStore } from "../../src/ports/rehearsal-store.ts";
import { type LedgerFixture, openPgliteFixture, openPostgresFixture } from "./ledger-fixture.ts";

const SIGNED = '{ "signature": "x", "certificate": {"b": 1, "a": 2} }';

function describeRehearsals(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`rehearsals: ${name}`, () => {
    let fixture: LedgerFixture;
    let store: RehearsalStore;
    before(async () => {
      fixture = await open();
      store = createPostgresRehearsalStore(fixture.database);
    });
    after(() => fixture.close());

    test("of many that begin at once one does, and the next only after its end or its time", async () => {
      const ids = Array.from({ length: 8 }, (_, index) => `at-once-${index}`);
      const begun = await Promise.all(ids.map((id) => store.begin({ id, saleId: null, durationMs: 60_000 })));
      assert.equal(begun.filter(Boolean).length, 1);
      const first = ids[begun.indexOf(true)] ?? "";
      await store.finish({ id: first, signed: null, failure: "It was a test." });
      assert.ok(await store.begin({ id: "over", saleId: null, durationMs: 0 }));
      // Its node died: its time is over.
      assert.ok(await store.begin({ id: "next", saleId: "drop", durationMs: 60_000 }));
      await store.finish({ id: "next", signed: SIGNED, failure: null });
      const [, over] = await store.list({ saleId: null, rowsMax: 2 });
      assert.equal(over?.finishedAt, null);
    });

    test("what was finished stays as it is, text for text", async () => {
      await store.finish({ id: "next", signed: null, failure: "afterwards" });
      const found = await store.find("next");
      assert.deepEqual([found?.signed, found?.failure, found?.saleId], [SIGNED, null, "drop"]);
      assert.ok((found?.finishedAt ?? 0) >= (found?.startedAt ?? Number.NaN));
      assert.equal(await store.find("nothing"), null);
    });

    test("its end is asked for while it runs, and not any more", async () => {
      for (const id of ["next", "nothing"]) await store.askToStop(id);
      assert.equal((await store.find("next"))?.isStopping, false);
      assert.ok(await store.begin({ id: "long", saleId: null, durationMs: 60_000 }));
      assert.equal((await store.find("long"))?.isStopping, false);
      const before = await store.find("long");
      await store.askToStop("long");
      const asked = await store.find("long");
      const [earliest, latest] = [25_000, 35_000].map((ms) => (before?.endsAt ?? 0) - 60_000 + ms);
      assert.ok(asked !== null && asked.endsAt >= (earliest ?? 0) && asked.endsAt <= (latest ?? 0));
      await store.askToStop("long");
      assert.equal((await store.find("long"))?.endsAt, asked.endsAt, "asking again does not put it off");
      assert.deepEqual([(await store.find("long"))?.isStopping, (await store.find("long"))?.finishedAt], [true, null]);
      await store.finish({ id: "long", signed: null, failure: "It was stopped." });
    });

    test("those of a sale are listed, the newest first", async () => {
      assert.ok(await store.begin({ id: "later", saleId: "drop", durationMs: 0 }));
      const ids = (await store.list({ saleId: "drop", rowsMax: 10 })).map(({ id }) => id);
      assert.deepEqual([...ids].sort(), ["later", "next"]);
      assert.equal((await store.list({ saleId: "drop", rowsMax: 1 })).length, 1);
      assert.deepEqual(await store.list({ saleId: "other", rowsMax: 10 }), []);
    });
  });
}

describeRehearsals("pglite", openPgliteFixture);
describeRehearsals("postgres", openPostgresFixture);
