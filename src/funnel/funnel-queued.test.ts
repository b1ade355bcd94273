/**
 * A ledger that accepts first and commits later: what its buyers are told, what counts as in flight, when latches close.
 */
import { describe, expect, test } from "bun:test";
import { FunnelFixture, problemOf } from "../../test/support/funnel-fixture.ts";
import { settle } from "../../test/support/manual-clock.ts";
import { MemoryLedger } from "../../test/support/memory-ledger.ts";
import type { BatchOutcome, Confirmation, ReserveBatch } from "../ports/ledger.ts";
import { WAKE_INTERVAL_MS } from "./5-sold-out/latch-keeper.ts";
import type { FunnelDependencies } from "./funnel.ts";

const PROMISED_UNTIL = 1_800_000_600_000;

/** The memory ledger as one that queues: its acceptances wait until `confirm` is called, its flushes tell no stock. */
class QueueingLedger extends MemoryLedger {
  confirm: (confirmation: Confirmation | null) => void = () => undefined;

  override async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const { outcomes } = await super.reserve(batch);
    const confirmation = new Promise<Confirmation | null>((resolve) => (this.confirm = resolve));
    const queued = outcomes.map((outcome) =>
      outcome.kind === "accepted"
        ? { ...outcome, status: "queued" as const, holdUntil: PROMISED_UNTIL, confirmation }
        : outcome,
    );
    return { outcomes: queued, stock: null };
  }
}

async function queueing(dependencies: Partial<FunnelDependencies> = {}) {
  const ledger = new QueueingLedger();
  for (const itemId of [1, 2]) ledger.addItem(itemId, 3);
  const fixture = await FunnelFixture.warm({ dependencies: { ledger, ...dependencies } });
  return { fixture, ledger };
}

/** Attempts, and moves the clock until the ledger was asked. */
async function press(fixture: FunnelFixture, body = '{"quantity":1}') {
  const answer = fixture.funnel.decide(fixture.request(fixture.buyer(), { body }));
  await fixture.clock.advance(5);
  return answer;
}

describe("an acceptance that is not committed yet", () => {
  test("is answered 201 with what Postgres says, as soon as it says so", async () => {
    const { fixture, ledger } = await queueing();
    const answer = press(fixture);
    await settle();
    await fixture.clock.advance(10);
    ledger.confirm({ status: "held", holdUntil: 1_800_000_777_000 });
    const { status, body } = await answer;
    expect(status).toBe(201);
    expect(JSON.parse(body)).toMatchObject({ status: "held", holdUntil: 1_800_000_777_000 });
    expect(fixture.decisions).toEqual(["accepted"]);
  });

  test("is answered 202 with what was promised when waiting is not worth it any more", async () => {
    const { fixture, ledger } = await queueing();
    const answer = press(fixture);
    await fixture.clock.advance(10);
    ledger.confirm(null);
    const { status, body } = await answer;
    expect(status).toBe(202);
    const document = JSON.parse(body) as Record<string, unknown>;
    expect(document).toMatchObject({ status: "queued", holdUntil: PROMISED_UNTIL });
    expect(document).not.toHaveProperty("durability");
  });

  test("says in a 202, and only there, that a power cut may lose it", async () => {
    const { fixture, ledger } = await queueing({ durability: "everysec" });
    const weak = press(fixture);
    await fixture.clock.advance(10);
    ledger.confirm(null);
    expect(JSON.parse((await weak).body)).toMatchObject({ status: "queued", durability: "everysec" });
    const strong = press(fixture);
    await fixture.clock.advance(10);
    ledger.confirm({ status: "held", holdUntil: PROMISED_UNTIL });
    expect(JSON.parse((await strong).body)).not.toHaveProperty("durability");
  });

  test("keeps the node from ending, but takes no place from those who come after", async () => {
    const { fixture, ledger } = await queueing();
    const answer = press(fixture);
    await fixture.clock.advance(10);
    expect(fixture.funnel.inFlight()).toBe(1);
    fixture.funnel.drain();
    expect(fixture.funnel.inFlight()).toBe(1);
    ledger.confirm(null);
    await answer;
    expect(fixture.funnel.inFlight()).toBe(0);
  });
});

describe("a flush that tells no stock", () => {
  test("closes the latch a moment after it came up empty, long before the poll", async () => {
    const { fixture, ledger } = await queueing();
    void press(fixture, '{"quantity":2}');
    await fixture.clock.advance(10);
    void press(fixture);
    await fixture.clock.advance(10);
    expect(problemOf(await press(fixture))).toMatchObject({ reason: "empty", stage: "reserve" });
    await fixture.clock.advance(WAKE_INTERVAL_MS);
    const before = ledger.batches.length;
    expect(problemOf(await press(fixture))).toMatchObject({ reason: "empty", stage: "sold-out" });
    expect(ledger.batches.length).toBe(before);
  });

  test("has the stock read once in a while, however many flushes come up empty", async () => {
    const { fixture, ledger } = await queueing();
    ledger.item(1).free = 0;
    // Somebody else's units keep the latch from closing.
    const readStock = ledger.readStock.bind(ledger);
    ledger.readStock = async (itemIds) => (await readStock(itemIds)).map((stock) => ({ ...stock, granted: 1 }));
    await fixture.clock.advance(300);
    const before = ledger.readStockCount;
    for (let count = 0; count < 100; count += 1) {
      expect(problemOf(await press(fixture))).toMatchObject({ reason: "empty" });
    }
    expect(ledger.batches.length).toBeGreaterThanOrEqual(100);
    expect(ledger.readStockCount - before).toBeLessThanOrEqual(500 / WAKE_INTERVAL_MS + 2);
    expect(ledger.readStockCount - before).toBeGreaterThanOrEqual(3);
  });

  test("wakes nobody while it only accepts", async () => {
    const { fixture, ledger } = await queueing();
    await fixture.clock.advance(500);
    const before = ledger.readStockCount;
    void press(fixture);
    await fixture.clock.advance(150);
    expect(ledger.readStockCount).toBe(before);
  });
});
