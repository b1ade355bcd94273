/**
 * The redis ledger's promises one by one, over models of Redis and Postgres: what is accepted, repeated, empty, unknown.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import { Fault } from "../domain/faults.ts";
import type { AttemptOutcome, BatchOutcome } from "../ports/ledger.ts";

type Accepted = Extract<AttemptOutcome, { kind: "accepted" }>;

function accepted(answer: BatchOutcome, index = 0): Accepted {
  const outcome = answer.outcomes[index];
  if (outcome?.kind !== "accepted") throw new Error(`attempt ${index} was not accepted`);
  return outcome;
}

const crowd = (count: number, prefix = "b") =>
  Array.from({ length: count }, (_, index) => attemptOf(`${prefix}${index}`));

describe("accepting", () => {
  test("answers acceptances as queued, all with one promise, which the commit keeps", async () => {
    const world = await BucketWorld.inRedis();
    const answer = await world.reserve(crowd(3));
    expect(wordsOf(answer)).toEqual(["queued", "queued", "queued"]);
    expect(accepted(answer, 0).confirmation).toBe(accepted(answer, 2).confirmation as Promise<never>);
    await world.commit();
    const { holdUntil } = accepted(answer);
    expect(await accepted(answer).confirmation).toEqual({ status: "held", holdUntil });
    expect((await world.books.orders.listOrdersByRid(["b0-k"]))[0]).toMatchObject({ status: "held", holdUntil });
  });

  test("wakes the workers after a quiet while, and not while they are busy with what came before", async () => {
    const world = await BucketWorld.inRedis();
    const woken: unknown[] = [];
    world.feed.onWake((bucket) => woken.push(bucket));
    const here = { itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
    for (const [index, waitMs] of [0, 9, 9, 10].entries()) {
      await world.clock.advance(waitMs);
      await world.reserve([attemptOf(`b${index}`)]);
    }
    await world.clock.advance(50);
    await world.finish(world.reserve([attemptOf("b0", { quantity: 2 })]));
    expect(woken).toEqual([here, here]);
  });

  test("waits no longer than it should: null when no hint comes, and the acceptance is remembered", async () => {
    const world = await BucketWorld.inRedis({ ackWaitMs: 250 });
    const answer = await world.reserve(crowd(2));
    await world.clock.advance(249);
    expect(world.ledger.unconfirmedCount()).toBe(0);
    await world.clock.advance(1);
    expect(await accepted(answer).confirmation).toBeNull();
    expect(world.ledger.unconfirmedCount()).toBe(2);
  });

  test("hears a hint that came before the answer it belongs to", async () => {
    const world = await BucketWorld.inRedis();
    let answerIt: () => void = () => undefined;
    world.delay = (call) => (call === "reserve" ? new Promise((resolve) => (answerIt = resolve)) : Promise.resolve());
    const waiting = world.reserve(crowd(1));
    await world.clock.advance(1);
    await world.commit();
    answerIt();
    expect(await accepted(await waiting).confirmation).toMatchObject({ status: "held" });
  });

  test("refuses what the bucket refuses, as long as its epoch lasts: limit, quantity, window, pause, misused key", async () => {
    const world = await BucketWorld.inRedis({ perBuyerMax: 1 });
    expect(wordsOf(await world.finish(world.reserve([attemptOf("a")])))).toEqual(["queued"]);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("a", { key: "other" })])))).toEqual(["limit_reached"]);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("b", { quantity: 2 })])))).toEqual(["bad_quantity"]);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("a", { quantity: 2 })])))).toEqual(["key_reused"]);
    world.books.patchSale(world.sale.id, { phase: "paused" });
    await world.relay.applySettings(world.sale);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("c")])))).toEqual(["paused"]);
    world.books.patchSale(world.sale.id, { phase: "scheduled", opensAt: world.clock.nowMs() + 1_000 });
    await world.relay.applySettings(world.sale);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("c")])))).toEqual(["not_open"]);
    const tiers = [{ name: "gold", opensAt: world.clock.nowMs() }];
    world.books.patchSale(world.sale.id, { eligibility: { tiers } });
    await world.relay.applySettings(world.sale);
    // It opens with its first tier; whom to hold back until then is stage 6's to know.
    expect(wordsOf(await world.finish(world.reserve([attemptOf("d")])))).toEqual(["queued"]);
    world.books.patchSale(world.sale.id, { phase: "closed", opensAt: 0, closedAt: world.clock.nowMs() });
    await world.relay.applySettings(world.sale);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("c")])))).toEqual(["closed"]);
  });

  test("a bucket that was cut off turns nobody away in an epoch that is over", async () => {
    const world = await BucketWorld.inRedis({ perBuyerMax: 1 });
    await world.reserve([attemptOf("a")]);
    await world.books.fence({ saleId: world.sale.id, seenEpoch: 2, mode: "postgres", reason: "test" });
    const attempts = [attemptOf("b"), attemptOf("a", { key: "other" })];
    const batch = { saleId: world.sale.id, itemId: ITEM_ID, epoch: 2, attempts };
    const { outcomes } = await world.finish(world.ledger.reserve(batch));
    expect(outcomes[0]).toMatchObject({ kind: "accepted", status: "queued" });
    expect(outcomes[1]).toMatchObject({ kind: "unknown", fault: { code: "LEDGER_FENCED" } });
  });

  test("while Postgres cannot be asked whether the epoch lasts, a refusal is unknown and an acceptance is one", async () => {
    const world = await BucketWorld.inRedis({ perBuyerMax: 1 });
    await world.reserve([attemptOf("a")]);
    world.postgresFault = new Fault("DATABASE_UNAVAILABLE");
    const asked = world.reserve([attemptOf("b"), attemptOf("a", { key: "other" })]);
    expect(wordsOf(await world.finish(asked))).toEqual(["queued", "unknown"]);
  });
});

describe("repeats", () => {
  test("a key that is an order of another item is a key used again, whatever this item's bucket accepted", async () => {
    const world = await BucketWorld.inRedis();
    const [attempt] = crowd(1);
    if (attempt === undefined) throw new Error("a crowd of one is nobody");
    await world.reserve([attempt]);
    await world.commit();
    const order = world.books.tables.data.orders.get(attempt.rid);
    if (order === undefined) throw new Error("the attempt was not committed");
    world.books.tables.putOrder({ ...order, itemId: ITEM_ID + 1 });
    expect(wordsOf(await world.reserve([attempt]))).toEqual(["key_reused"]);
  });

  test("a repeat is answered as Postgres has it: held, paid, ended", async () => {
    const world = await BucketWorld.inRedis();
    const first = await world.reserve(crowd(3));
    await world.commit();
    const { holdUntil } = accepted(first);
    expect((await world.reserve(crowd(1))).outcomes).toEqual([
      { kind: "accepted", status: "held", holdUntil, replayed: true },
    ]);
    await world.books.orders.cancelHold({ rid: attemptOf("b1").rid, buyerId: attemptOf("b1").buyerId });
    expect(wordsOf(await world.reserve([attemptOf("b1")]))).toEqual(["ended"]);
    await world.relay.run(world.sale);
    expect(wordsOf(await world.reserve([attemptOf("b1")]))).toEqual(["ended"]);
  });

  test("a repeat of what is not committed yet is queued with the first promise, and hears of the commit", async () => {
    const world = await BucketWorld.inRedis();
    const { holdUntil } = accepted(await world.reserve(crowd(2)));
    await world.clock.advance(40);
    const again = await world.reserve([attemptOf("b1")]);
    expect(accepted(again)).toMatchObject({ status: "queued", holdUntil, replayed: true });
    await world.commit();
    expect(await accepted(again).confirmation).toEqual({ status: "held", holdUntil });
  });

  test("what an earlier epoch sold is repeated from Postgres, without a unit more", async () => {
    const world = new BucketWorld({ stock: 2 });
    await world.sales.refresh();
    expect(wordsOf(await world.reserve(crowd(2), world.routed))).toEqual(["held", "held"]);
    await world.enterRedis();
    world.ledger.start();
    expect(wordsOf(await world.reserve(crowd(2)))).toEqual(["again held", "again held"]);
    expect(world.unitsInAllPlaces()).toEqual({ total: 2, sum: 2 });
  });

  test("without Postgres a repeat of this epoch is queued still, and one of an earlier epoch is unknown", async () => {
    const world = new BucketWorld({ stock: 5 });
    await world.sales.refresh();
    await world.reserve([attemptOf("old")], world.routed);
    await world.enterRedis();
    world.ledger.start();
    await world.reserve([attemptOf("new")]);
    world.postgresFault = new Fault("DATABASE_UNAVAILABLE");
    expect(wordsOf(await world.reserve([attemptOf("new"), attemptOf("old")]))).toEqual(["again queued", "unknown"]);
  });
});

describe("empty", () => {
  test("is said only after Postgres was asked, and final only when everything is sold", async () => {
    const world = await BucketWorld.inRedis({ stock: 2 });
    await world.reserve(crowd(2));
    expect(world.stockReads).toBe(0);
    expect(wordsOf(await world.finish(world.reserve([attemptOf("late")])))).toEqual(["empty"]);
    expect(world.stockReads).toBe(1);
    await world.commit();
    for (const { rid } of crowd(2)) {
      await world.books.orders.attachPayment({ rid, paymentId: `pay-${rid}` });
      const amount = { amount: 4_900, currency: "EUR" };
      const payment = { provider: "p", notificationId: rid, paymentId: `pay-${rid}`, amount };
      expect(await world.books.orders.settlePayment(payment)).toBe("paid");
    }
    expect(wordsOf(await world.finish(world.reserve([attemptOf("late")])))).toEqual(["sold_out"]);
  });

  test("says how many are left in the bucket to whoever asked for more", async () => {
    const world = await BucketWorld.inRedis({ stock: 3, perBuyerMax: 4 });
    await world.reserve(crowd(1));
    const wish = (buyer: string, quantity: number) => attemptOf(buyer, { quantity });
    const answer = await world.finish(world.reserve([wish("late", 4), wish("modest", 1), wish("greedy", 2)]));
    expect(answer.outcomes).toMatchObject([
      { kind: "refused", reason: "empty", left: 1 },
      { kind: "accepted" },
      { kind: "refused", reason: "empty", left: 1 },
    ]);
    await world.finish(world.reserve([wish("last", 1)]));
    const none = await world.finish(world.reserve([wish("later", 1)]));
    expect(none.outcomes).toEqual([{ kind: "refused", reason: "empty" }]);
  });

  test("is not said when Postgres cannot be asked: nothing is known then, and those who won are told so", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    world.postgresFault = new Fault("DATABASE_UNAVAILABLE");
    expect(wordsOf(await world.finish(world.reserve(crowd(3))))).toEqual(["queued", "unknown", "unknown"]);
  });

  test("is not said when the sale is in another epoch by now", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve(crowd(1));
    await world.books.fence({ saleId: world.sale.id, seenEpoch: 2, mode: "postgres", reason: "test" });
    const batch = { saleId: world.sale.id, itemId: ITEM_ID, epoch: 2, attempts: [attemptOf("late")] };
    const answer = await world.finish(world.ledger.reserve(batch));
    expect(answer.outcomes[0]).toMatchObject({ kind: "unknown", fault: { code: "LEDGER_FENCED" } });
  });

  test("units that came back in Postgres are brought before anybody is turned away", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    await world.commit();
    await world.books.orders.cancelHold({ rid: attemptOf("first").rid, buyerId: attemptOf("first").buyerId });
    expect(wordsOf(await world.finish(world.reserve([attemptOf("second")])))).toEqual(["queued"]);
    expect(world.unitsInAllPlaces()).toEqual({ total: 1, sum: 1 });
  });

  test("units that somebody left on their way arrive before anybody is turned away", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    await world.commit();
    await world.books.orders.cancelHold({ rid: attemptOf("first").rid, buyerId: attemptOf("first").buyerId });
    const [address] = world.addresses();
    const grant = { saleId: world.sale.id, grantId: "of-the-dead", units: 1, itemId: ITEM_ID, bucket: 0 };
    await world.books.placeGrant({ ...grant, epoch: address?.epoch ?? 0 });
    expect(wordsOf(await world.finish(world.reserve([attemptOf("second")])))).toEqual(["queued"]);
  });

  test("a top-up that hangs keeps nobody longer than a moment", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    world.books.adjustStock(ITEM_ID, 1);
    world.link = (call) => (call === "credit" ? "hang" : "answer");
    const startedAtMs = world.clock.monotonicMs();
    expect(wordsOf(await world.finish(world.reserve([attemptOf("second")])))).toEqual(["empty"]);
    expect(world.clock.monotonicMs() - startedAtMs).toBeLessThan(200);
  });

  test("a top-up that fails is unknown, not empty; asked again the same attempt gets the unit", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    world.books.adjustStock(ITEM_ID, 1);
    world.link = (call) => (call === "credit" ? "lose-answer" : "answer");
    expect(wordsOf(await world.finish(world.reserve([attemptOf("second")])))).toEqual(["unknown"]);
    world.link = () => "answer";
    expect(wordsOf(await world.finish(world.reserve([attemptOf("second")])))).toEqual(["queued"]);
    expect(world.redis.auditNow({ itemId: ITEM_ID, bucket: 0 })).toMatchObject({ grantedIn: 2, reserved: 2 });
  });
});

describe("several buckets", () => {
  test("a static split strands nothing: every unit is sold before anybody is turned away", async () => {
    const world = await BucketWorld.inRedis({ stock: 100, buckets: 8 });
    for (let turn = 0; turn < 100; turn += 1) {
      expect(wordsOf(await world.finish(world.reserve([attemptOf(`b${turn}`)])))).toEqual(["queued"]);
    }
    expect(wordsOf(await world.finish(world.reserve([attemptOf("late")])))).toEqual(["empty"]);
    await world.commit();
    expect(world.books.tables.stockRow(ITEM_ID)).toMatchObject({ free: 0, granted: 0, held: 100 });
  });

  test("answers in the order of the batch, whichever bucket answers first", async () => {
    const world = await BucketWorld.inRedis({ stock: 40, buckets: 4, perBuyerMax: 1 });
    await world.reserve([attemptOf("b3"), attemptOf("b5")]);
    const words = wordsOf(
      await world.finish(world.reserve(crowd(8).map((each) => ({ ...each, rid: `${each.rid}2` as never })))),
    );
    expect(words.map((word, index) => (word === "limit_reached" ? index : -1)).filter((index) => index >= 0)).toEqual([
      3, 5,
    ]);
  });

  test("one bucket without an answer leaves the others' answers standing", async () => {
    const world = await BucketWorld.inRedis({ stock: 40, buckets: 2 });
    world.link = (call, request) =>
      call === "reserve" && (request as { bucket: number }).bucket === 1 ? "lose-answer" : "answer";
    const attempts = crowd(10);
    const first = wordsOf(await world.reserve(attempts));
    expect(new Set(first)).toEqual(new Set(["queued", "unknown"]));
    world.link = () => "answer";
    const rest = attempts.filter((_, index) => first[index] === "unknown");
    expect(new Set(wordsOf(await world.reserve(rest)))).toEqual(new Set(["again queued"]));
  });

  test("no bucket with an answer is a fault, as of a ledger that is away", async () => {
    const world = await BucketWorld.inRedis({ stock: 40, buckets: 2 });
    world.link = () => "lose-call";
    expect(await world.reserve(crowd(10)).catch((error: unknown) => error)).toMatchObject({
      code: "LEDGER_UNAVAILABLE",
    });
  });
});

describe("losses", () => {
  test("an answer that was lost is asked for again with the same rids, and takes no second unit", async () => {
    const world = await BucketWorld.inRedis({ stock: 5 });
    world.link = () => "lose-answer";
    const attempts = crowd(3);
    expect(await world.reserve(attempts).catch((error: unknown) => error)).toMatchObject({
      code: "LEDGER_UNAVAILABLE",
    });
    world.link = () => "answer";
    expect(wordsOf(await world.reserve(attempts))).toEqual(["again queued", "again queued", "again queued"]);
    expect(world.redis.auditNow({ itemId: ITEM_ID, bucket: 0 })).toMatchObject({ reserved: 3, available: 2 });
  });

  test("a server that restarted sells nothing, whatever it remembers", async () => {
    const world = await BucketWorld.inRedis();
    world.redis.runId = "run-2";
    expect(await world.reserve(crowd(1)).catch((error: unknown) => error)).toMatchObject({ code: "LEDGER_FENCED" });
    world.redis.restore({ buckets: new Map(), streams: new Map() });
    expect(await world.reserve(crowd(1)).catch((error: unknown) => error)).toMatchObject({
      code: "LEDGER_BUCKET_MISSING",
    });
  });

  test("says how long ago a bucket has answered; a refusal by the fence counts", async () => {
    const world = await BucketWorld.inRedis();
    expect(world.ledger.lastAnswerAgeMs()).toBe(Number.POSITIVE_INFINITY);
    await world.reserve(crowd(1));
    await world.clock.advance(700);
    expect(world.ledger.lastAnswerAgeMs()).toBe(700);
    world.link = () => "lose-call";
    await world.reserve(crowd(1)).catch(() => undefined);
    expect(world.ledger.lastAnswerAgeMs()).toBe(700);
    world.link = () => "answer";
    world.redis.runId = "run-2";
    await world.reserve(crowd(1)).catch(() => undefined);
    expect(world.ledger.lastAnswerAgeMs()).toBe(0);
  });
});

describe("what is queued", () => {
  test("is found by its buyer alone, until the order exists, on any node", async () => {
    const world = await BucketWorld.inRedis();
    const { holdUntil } = accepted(await world.reserve([attemptOf("a")]));
    const { rid, buyerId } = attemptOf("a");
    const other = world.node("node-b");
    const expected = { rid, buyerId, quantity: 1, itemId: ITEM_ID, saleId: world.sale.id, holdUntil };
    expect(await other.findQueued({ rid, buyerId })).toMatchObject(expected);
    expect(await other.findQueued({ rid, buyerId: attemptOf("b").buyerId })).toBeNull();
    expect(await other.findQueued({ rid: attemptOf("z").rid, buyerId })).toBeNull();
  });

  test("is found by the node that said so while Redis does not answer", async () => {
    const world = await BucketWorld.inRedis();
    await world.reserve([attemptOf("a")]);
    await world.clock.advance(300);
    world.link = () => "lose-call";
    const { rid, buyerId } = attemptOf("a");
    expect(await world.ledger.findQueued({ rid, buyerId })).toMatchObject({ rid });
    expect(await world.ledger.findQueued({ rid, buyerId: attemptOf("b").buyerId })).toBeNull();
    const elsewhere = world.node("node-b").findQueued({ rid, buyerId });
    expect(await elsewhere.catch((error: unknown) => error)).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });
});
