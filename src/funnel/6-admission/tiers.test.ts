/**
 * Each buyer's own opening time: the earliest of the tiers he belongs to, by list or by rule.
 */
import { describe, expect, test } from "bun:test";
import { FunnelFixture, problemOf, SALE_ID } from "../../../test/support/funnel-fixture.ts";
import type { Tier } from "../../domain/sale.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface TieredOptions {
  readonly tiers: (nowMs: number) => readonly Tier[];
  readonly allowlist?: string[];
  readonly onListOnly?: boolean;
}

/** A sale that opens to everybody in ten minutes. */
async function tiered(options: TieredOptions): Promise<FunnelFixture> {
  const fixture = new FunnelFixture();
  const nowMs = fixture.clock.nowMs();
  fixture.store.allowlist = options.allowlist ?? [];
  const tiers = options.tiers(nowMs);
  const eligibility = { tiers, ...(options.onListOnly === true ? { allowlist: true } : {}) };
  fixture.store.change(SALE_ID, { opensAt: nowMs + 10 * MINUTE_MS, eligibility });
  await fixture.funnel.warmUp();
  return fixture;
}

const GOLD_FIRST = (nowMs: number): readonly Tier[] => [
  { name: "silver", opensAt: nowMs + 5 * MINUTE_MS },
  { name: "gold", opensAt: nowMs + MINUTE_MS },
];

describe("tiers", () => {
  test("each buyer is let in at his own instant and not a millisecond before", async () => {
    const fixture = await tiered({ tiers: GOLD_FIRST, allowlist: ["ann,gold", "bob,silver", "eve"] });
    const startMs = fixture.clock.nowMs();
    const instants = { ann: startMs + MINUTE_MS, bob: startMs + 5 * MINUTE_MS, eve: startMs + 10 * MINUTE_MS };
    for (const [buyerId, opensAt] of Object.entries(instants)) {
      const buyer = fixture.buyer({ buyerId });
      await fixture.clock.advance(opensAt - 1 - fixture.clock.nowMs());
      const early = problemOf(await fixture.attempt(buyer));
      expect(early["reason"]).toBe("not_open");
      // Before anybody may buy, nobody has been identified: the public instant is all that can be said.
      if (buyerId !== "ann") expect(early["opensAt"]).toBe(opensAt);
      if (buyerId !== "ann") expect(early["retryAfterMs"]).toBe(1);
      await fixture.clock.advance(1);
      expect((await fixture.attempt(buyer)).status).toBe(201);
    }
  });

  test("a tier's rules let in whoever satisfies all of them, guests never", async () => {
    const fixture = await tiered({
      tiers: (nowMs) => [{ name: "old", opensAt: nowMs, levelMin: 2, accountAgeMsMin: DAY_MS }],
    });
    const nowMs = fixture.clock.nowMs();
    const reason = async (claims: { level?: number; accountCreatedAt?: number }) => {
      const answer = await fixture.attempt(fixture.buyer(claims));
      return answer.status === 201 ? "accepted" : problemOf(answer)["reason"];
    };
    expect(await reason({ level: 2, accountCreatedAt: nowMs - DAY_MS })).toBe("accepted");
    expect(await reason({ level: 1, accountCreatedAt: nowMs - DAY_MS })).toBe("not_open");
    expect(await reason({ level: 2, accountCreatedAt: nowMs - DAY_MS + 1_000 })).toBe("not_open");
    expect(await reason({ level: 2 })).toBe("not_open");
    expect(await reason({})).toBe("not_open");
  });

  test("a tier without rules is only for those whom the list names", async () => {
    const fixture = await tiered({
      tiers: (nowMs) => [{ name: "gold", opensAt: nowMs }],
      allowlist: ["ann,gold", "bob"],
    });
    expect((await fixture.attempt(fixture.buyer({ buyerId: "ann" }))).status).toBe(201);
    for (const buyerId of ["bob", "eve"]) {
      expect(problemOf(await fixture.attempt(fixture.buyer({ buyerId })))["reason"]).toBe("not_open");
    }
  });

  test("a tier admits nobody whom another rule excludes", async () => {
    const tiers = (nowMs: number) => [{ name: "high", opensAt: nowMs, levelMin: 1 }];
    const fixture = await tiered({ tiers, allowlist: ["ann"], onListOnly: true });
    const stranger = await fixture.attempt(fixture.buyer({ buyerId: "eve", level: 9 }));
    expect(problemOf(stranger)).toMatchObject({ reason: "not_eligible", rule: "allowlist" });
    expect((await fixture.attempt(fixture.buyer({ buyerId: "ann", level: 9 }))).status).toBe(201);
  });

  test("moving a tier or the sale moves everybody at once", async () => {
    const fixture = await tiered({ tiers: GOLD_FIRST, allowlist: ["ann,gold"] });
    const ann = fixture.buyer({ buyerId: "ann" });
    await fixture.clock.advance(2 * MINUTE_MS);
    expect((await fixture.attempt(ann, { key: "one-attempt" })).status).toBe(201);
    const later = [{ name: "gold", opensAt: fixture.clock.nowMs() + MINUTE_MS }];
    fixture.store.change(SALE_ID, { eligibility: { tiers: later } });
    await fixture.catalogue.refresh();
    expect(problemOf(await fixture.attempt(ann, { key: "another-attempt" }))["reason"]).toBe("not_open");
    fixture.store.change(SALE_ID, { opensAt: fixture.clock.nowMs() });
    await fixture.catalogue.refresh();
    expect((await fixture.attempt(ann, { key: "another-attempt" })).status).toBe(201);
  });
});
