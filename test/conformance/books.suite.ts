/**
 * What the books promise about single calls: every row of the table of results in docs/spec/redis-ledger.md, grants,
 * notes, fences and reports. Crashes and crowds are in books-delivery.test.ts, random histories in books-history.suite.ts.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sqlFailure } from "../../src/adapters/postgres/database-errors.ts";
import { isFault } from "../../src/domain/faults.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import type { BookedSale, CommitRow } from "../../src/ports/books.ts";
import {
  assertEquations,
  type BooksFixture,
  batchOf,
  openRedisSale,
  rowOf,
  rowsOf,
  stockRowOf,
  verdictsOf,
  withBooks,
} from "./books-fixture.ts";
import { describeTransfers } from "./books-transfers.suite.ts";
import { buyerOf, itemIdOf, type LedgerFixture, present, ridOf } from "./ledger-fixture.ts";

const HOUR_MS = 3_600_000;

export function describeBooks(name: string, open: () => Promise<LedgerFixture>): void {
  let fixture: BooksFixture;
  describe(`books: ${name}`, () => {
    before(async () => {
      fixture = await withBooks(open);
    });
    after(() => fixture.close());
    describeCommits(() => fixture);
    describeVoids(() => fixture);
    describeTransfers(() => fixture);
  });
}

/** Accepts the constraint's refusal only: it is what tells the worker which kind of void a row is. */
function refusedBy(constraint: string): (error: unknown) => boolean {
  return (error) => isFault(error, "DATABASE_REFUSED") && sqlFailure(error)?.constraint === constraint;
}

function describeCommits(fixture: () => BooksFixture): void {
  test("commits a batch: orders, holds, units, numbers and one event, at once", async () => {
    const { books, database, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], perBuyerMax: 4 });
    const ann = buyerOf("ann");
    const rows = [
      rowOf(sale, { seq: 1, buyer: ann, key: "one" }),
      rowOf(sale, { seq: 2 }),
      rowOf(sale, { seq: 3, buyer: ann, key: "two", quantity: 2 }),
    ];
    assert.deepEqual(await verdictsOf(books, batchOf(sale, rows)), ["committed", "committed", "committed"]);
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.free, stock.granted, stock.held, stock.seq], [0, 5, 4, 3]);
    const order = present(await orders.findOrder(ridOf(sale, ann, "two")));
    assert.deepEqual([order.status, order.quantity, order.amount.amount], ["held", 2, 2_000]);
    const events = await database.query<{ rids: string[] }>({ text: "SELECT rids FROM outbox WHERE kind = 'held'" });
    assert.deepEqual(
      events.at(-1)?.rids,
      rows.map((row) => row.rid),
    );
    await assertEquations(fixture(), sale.id);
  });

  test("keeps the promised end of a hold to the millisecond, also when told again", async () => {
    const { books, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const promisedUntil = Date.now() + sale.holdMs - 4_000;
    const row = rowOf(sale, { seq: 1, promisedUntil });
    const first = await books.commitBatch(batchOf(sale, [row]));
    const again = await books.commitBatch(batchOf(sale, [row]));
    assert.deepEqual(first, { kind: "done", verdicts: ["committed"], holdUntil: [promisedUntil] });
    assert.deepEqual(again, { kind: "done", verdicts: ["known"], holdUntil: [promisedUntil] });
    assert.equal(present(await orders.findOrder(ridOf(sale, row.buyerId as never, "k"))).holdUntil, promisedUntil);
  });

  test("gives a full hold from now when the promise is far off: a late commit, or a clock that is wrong", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const rows = [
      rowOf(sale, { seq: 1 }),
      rowOf(sale, { seq: 2, promisedUntil: Date.now() - HOUR_MS }),
      rowOf(sale, { seq: 3, promisedUntil: Date.now() + 9 * HOUR_MS }),
    ];
    const outcome = await books.commitBatch(batchOf(sale, rows));
    assert.ok(outcome.kind === "done");
    assert.equal(outcome.holdUntil[0], rows[0]?.promisedUntil);
    for (const holdUntil of outcome.holdUntil.slice(1)) {
      assert.ok(Math.abs(holdUntil - (Date.now() + sale.holdMs)) < 5_000, `${holdUntil} is not a hold from now`);
    }
    const again = await books.commitBatch(batchOf(sale, rows));
    assert.deepEqual(again.kind === "done" && again.holdUntil, outcome.holdUntil);
  });

  test("a row committed before moves nothing, whatever is new beside it", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 2, count: 2 })));
    const verdicts = await verdictsOf(books, batchOf(sale, rowsOf(sale, { first: 1, count: 4 })));
    assert.deepEqual(verdicts, ["committed", "known", "known", "committed"]);
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.granted, stock.held, stock.seq], [5, 4, 4]);
    await assertEquations(fixture(), sale.id);
  });

  test("an epoch that is over, one not yet begun, a mode without buckets and a foreign item change nothing", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const other = await openRedisSale(fixture(), { stocks: [9] });
    const rows = rowsOf(sale, { first: 1, count: 1 });
    for (const epoch of [sale.epoch - 1, sale.epoch + 1]) {
      assert.equal(await verdictsOf(books, batchOf(sale, rows, { epoch })), "fenced");
    }
    assert.equal(await verdictsOf(books, { ...batchOf(sale, rows), itemId: itemIdOf(other) }), "fenced");
    for (const mode of ["postgres", "warming", "closed"]) {
      await database.query({ text: "UPDATE sale SET mode = $2 WHERE id = $1" }, [sale.id, mode]);
      assert.equal(await verdictsOf(books, batchOf(sale, rows)), "fenced", mode);
    }
    await database.query({ text: "UPDATE sale SET mode = 'draining' WHERE id = $1" }, [sale.id]);
    assert.deepEqual(await verdictsOf(books, batchOf(sale, rows)), ["committed"]);
    await assertEquations(fixture(), sale.id);
    await assertEquations(fixture(), other.id);
  });

  test("a number that is another's proves a rollback, and so does a second number for one rid", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 3 })));
    const stranger = rowOf(sale, { seq: 2, buyer: buyerOf("stranger") });
    const renumbered = rowOf(sale, { seq: 7, buyer: buyerOf(3) });
    const fresh = rowOf(sale, { seq: 4 });
    const outcome = await books.commitBatch(batchOf(sale, [stranger, fresh, renumbered]));
    assert.ok(outcome.kind === "done");
    assert.deepEqual(outcome.verdicts, ["seq_taken", "committed", "seq_taken"]);
    assert.deepEqual([outcome.holdUntil[0], outcome.holdUntil[2]], [0, 0]);
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.granted, stock.held], [5, 4]);
    await assertEquations(fixture(), sale.id);
  });

  test("a key used again for another item takes no unit of it, and its bucket is told", async () => {
    const { books, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [5, 5] });
    const buyer = buyerOf("twice");
    await books.commitBatch(batchOf(sale, [rowOf(sale, { seq: 1, buyer, key: "k" })]));
    const batch = batchOf(sale, [rowOf(sale, { seq: 1, buyer, key: "k" }), rowOf(sale, { seq: 2 })], { index: 1 });
    const outcome = await books.commitBatch(batch);
    assert.deepEqual(outcome.kind === "done" && outcome.verdicts, ["known", "committed"]);
    assert.deepEqual(await verdictsOf(books, batch), ["known", "known"]);
    const stock = await stockRowOf(fixture(), sale, 1);
    assert.deepEqual([stock.free, stock.granted, stock.held, stock.seq], [1, 3, 1, 2]);
    const notes = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 });
    assert.deepEqual(
      notes.map((note) => [note.kind, note.itemId, note.rid]),
      [["ended", itemIdOf(sale, 1), ridOf(sale, buyer, "k")]],
    );
    assert.equal(present(await orders.findOrder(ridOf(sale, buyer, "k"))).itemId, itemIdOf(sale));
    const stranger = rowOf(sale, { seq: 1, buyer: buyerOf("stranger") });
    assert.deepEqual(await verdictsOf(books, batchOf(sale, [stranger], { index: 1 })), ["seq_taken"]);
    await assertEquations(fixture(), sale.id);
  });

  test("more than was granted is refused as a whole, and nothing is written", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 3 });
    const rows = rowsOf(sale, { first: 1, count: 5 });
    await assert.rejects(books.commitBatch(batchOf(sale, rows)), refusedBy("nonneg"));
    const [left] = await database.query<{ orders: number }>(
      { text: "SELECT count(*) AS orders FROM orders WHERE sale_id = $1" },
      [sale.id],
    );
    assert.equal(left?.orders, 0);
    assert.deepEqual(await verdictsOf(books, batchOf(sale, rows.slice(0, 3))), ["committed", "committed", "committed"]);
    await assertEquations(fixture(), sale.id);
  });

  test("more than a buyer may have is refused as a whole", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], perBuyerMax: 2 });
    const buyer = buyerOf("greedy");
    const rows = [1, 2, 3].map((seq) => rowOf(sale, { seq, buyer, key: `key-${seq}` }));
    await assert.rejects(books.commitBatch(batchOf(sale, rows)), refusedBy("per_buyer"));
    assert.deepEqual(await verdictsOf(books, batchOf(sale, rows.slice(0, 2))), ["committed", "committed"]);
    await assert.rejects(books.commitBatch(batchOf(sale, rows.slice(2))), refusedBy("per_buyer"));
    await assertEquations(fixture(), sale.id);
  });

  test("an acceptance that was written off may be accepted again: by a bucket, and by the postgres ledger", async () => {
    const { books, ledger, orders, sales } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const rows = rowsOf(sale, { first: 1, count: 3 });
    const old = { ...batchOf(sale, rows), epoch: sale.epoch - 1 };
    assert.equal(await books.recordLost(old), 3);
    assert.equal(await books.recordLost(old), 0);
    const reserved = rows.map((row) => ridOf(sale, row.buyerId as never, "k"));
    assert.equal(present(await orders.findOrder(present(reserved[0]))).status, "lost");
    assert.deepEqual(await verdictsOf(books, batchOf(sale, rows.slice(0, 2))), ["committed", "committed"]);
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    const fenced = present(await sales.findSale(sale.id));
    const attempts = rows.map((row) => ({ rid: row.rid, buyerId: row.buyerId, quantity: row.quantity })) as never;
    const { outcomes } = await ledger.reserve({ ...batchOf(fenced, []), attempts });
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind === "accepted" && outcome.replayed),
      [true, true, false],
    );
    for (const rid of reserved) assert.equal(present(await orders.findOrder(rid)).status, "held");
    await assertEquations(fixture(), sale.id);
  });

  test("a written-off rid whose new number is another's stays written off", async () => {
    const { books, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const row = rowOf(sale, { seq: 2 });
    await books.recordLost({ ...batchOf(sale, [row]), epoch: sale.epoch - 1 });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 1 })));
    assert.deepEqual(await verdictsOf(books, batchOf(sale, [{ ...row, seq: 1 }])), ["seq_taken"]);
    assert.equal(present(await orders.findOrder(row.rid as never)).status, "lost");
    await assertEquations(fixture(), sale.id);
  });

  test("a written-off rid with other parameters is a key used again, not a revival", async () => {
    const { books, ledger, sales } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const row = rowOf(sale, { seq: 1 });
    await books.recordLost({ ...batchOf(sale, [row]), epoch: sale.epoch - 1 });
    assert.deepEqual(await verdictsOf(books, batchOf(sale, [{ ...row, quantity: 2 }])), ["known"]);
    assert.equal((await stockRowOf(fixture(), sale)).held, 0);
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    const fenced = present(await sales.findSale(sale.id));
    const attempts = [{ rid: row.rid, buyerId: row.buyerId, quantity: 2 }] as never;
    const { outcomes } = await ledger.reserve({ ...batchOf(fenced, []), attempts });
    assert.deepEqual(outcomes, [{ kind: "refused", reason: "key_reused" }]);
    await assertEquations(fixture(), sale.id);
  });
}

function describeVoids(fixture: () => BooksFixture): void {
  test("a void row counts its number, gives its units back where it had any, and tells buyer and bucket", async () => {
    const { books, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const before = await stockRowOf(fixture(), sale);
    const reasons = ["limit", "poison", "over_issue"] as const;
    for (const [index, reason] of reasons.entries()) {
      const row = rowOf(sale, { seq: index + 1, quantity: 2 });
      for (let times = 0; times < 2; times++) await books.voidRow({ ...batchOf(sale, []), row, reason });
      const order = present(await orders.findOrder(ridOf(sale, row.buyerId as never, "k")));
      assert.deepEqual([order.status, order.reason], ["void", reason]);
      assert.deepEqual(await verdictsOf(books, batchOf(sale, [row])), ["known"]);
    }
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.free, stock.granted, stock.held, stock.seq], [4, 5, 0, 3]);
    assert.equal(stock.version, before.version + 2);
    const notes = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 });
    assert.deepEqual(
      notes.map((note) => [note.kind, note.quantity]),
      [
        ["ended", 2],
        ["ended", 2],
        ["ended", 2],
      ],
    );
    await assertEquations(fixture(), sale.id);
  });

  test("a row whose texts no database can store is void under its number, and kept for people", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const row: CommitRow = { ...rowOf(sale, { seq: 1 }), rid: "r\u0000d", buyerId: "b\ud800" };
    await assert.rejects(books.commitBatch(batchOf(sale, [row])), (error) => isFault(error, "DATABASE_REFUSED"));
    await books.voidRow({ ...batchOf(sale, []), row, reason: "poison" });
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.free, stock.granted, stock.seq], [1, 8, 1]);
    await books.recordDeadLetter({ ...batchOf(sale, []), seq: null, text: row.rid, error: "\ud800\u0000" });
    const [letter] = await database.query<{ body: string; error: string; seq: number | null }>(
      { text: "SELECT body, error, seq FROM dead_letter WHERE item_id = $1" },
      [itemIdOf(sale)],
    );
    assert.deepEqual(letter, { body: "r\ufffdd", error: "\ufffd\ufffd", seq: null });
    await assertEquations(fixture(), sale.id);
  });

  test("a number that nobody knows anything about counts as lost, once, and only while it is free", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 2 })));
    for (const seq of [3, 3, 2]) await books.voidSeq({ ...batchOf(sale, []), seq, quantity: 2 });
    const stock = await stockRowOf(fixture(), sale);
    assert.deepEqual([stock.free, stock.granted, stock.held, stock.seq], [2, 5, 2, 3]);
    await books.voidSeq({ ...batchOf(sale, []), epoch: sale.epoch - 1, seq: 9, quantity: 2 });
    assert.equal((await stockRowOf(fixture(), sale)).free, 2);
    await assertEquations(fixture(), sale.id);
  });

  test("what was lost takes no number and no unit, and is told once", async () => {
    const { books, database, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const rows = rowsOf(sale, { first: 1, count: 2 });
    await books.commitBatch(batchOf(sale, rows.slice(0, 1)));
    const before = await stockRowOf(fixture(), sale);
    await books.voidRow({ ...batchOf(sale, []), row: present(rows[1]), reason: "lost" });
    assert.equal(await books.recordLost(batchOf(sale, rows)), 0);
    assert.deepEqual(await stockRowOf(fixture(), sale), before);
    const statuses = await orders.listOrdersByRid(rows.map((row) => row.rid));
    assert.deepEqual(statuses.map((order) => order.status).sort(), ["held", "lost"]);
    const told = await database.query<{ count: number }>(
      { text: "SELECT count(*) AS count FROM outbox WHERE kind = 'ended' AND $1 = ANY (rids)" },
      [present(rows[1]).rid],
    );
    assert.equal(told[0]?.count, 1);
    await assertEquations(fixture(), sale.id);
  });

  test("sums and gaps of a bucket's numbers are found without reading what was read before", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [50], buckets: 2, perBuyerMax: 2 });
    const rows = rowsOf(sale, { first: 1, count: 20, quantity: 2 }).filter((row) => ![3, 4, 11, 20].includes(row.seq));
    await books.commitBatch(batchOf(sale, rows));
    const address = { itemId: itemIdOf(sale), bucket: 0, epoch: sale.epoch };
    assert.deepEqual(await books.sumOrders({ ...address, afterSeq: 2, throughSeq: 12 }), { orders: 7, units: 14 });
    const missing = (afterSeq: number, throughSeq: number, rowsMax: number): Promise<readonly number[]> =>
      books.missingSeqs({ ...address, afterSeq, throughSeq, rowsMax });
    assert.deepEqual(await missing(0, 22, 9), [3, 4, 11, 20, 21, 22]);
    assert.deepEqual(await missing(3, 11, 9), [4, 11]);
    assert.deepEqual(await missing(0, 22, 2), [3, 4]);
    assert.deepEqual(await missing(4, 10, 9), []);
    const booked = present(
      await books.readBooks({ saleId: sale.id, aboveSeq: ({ bucket }) => (bucket === 0 ? 10 : 0) }),
    );
    assert.deepEqual([booked.mode, booked.epoch], ["redis", sale.epoch]);
    assert.deepEqual(booked.items[0]?.buckets, [
      { bucket: 0, grantedUnits: 50, orders: 8, units: 16, seqMax: 19 },
      { bucket: 1, grantedUnits: 0, orders: 0, units: 0, seqMax: 0 },
    ]);
    const { total, free, sold, version } = await stockRowOf(fixture(), sale);
    const item = { itemId: itemIdOf(sale), epoch: sale.epoch, total, free, sold, version, grantedUnits: [50, 0] };
    assert.deepEqual(await books.readGrantedItems({ itemIds: [item.itemId, 0] }), [item]);
    assert.equal(await books.readBooks({ saleId: "nowhere" as never, aboveSeq: () => 0 }), null);
  });

  test("books that are read at the same time are each what their reader asked for", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [5, 7], buckets: 2 });
    const other = await openRedisSale(fixture(), { stocks: [3] });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 4 })));
    const read = (saleId: SaleId, aboveSeq: number) => books.readBooks({ saleId, aboveSeq: () => aboveSeq });
    const crowd = Array.from({ length: 40 }, () => read(other.id, 0));
    const [whole, nowhere, rest, small, ...others] = await Promise.all([
      read(sale.id, 0),
      read("nowhere" as SaleId, 0),
      read(sale.id, 3),
      read(other.id, 0),
      ...crowd,
    ]);
    const shapeOf = (booked: BookedSale | null | undefined) =>
      booked?.items.map((item) => [
        item.itemId,
        item.total,
        item.buckets.map(({ bucket, orders }) => [bucket, orders]),
      ]);
    const [first, second] = [itemIdOf(sale, 0), itemIdOf(sale, 1)];
    const none = [
      [0, 0],
      [1, 0],
    ];
    assert.deepEqual(shapeOf(whole), [
      [first, 5, [[0, 4], none[1]]],
      [second, 7, none],
    ]);
    assert.deepEqual(shapeOf(rest), [
      [first, 5, [[0, 1], none[1]]],
      [second, 7, none],
    ]);
    assert.equal(nowhere, null);
    for (const each of [small, ...others]) assert.deepEqual(shapeOf(each), [[itemIdOf(other), 3, [none[0]]]]);
  });

  test("books that were read before are read of the same sale, or of none", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [5] });
    const other = await openRedisSale(fixture(), { stocks: [3] });
    const read = async () => (await books.readBooks({ saleId: sale.id, aboveSeq: () => 0 }))?.items.length;
    // As after a restore, when another sale has got the number since.
    const text = "UPDATE item SET sale_id = $2, sku = $2 || item_id WHERE item_id = $1";
    const counts = [await read()];
    for (const saleId of [other.id, sale.id]) {
      await database.query({ text }, [itemIdOf(sale), saleId]);
      counts.push(await read());
    }
    assert.deepEqual(counts, [1, undefined, 1]);
  });
}
