/**
 * A few hundred buyers against a shop in memory: an honest shop is found correct, a lying one is found out.
 */
import { describe, expect, test } from "bun:test";
import { Crowd } from "./crowd.ts";
import { FakeShop, type Lies } from "./fake-shop.ts";
import { type Finding, judge } from "./judge.ts";
import type { Observation } from "./observation.ts";
import { createSystemClock } from "./system-clock.ts";
import { countHasty, countRows, sumTallies, type TallySum } from "./tally.ts";

const ITEMS = [
  { sku: "standing", stock: 60 },
  { sku: "seated", stock: 30 },
];
const PER_BUYER_MAX = 2;
/** So much that a lie does not depend on who comes first. */
const PLENTY = 50;
const clock = createSystemClock();

interface Story {
  readonly findings: readonly Finding[];
  readonly observations: readonly Observation[];
  readonly tally: TallySum;
  readonly shop: FakeShop;
}

async function sellTo(buyerCount: number, lies: Lies = {}, stockFactor = 1): Promise<Story> {
  const stocked = ITEMS.map(({ sku, stock }) => ({ sku, stock: stock * stockFactor }));
  const shop = new FakeShop({ items: stocked, perBuyerMax: PER_BUYER_MAX, lies });
  const port = await shop.start();
  try {
    const observations: Observation[] = [];
    const items = stocked.map((item) => ({ ...item, perBuyerMax: PER_BUYER_MAX }));
    const crowd = new Crowd({
      setup: {
        type: "setup",
        shape: { seed: 11, items, rushMs: 300, arrivals: "rush", thinkMsMax: 50 },
        buyerCount,
        workerIndex: 0,
        workerCount: 1,
        hostname: "127.0.0.1",
        port,
        saleId: "fake",
        skus: ITEMS.map((item) => item.sku),
        perBuyerMax: ITEMS.map(() => PER_BUYER_MAX),
        nodeCount: 1,
      },
      clock,
      observe: (observation) => observations.push(observation),
      onMinted: () => undefined,
    });
    await crowd.mintSessions();
    shop.opensAtMs = clock.nowMs() + 300;
    await crowd.prepare({
      type: "rush",
      opensAtMs: shop.opensAtMs,
      patienceUntilMs: shop.opensAtMs + 400,
      serverOffsetMs: 0,
    });
    await crowd.run();
    const tally = sumTallies([crowd.tally.snapshot()]);
    const findings = judge({
      opensAtMs: shop.opensAtMs,
      readAtMs: clock.nowMs(),
      items,
      observations,
      orders: shop.orders,
      audit: shop.audit(),
      internalErrorCount: 0,
      hasty: countHasty(tally.rows),
    });
    return { findings, observations, tally, shop };
  } finally {
    await shop.stop();
  }
}

function rulesOf(story: Story): string[] {
  return story.findings.map((finding) => finding.rule);
}

describe("the crowd", () => {
  test("finds an honest shop correct, although it is refused, throttled by busy answers and hangs up", async () => {
    const story = await sellTo(600, { busyEvery: 7 });
    expect(story.findings).toEqual([]);
    const { rows } = story.tally;
    expect(countRows(rows, { reason: "busy" })).toBeGreaterThan(50);
    expect(countRows(rows, { reason: "dropped" })).toBeGreaterThan(10);
    expect(countRows(rows, { reason: "not_open" })).toBeGreaterThan(5);
    expect(countRows(rows, { reason: "empty" })).toBeGreaterThan(100);
    expect(countRows(rows, { population: "forger", reason: "accepted" })).toBe(0);
    expect(story.observations.some((row) => row.kind === "accepted" && row.isReplay)).toBe(true);
    expect(story.tally.payments.paid).toBeGreaterThan(20);
  });

  test("finds a shop correct that queues acceptances and decides when asked, and pays for them", async () => {
    const story = await sellTo(300, { queuesEvery: 2 });
    expect(story.findings).toEqual([]);
    const { rows, payments } = story.tally;
    expect(countRows(rows, { reason: "queued" })).toBeGreaterThan(20);
    expect(payments.followed).toBeGreaterThan(10);
    expect(payments.lost).toBe(0);
    const followed = story.observations.flatMap((row) => (row.kind === "decided" ? row.rid : []));
    expect(story.observations.some((row) => row.kind === "paid" && followed.includes(row.rid))).toBe(true);
  });

  test("finds a shop correct that tells those it queued of their loss", async () => {
    const story = await sellTo(300, { queuesEvery: 2, losesQueued: true });
    expect(story.findings).toEqual([]);
    expect(story.tally.payments.lost).toBeGreaterThan(10);
  });

  test("finds out a shop that loses what it had answered as held", async () => {
    expect(rulesOf(await sellTo(300, { losesHeldEvery: 3 }))).toContain("held_is_kept");
  });

  test("takes a gateway's answer for none, and asks again with the same key", async () => {
    const story = await sellTo(300, { gatewayEvery: 3 });
    expect(story.findings).toEqual([]);
    expect(countRows(story.tally.rows, { stage: "no answer", reason: "gateway" })).toBeGreaterThan(10);
  });

  // With stock for everybody: in a shortage the greedy may find it gone before they reach their limit.
  test("lets the greedy meet their limit", async () => {
    const story = await sellTo(300, {}, PLENTY);
    expect(countRows(story.tally.rows, { population: "greedy", reason: "limit_reached" })).toBeGreaterThan(0);
  });

  test("tries every forgery, and a replayer's two, each turned away", async () => {
    const story = await sellTo(600);
    const hows = new Set(story.observations.flatMap((row) => (row.kind === "forged" ? row.how : [])));
    expect([...hows].sort() as string[]).toEqual(
      [
        "altered_body",
        "altered_key",
        "altered_path",
        "altered_token",
        "captured_with_other_key",
        "missing_signature",
        "nonce_reused",
        "other_key",
        "random_signature",
        "stale_timestamp",
      ].sort(),
    );
  });

  test("finds out a shop that does not look at signatures", async () => {
    expect(rulesOf(await sellTo(300, { acceptsForgeries: true }))).toContain("forgeries_refused");
  });

  test("finds out a shop that loses accepted orders", async () => {
    expect(rulesOf(await sellTo(300, { losesOrderEvery: 5 }))).toContain("accepted_has_order");
  });

  test("finds out a shop that sells twice for one key", async () => {
    expect(rulesOf(await sellTo(300, { ignoresKeys: true, ignoresLimit: true }, PLENTY))).toContain(
      "same_key_same_rid",
    );
  });

  test("finds out a shop that sells before the opening", async () => {
    expect(rulesOf(await sellTo(300, { opensEarly: true }))).toContain("not_before_opening");
  });

  test("finds out a shop that ignores the limit", async () => {
    expect(rulesOf(await sellTo(300, { ignoresLimit: true }, PLENTY))).toContain("limit_kept");
  });

  test("finds out a shop without a rate limit", async () => {
    expect(rulesOf(await sellTo(600, { ignoresHaste: true }))).toContain("haste_is_throttled");
  });
});
