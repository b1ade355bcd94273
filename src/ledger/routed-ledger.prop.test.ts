/**
 * Whatever Redis loses, in whatever order things happen and whenever the mode changes: nobody is told an untruth, no unit
 * is lost or doubled, and no acceptance ends in silence.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { attemptOf, BucketWorld, ITEM_ID, type LinkFate } from "../../test/support/bucket-world.ts";
import { settle } from "../../test/support/manual-clock.ts";
import { isFault } from "../domain/faults.ts";
import type { Attempt, Confirmation } from "../ports/ledger.ts";
import { Batcher } from "./batcher.ts";

const SEEDED = process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) };

/** What a buyer was told in the end. */
type Told =
  | { readonly kind: "accepted"; readonly status: string; readonly holdUntil: number }
  | { readonly kind: "refused"; readonly reason: string; readonly soldUnits: number }
  | { readonly kind: "unknown" | "busy" | "bug" };

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("wish" as const),
      buyer: fc.integer({ min: 0, max: 9 }),
      key: fc.integer({ min: 0, max: 2 }),
      quantity: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 5, 30, 300) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("commit" as const), hints: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), buyer: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("relay" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("switch" as const), isDrained: fc.boolean(), isTold: fc.boolean() }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const fate: fc.Arbitrary<LinkFate> = fc.constantFrom(
  "answer",
  "answer",
  "answer",
  "answer",
  "lose-answer",
  "lose-call",
  "hang",
);

class Story {
  readonly world: BucketWorld;
  readonly told = new Map<string, { readonly attempt: Attempt; readonly answers: Promise<Told>[] }>();
  readonly #batcher: Batcher;

  constructor(world: BucketWorld) {
    this.world = world;
    const { clock, random, sales, routed } = world;
    this.#batcher = new Batcher({
      ledger: routed,
      clock,
      random,
      saleId: world.sale.id,
      itemId: ITEM_ID,
      epoch: () => sales.findSale(world.sale.id)?.epoch ?? 0,
      refreshEpoch: () => sales.refresh(),
      onFlush: () => undefined,
    });
  }

  async take(next: Step): Promise<void> {
    const { world } = this;
    if (next.kind === "wish") {
      this.#wish(attemptOf(`b${next.buyer}`, { key: `k${next.key}-${next.quantity}`, quantity: next.quantity }));
    } else if (next.kind === "wait") await world.clock.advance(next.ms);
    else if (next.kind === "commit") await world.commit({ hints: next.hints });
    else if (next.kind === "relay" && world.sale.mode === "redis") {
      // Not waited for: it hangs when a call of it does.
      world.relay.run(world.sale).catch((error: unknown) => expect(isFault(error)).toBe(true));
    } else if (next.kind === "cancel") {
      const mine = [...world.books.tables.data.orders.values()].filter((order) => order.buyerId === `b${next.buyer}`);
      for (const { rid, buyerId } of mine.slice(0, 1)) {
        await world.books.orders.cancelHold({ rid: rid as never, buyerId: buyerId as never });
      }
    } else if (next.kind === "restart") world.redis.runId = `${world.redis.runId}'`;
    else if (next.kind === "switch") {
      if (world.sale.mode === "redis") await world.leaveRedis(next);
      else await world.enterRedis();
    }
  }

  #wish(attempt: Attempt): void {
    const entry = this.told.get(attempt.rid) ?? { attempt, answers: [] };
    this.told.set(attempt.rid, entry);
    entry.answers.push(this.#press(attempt));
  }

  async #press(attempt: Attempt): Promise<Told> {
    try {
      const outcome = await this.#batcher.submit(attempt);
      const { sold } = this.world.books.tables.stockRow(ITEM_ID);
      if (outcome.kind === "refused") return { kind: "refused", reason: outcome.reason, soldUnits: sold };
      const stands: Confirmation = (await outcome.confirmation) ?? outcome;
      return { kind: "accepted", status: stands.status, holdUntil: stands.holdUntil };
    } catch (error) {
      if (isFault(error, "LEDGER_OVERLOADED")) return { kind: "busy" };
      return { kind: isFault(error, "LEDGER_UNAVAILABLE") ? "unknown" : "bug" };
    }
  }

  /** Everything is well again; everybody gets his answer, and what was left lying about is finished. */
  async heal(releaseAll: () => Promise<void>): Promise<void> {
    const { world } = this;
    world.link = () => "answer";
    world.way = async () => undefined;
    world.delay = async () => undefined;
    await releaseAll();
    await world.sales.refresh();
    await world.finish(Promise.all([...this.told.values()].flatMap(({ answers }) => answers)), 50);
    if (world.sale.mode === "redis") await world.leaveRedis();
    await world.clock.advance(5_000);
  }
}

async function check(story: Story): Promise<void> {
  const { books, ledger, sale } = story.world;
  const stock = books.tables.stockRow(ITEM_ID);
  expect(stock.free + stock.held + stock.sold).toBe(stock.total);
  expect(stock.granted).toBe(0);
  expect(ledger.unconfirmedCount()).toBe(0);
  for (const { attempt, answers } of story.told.values()) {
    const order = books.tables.data.orders.get(attempt.rid);
    for (const answer of await Promise.all(answers)) {
      expect(answer.kind).not.toBe("bug");
      // Every acceptance has its order, if only to say that it was lost.
      if (answer.kind === "accepted") {
        expect(order?.quantity).toBe(attempt.quantity);
        if (answer.status === "held") expect(order?.status).not.toBe("lost");
      }
      if (answer.kind === "refused" && answer.reason === "sold_out") expect(answer.soldUnits).toBe(stock.total);
    }
  }
  const units = new Map<string, number>();
  for (const order of books.tables.data.orders.values()) {
    if (order.status === "held") units.set(order.buyerId, (units.get(order.buyerId) ?? 0) + order.quantity);
  }
  for (const held of units.values()) expect(held).toBeLessThanOrEqual(sale.perBuyerMax);
  expect([...units.values()].reduce((sum, held) => sum + held, 0)).toBe(stock.held);
}

describe("the ledger of a node", () => {
  test("keeps its word through lost calls, restarts and changes of mode, in any order of events", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.record({ next: step, releases: fc.integer({ min: 0, max: 6 }) }), { minLength: 5, maxLength: 60 }),
        fc.array(fate, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        async (scheduler, steps, fates, stock, buckets) => {
          const world = await BucketWorld.inRedis({ stock, buckets, perBuyerMax: 3 });
          const story = new Story(world);
          let calls = 0;
          // A worker and a conductor reach Redis by ways of their own: only the node's are cut.
          world.link = () => fates[calls++ % fates.length] ?? "answer";
          world.way = () => scheduler.schedule(Promise.resolve());
          world.delay = () => scheduler.schedule(Promise.resolve());
          for (const { next, releases } of steps) {
            await story.take(next);
            // Some calls go on, in an order of the scheduler's choice; others stay where they are.
            for (let released = 0; released < releases && scheduler.count() > 0; released += 1) {
              await scheduler.waitOne();
              await settle();
            }
          }
          await story.heal(() => scheduler.waitAll());
          await check(story);
          await world.finish(world.ledger.stop(), 50);
        },
      ),
      { numRuns: Number(process.env["RUNS"] ?? 150), ...SEEDED },
    );
  }, 120_000);
});
