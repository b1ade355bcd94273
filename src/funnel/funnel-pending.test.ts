/**
 * While a sale is paused or just closed, only what is owed is given: the answers of attempts that were accepted before.
 */
import { describe, expect, test } from "bun:test";
import { FunnelFixture, problemOf, SALE_ID } from "../../test/support/funnel-fixture.ts";
import { settle } from "../../test/support/manual-clock.ts";

const LIMITS = { buyerPerS: 1, buyerPerMin: 100, ipPerS: 50 };

describe("funnel while a sale is paused or just closed", () => {
  for (const phase of ["paused", "closed"] as const) {
    test(`a repeat of an accepted attempt gets its reservation when the sale is ${phase}`, async () => {
      const fixture = await FunnelFixture.warm();
      const holder = fixture.buyer();
      const first = await fixture.attempt(holder, { key: "the-very-same-key" });
      fixture.store.change(SALE_ID, { phase, closedAt: phase === "closed" ? fixture.clock.nowMs() : null });
      fixture.feed.tell({ topic: "catalogue" });
      await settle();
      fixture.ledger.item(1).isPaused = true;
      for (const waitMs of [0, 1_000, 5_000]) {
        await fixture.clock.advance(waitMs);
        const repeated = await fixture.attempt(holder, { key: "the-very-same-key" });
        expect(repeated).toMatchObject({ status: 201, body: first.body });
      }
    });

    test(`strangers stop reaching the ledger within seconds when the sale is ${phase}`, async () => {
      const fixture = await FunnelFixture.warm();
      fixture.store.change(SALE_ID, { phase, closedAt: phase === "closed" ? fixture.clock.nowMs() : null });
      fixture.feed.tell({ topic: "catalogue" });
      await settle();
      fixture.ledger.item(1).isPaused = true;
      await fixture.clock.advance(2_000);
      const before = fixture.ledger.batches.length;
      for (let count = 0; count < 20; count += 1) {
        expect(problemOf(await fixture.attempt(fixture.buyer()))).toMatchObject({ reason: phase, stage: "window" });
      }
      expect(fixture.ledger.batches.length).toBe(before);
    });
  }

  test("whoever would be refused anyway hears of the pause, not of his own fault", async () => {
    const fixture = await FunnelFixture.warm({ sale: { phase: "paused" }, dependencies: { limits: LIMITS } });
    expect(problemOf(await fixture.attempt(null))).toMatchObject({ reason: "paused" });
    const buyer = fixture.buyer();
    await fixture.attempt(buyer);
    expect(problemOf(await fixture.attempt(buyer))).toMatchObject({ reason: "paused" });
  });

  test("buyers who come after a resume are not refused because of the pause before", async () => {
    const fixture = await FunnelFixture.warm({ sale: { phase: "paused" } });
    await fixture.clock.advance(2_000);
    fixture.store.change(SALE_ID, { phase: "scheduled" });
    fixture.feed.tell({ topic: "catalogue" });
    await settle();
    const buyer = fixture.buyer();
    expect((await fixture.attempt(buyer, { key: "the-very-same-key" })).status).toBe(201);
    fixture.store.change(SALE_ID, { phase: "paused" });
    fixture.feed.tell({ topic: "catalogue" });
    await settle();
    fixture.ledger.item(1).isPaused = true;
    expect((await fixture.attempt(buyer, { key: "the-very-same-key" })).status).toBe(201);
  });
});
