/**
 * Units and news on their way between Postgres and buckets: grants, recalls, notes, fences, modes, and who reports.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sale } from "../../src/domain/sale.ts";
import type { Grant } from "../../src/ports/books.ts";
import { waitUntil } from "../support/waiting.ts";
import {
  assertEquations,
  type BooksFixture,
  batchOf,
  openRedisSale,
  rowOf,
  rowsOf,
  stockRowOf,
  verdictsOf,
} from "./books-fixture.ts";
import { buyerOf, itemIdOf, present, ridOf } from "./ledger-fixture.ts";

type Transfer = BooksFixture["books"]["placeGrant"] extends (request: infer Request) => unknown ? Request : never;

export function describeTransfers(fixture: () => BooksFixture): void {
  describeGrants(fixture);
  describeRelayWork(fixture);
  describeNotes(fixture);
  describeModes(fixture);
}

function transferOf(sale: Sale, grantId: string, units: number): Transfer {
  return { ...batchOf(sale, []), grantId: `${grantId}-${sale.id}`, units };
}

/** Free, granted and version of the first item. */
async function places(fixture: BooksFixture, sale: Sale): Promise<readonly number[]> {
  const { free, granted, version } = await stockRowOf(fixture, sale);
  return [free, granted, version];
}

function describeGrants(fixture: () => BooksFixture): void {
  test("a grant leaves free before anybody is told, as much as there is, and asked twice it moves once", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 2 });
    const [, , version] = await places(fixture(), sale);
    const request = transferOf(sale, "more", 20);
    const grant = present(await books.placeGrant(request));
    assert.deepEqual(await books.placeGrant(request), grant);
    assert.deepEqual([grant.units, ...(await places(fixture(), sale))], [7, 0, 9, version]);
    assert.equal(await books.placeGrant(transferOf(sale, "none", 1)), null);
    await assertEquations(fixture(), sale.id);
  });

  test("a crash between placing and settling is resumed, and settling twice settles once", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 2 });
    const grant = present(await books.placeGrant(transferOf(sale, "new", 3)));
    const recall = present(await books.askBack(transferOf(sale, "back", 2)));
    assert.equal(recall.units, -2);
    const unsettled = (): Promise<readonly Grant[]> =>
      books.listUnsettledGrants({ saleId: sale.id, epoch: sale.epoch });
    assert.deepEqual(await unsettled(), [grant, recall]);
    await assertEquations(fixture(), sale.id);
    const [, , version = 0] = await places(fixture(), sale);
    for (const isAgain of [false, true]) {
      await books.settleGrant({ grantId: grant.grantId, movedUnits: isAgain ? 0 : 3 });
      await books.settleGrant({ grantId: recall.grantId, movedUnits: isAgain ? -2 : -1 });
    }
    assert.deepEqual(await unsettled(), []);
    assert.deepEqual(await places(fixture(), sale), [5, 4, version + 1]);
    await assertEquations(fixture(), sale.id);
  });

  test("a bucket that says it got more than was lent is not believed: nothing moves, and the grant stays open", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 2 });
    const grant = present(await books.placeGrant(transferOf(sale, "new", 3)));
    const before = await places(fixture(), sale);
    await assert.rejects(books.settleGrant({ grantId: grant.grantId, movedUnits: 5 }));
    assert.deepEqual(await places(fixture(), sale), before);
    assert.deepEqual(await books.listUnsettledGrants({ saleId: sale.id, epoch: sale.epoch }), [grant]);
    await assertEquations(fixture(), sale.id);
  });

  test("a recall brings home what the bucket gave, raises the version, and nothing before it answered", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9] });
    const before = await places(fixture(), sale);
    const recall = present(await books.askBack(transferOf(sale, "back", 4)));
    assert.deepEqual(await books.askBack(transferOf(sale, "back", 4)), recall);
    assert.deepEqual(await places(fixture(), sale), before);
    await books.settleGrant({ grantId: recall.grantId, movedUnits: 4 });
    assert.deepEqual(await places(fixture(), sale), [4, 5, (before[2] ?? 0) + 1]);
    const nothing = present(await books.askBack(transferOf(sale, "nothing", 4)));
    await books.settleGrant({ grantId: nothing.grantId, movedUnits: 0 });
    assert.deepEqual(await places(fixture(), sale), [4, 5, (before[2] ?? 0) + 1]);
    await assert.rejects(
      books.settleGrant({ grantId: present(await books.askBack(transferOf(sale, "x", 1))).grantId, movedUnits: 2 }),
    );
    await assertEquations(fixture(), sale.id);
  });

  test("nothing is lent or asked back in an epoch that is over, nor while nobody may sell from buckets", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 2 });
    const old = { ...transferOf(sale, "old", 1), epoch: sale.epoch - 1 };
    assert.deepEqual([await books.placeGrant(old), await books.askBack(old)], [null, null]);
    for (const mode of ["postgres", "draining", "closed"]) {
      await database.query({ text: "UPDATE sale SET mode = $2 WHERE id = $1" }, [sale.id, mode]);
      const late = transferOf(sale, mode, 1);
      assert.deepEqual([await books.placeGrant(late), await books.askBack(late)], [null, null], mode);
    }
    assert.deepEqual((await places(fixture(), sale)).slice(0, 2), [7, 2]);
  });

  test("the fence ends transfers on their way: settled afterwards they move nothing", async () => {
    const { books } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9], lentUnits: 4 });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 2 })));
    const grant = present(await books.placeGrant(transferOf(sale, "new", 3)));
    const recall = present(await books.askBack(transferOf(sale, "back", 2)));
    const [, , version = 0] = await places(fixture(), sale);
    assert.ok(await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "warming", reason: "test" }));
    for (const { grantId, units } of [grant, recall]) await books.settleGrant({ grantId, movedUnits: units });
    assert.deepEqual(await places(fixture(), sale), [7, 0, version + 1]);
    assert.deepEqual(await books.listUnsettledGrants({ saleId: sale.id, epoch: sale.epoch }), []);
    assert.equal(await verdictsOf(books, batchOf(sale, rowsOf(sale, { first: 3, count: 1 }))), "fenced");
    assert.equal(await books.placeGrant(transferOf(sale, "new", 3)), null);
    await assertEquations(fixture(), sale.id);
  });
}

function describeRelayWork(fixture: () => BooksFixture): void {
  test("a sale says by itself that something waits for its buckets, and only then", async () => {
    const { books, orders, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9, 1] });
    const other = await openRedisSale(fixture(), { stocks: [9] });
    const isDue = async (): Promise<readonly boolean[]> => {
      const states = await Promise.all([sale, other].map(({ id }) => books.readLedgerStates([id])));
      const own = states.map(([state]) => present(state).isRelayDue);
      const listed = new Set((await books.listLedgersDue()).map(({ saleId }) => saleId));
      const isDraining = states.map(([state]) => present(state).mode === "draining");
      assert.deepEqual(
        [sale, other].map(({ id }) => listed.has(id)),
        own.map((isOwnDue, index) => isOwnDue || isDraining[index]),
        "the sales that are listed",
      );
      return own;
    };
    const idle = [false, false];
    const busy = [true, false];
    assert.deepEqual(await isDue(), idle);
    await database.query({ text: "UPDATE stock SET total = total + 1, free = free + 1 WHERE item_id = $1" }, [
      itemIdOf(sale, 1),
    ]);
    assert.deepEqual(await isDue(), busy, "a unit is free");
    const grant = present(await books.placeGrant({ ...transferOf(sale, "new", 1), itemId: itemIdOf(sale, 1) }));
    assert.deepEqual(await isDue(), busy, "a grant is under way");
    await books.settleGrant({ grantId: grant.grantId, movedUnits: 1 });
    assert.deepEqual(await isDue(), idle);
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 1 })));
    await orders.cancelHold({ rid: ridOf(sale, buyerOf(1), "k"), buyerId: buyerOf(1) });
    await orders.finishEnding([ridOf(sale, buyerOf(1), "k")]);
    const notes = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 });
    assert.equal(notes.length, 1);
    assert.deepEqual(await isDue(), busy, "a note waits, and a unit is free");
    const home = present(await books.placeGrant(transferOf(sale, "again", 1)));
    await books.settleGrant({ grantId: home.grantId, movedUnits: 1 });
    assert.deepEqual(await isDue(), busy, "a note waits");
    await books.deleteNotes(notes.map(({ noteId }) => noteId));
    assert.deepEqual(await isDue(), idle);
    present(await books.askBack(transferOf(sale, "back", 1)));
    assert.deepEqual(await isDue(), busy, "units are asked back");
    await books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "test" });
    assert.deepEqual(await isDue(), idle, "another mode");
  });
}

function describeNotes(fixture: () => BooksFixture): void {
  /**
   * Five committed holds, a void one and a lost one; then, in the mode, the first is paid, the second given back and paid
   * late, the third given back.
   */
  async function withEndings(mode: "redis" | "warming"): Promise<Sale> {
    const { books, orders, sales } = fixture();
    const opened = await openRedisSale(fixture(), { stocks: [20], perBuyerMax: 2 });
    await books.commitBatch(batchOf(opened, rowsOf(opened, { first: 1, count: 5, quantity: 2 })));
    const row = rowOf(opened, { seq: 6, quantity: 2 });
    if (mode === "warming") {
      await books.recordLost(batchOf(opened, [rowOf(opened, { seq: 99 })]));
      await books.voidRow({ ...batchOf(opened, []), row, reason: "poison" });
      await books.fence({ saleId: opened.id, seenEpoch: opened.epoch, mode, reason: "test" });
    }
    const sale = present(await sales.findSale(opened.id));
    const ridOfBuyer = (buyer: number) => ridOf(sale, buyerOf(buyer), "k");
    const pay = async (buyer: number): Promise<void> => {
      const paymentId = `pay-${ridOfBuyer(buyer)}`;
      const amount = { amount: 2_000, currency: "EUR" };
      await orders.settlePayment({ provider: "test", notificationId: null, paymentId, amount });
    };
    for (const buyer of [1, 2]) {
      const rid = ridOfBuyer(buyer);
      assert.ok(await orders.attachPayment({ rid, paymentId: `pay-${rid}` }));
    }
    await pay(1);
    await orders.cancelHold({ rid: ridOfBuyer(2), buyerId: buyerOf(2) });
    await orders.finishEnding([ridOfBuyer(2)]);
    await orders.cancelHold({ rid: ridOfBuyer(3), buyerId: buyerOf(3) });
    await pay(2);
    return sale;
  }

  test("ends and late money are noted for the buckets in the order in which they happened, until deleted", async () => {
    const { books } = fixture();
    const sale = await withEndings("redis");
    const notes = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 });
    assert.deepEqual(
      notes.map((note) => [note.kind, note.buyerId, note.quantity, note.itemId, note.epoch]),
      [
        ["ended", buyerOf(2), 2, itemIdOf(sale), sale.epoch],
        ["ended", buyerOf(3), 2, itemIdOf(sale), sale.epoch],
        ["reacquired", buyerOf(2), 2, itemIdOf(sale), sale.epoch],
      ],
    );
    assert.equal((await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 2 })).length, 2);
    await books.deleteNotes(notes.slice(0, 2).map((note) => note.noteId));
    const left = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 });
    assert.deepEqual(left, notes.slice(2));
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    assert.deepEqual(await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 9 }), []);
    await assertEquations(fixture(), sale.id);
  });

  test("nothing is noted while no bucket remembers anything", async () => {
    const { books, orders } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [20] });
    await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 1 })));
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    await orders.cancelHold({ rid: ridOf(sale, buyerOf(1), "k"), buyerId: buyerOf(1) });
    assert.deepEqual(await books.listNotes({ saleId: sale.id, epoch: sale.epoch + 1, rowsMax: 9 }), []);
  });

  test("what a bucket is filled with, page by page while holds end, and the notes after it, give how things stand", async () => {
    const sale = await withEndings("warming");
    // One whose page was read, one whose page was not.
    const { units, ended } = await filled(fixture(), sale, async (rowsRead) => {
      if (rowsRead !== 4) return;
      for (const buyer of [buyerOf(4), buyerOf(5)]) {
        await fixture().orders.cancelHold({ rid: ridOf(sale, buyer, "k"), buyerId: buyer });
      }
    });
    assert.deepEqual(
      [...ended]
        .filter(([, hasEnded]) => hasEnded)
        .map(([rid]) => rid)
        .sort(),
      [3, 4, 5, 6].map((ended) => ridOf(sale, buyerOf(ended), "k")).sort(),
    );
    assert.equal(ended.size, 6);
    assert.deepEqual(
      [...units].filter(([, quantity]) => quantity !== 0).sort(),
      [1, 2].map((holder) => [buyerOf(holder), 2] as const).sort(),
    );
  });

  /** Fills as warm-up.ts does, two rows a page, then delivers the notes as a bucket takes them. */
  async function filled(
    of: BooksFixture,
    sale: Sale,
    betweenPages: (rowsRead: number) => Promise<void>,
  ): Promise<{ units: Map<string, number>; ended: Map<string, boolean> }> {
    const itemId = itemIdOf(sale);
    const units = new Map<string, number>();
    const ended = new Map<string, boolean>();
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await of.books.readReservations({ itemId, cursor, rowsMax: 2 });
      for (const { rid, buyerId, quantity, hasEnded } of page.reservations) {
        ended.set(rid, hasEnded);
        if (!hasEnded) units.set(buyerId, (units.get(buyerId) ?? 0) + quantity);
      }
      await betweenPages(ended.size);
      cursor = page.next;
    }
    for (const note of await of.books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: 99 })) {
      if (!ended.has(note.rid) || ended.get(note.rid) === (note.kind === "ended")) continue;
      ended.set(note.rid, note.kind === "ended");
      units.set(note.buyerId, (units.get(note.buyerId) ?? 0) + (note.kind === "ended" ? -1 : 1) * note.quantity);
    }
    return { units, ended };
  }
}

function describeModes(fixture: () => BooksFixture): void {
  test("modes change only as the protocol says, and tell since when and why; the first entry is no flip", async () => {
    const { books } = fixture();
    let sale = await openRedisSale(fixture(), { stocks: [9] });
    const state = async () => present((await books.readLedgerStates([sale.id]))[0]);
    assert.deepEqual((await state()).flips, 0);
    const change = {
      saleId: sale.id,
      epoch: sale.epoch,
      from: "redis",
      to: "draining",
      reason: "two of three",
    } as const;
    assert.equal(await books.changeMode({ ...change, epoch: sale.epoch - 1 }), false);
    assert.equal(await books.changeMode({ ...change, from: "warming" }), false);
    assert.equal(await books.changeMode({ ...change, to: "postgres" }), false);
    assert.equal(await books.changeMode(change), true);
    assert.equal(await books.changeMode(change), false);
    const drained = await state();
    assert.deepEqual([drained.mode, drained.modeReason, drained.buckets], ["draining", "two of three", 1]);
    assert.ok(drained.nowMs - drained.modeSinceMs < 10_000);
    const fence = { saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "unseen" } as const;
    assert.equal(await books.fence({ ...fence, from: ["redis", "warming"] }), false);
    assert.deepEqual([(await state()).mode, (await state()).epoch], ["draining", sale.epoch]);
    for (const [mode, from] of [
      ["postgres", "draining"],
      ["warming", "postgres"],
    ] as const) {
      const { epoch } = await state();
      assert.ok(await books.fence({ saleId: sale.id, seenEpoch: epoch, from: [from, "closed"], mode, reason: mode }));
      assert.equal(await books.fence({ saleId: sale.id, seenEpoch: epoch, mode, reason: mode }), false);
    }
    const { epoch } = await state();
    assert.ok(await books.changeMode({ ...change, epoch, from: "warming", to: "redis" }));
    assert.deepEqual([(await state()).flips, (await state()).mode, epoch], [1, "redis", sale.epoch + 2]);
    const before = sale.revision;
    sale = present(await fixture().sales.findSale(sale.id));
    assert.equal(sale.revision, before + 4);
    await assertEquations(fixture(), sale.id);
  });

  test("the fence says so to nodes that watch the catalogue, and to those that watch the stock", async () => {
    const { books, database } = fixture();
    const sale = await openRedisSale(fixture(), { stocks: [9, 9] });
    const heard: string[] = [];
    const stop = await database.listen(
      "doorbuster",
      (topic) => heard.push(topic),
      () => undefined,
    );
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    await books.hintEvents();
    await database.query({ text: "SELECT pg_notify('doorbuster', 'over')" });
    await waitUntil("the last word", () => heard.includes("over"));
    await stop();
    const items = sale.items.map((item) => `stock:${item.itemId}`);
    assert.deepEqual(heard.sort(), ["catalogue", "events", "over", ...items].sort());
  });

  test("nodes report whether they reach Redis, and one that fell silent is not counted", async () => {
    const { books, database } = fixture();
    await books.reportNode({ nodeId: "api-1", roles: ["api"], canReachRedis: false });
    await books.reportNode({ nodeId: "api-1", roles: ["api", "worker"], canReachRedis: true });
    await books.reportNode({ nodeId: "api-2", roles: ["api"], canReachRedis: null });
    await books.reportNode({ nodeId: "api-3", roles: ["api"], canReachRedis: true });
    await database.query({ text: "UPDATE node_report SET at = at - 40000 WHERE node_id = 'api-3'" });
    const reports = await books.listNodeReports();
    assert.deepEqual(
      reports.map(({ nodeId, roles, canReachRedis }) => ({ nodeId, roles, canReachRedis })),
      [
        { nodeId: "api-1", roles: ["api", "worker"], canReachRedis: true },
        { nodeId: "api-2", roles: ["api"], canReachRedis: null },
      ],
    );
    for (const { ageMs } of reports) assert.ok(ageMs >= 0 && ageMs < 10_000);
    await database.query({ text: "UPDATE node_report SET at = at - 900000 WHERE node_id = 'api-3'" });
    await books.reportNode({ nodeId: "api-2", roles: ["api"], canReachRedis: true });
    const kept = await database.query<{ node_id: string }>({ text: "SELECT node_id FROM node_report ORDER BY 1" });
    assert.deepEqual(
      kept.map((row) => row.node_id),
      ["api-1", "api-2"],
    );
  });
}
