/**
 * What a score does to an attempt: nothing, a wait, or, where the operator asked for it, a refusal. Units that somebody
 * already has are never touched by it.
 */
import { describe, expect, test } from "bun:test";
import { type Buyer, FunnelFixture } from "../../test/support/funnel-fixture.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { HmacKey } from "./3-identity/hmac.ts";
import { RiskEngine } from "./6-admission/risk/risk-engine.ts";
import { DEFAULT_RISK_MODEL } from "./6-admission/risk/risk-model.ts";
import type { FunnelDependencies } from "./funnel.ts";

async function setting(dependencies: Partial<FunnelDependencies> = {}) {
  const clock = new ManualClock();
  const engine = new RiskEngine({
    model: DEFAULT_RISK_MODEL,
    clock,
    deviceKey: new HmacKey(Buffer.alloc(32, 3)),
    sharedHash: { word0: 5, word1: 6 },
    trustedProxies: [],
    countsNetworks: true,
  });
  const fixture = await FunnelFixture.warm({ dependencies: { clock, riskAssessor: engine, ...dependencies } });
  const attempt = async (buyer: Buyer, key?: string) => {
    const answer = await fixture.funnel.decide(
      fixture.request(buyer, { sign: true, ...(key === undefined ? {} : { key }) }),
    );
    return { status: answer.status, ...(JSON.parse(answer.body) as Record<string, unknown>) };
  };
  return { clock, engine, fixture, attempt };
}

describe("an attempt", () => {
  test("against which little is held passes at once", async () => {
    const { fixture, attempt } = await setting();
    expect(await attempt(fixture.buyer({ suspicion: 59 }))).toMatchObject({ status: 201 });
  });

  test("that is suspect waits in the slow lane, and whoever waits as he is told gets through", async () => {
    const { clock, fixture, attempt } = await setting();
    const buyer = fixture.buyer({ suspicion: 60 });
    const first = await attempt(buyer);
    expect(first).toMatchObject({ status: 429, reason: "throttled", retryAfterMs: DEFAULT_RISK_MODEL.slowDownMs });
    clock.jump(DEFAULT_RISK_MODEL.slowDownMs);
    expect(await attempt(buyer)).toMatchObject({ status: 201 });
  });

  test("of another account of the same device waits in the same lane", async () => {
    const { clock, fixture, attempt } = await setting();
    const device = "abcdefghijkl";
    const [one, other] = [fixture.buyer({ suspicion: 60, device }), fixture.buyer({ suspicion: 60, device })];
    await attempt(one);
    clock.jump(DEFAULT_RISK_MODEL.slowDownMs);
    expect(await attempt(one)).toMatchObject({ status: 201 });
    expect(await attempt(other)).toMatchObject({ status: 429, retryAfterMs: DEFAULT_RISK_MODEL.slowDownMs });
  });

  test("with the highest score is slowed down, and refused only where the operator asked for it", async () => {
    const slowing = await setting();
    expect(await slowing.attempt(slowing.fixture.buyer({ suspicion: 100 }))).toMatchObject({ reason: "throttled" });
    const refusing = await setting({ refusesByScore: true });
    const refused = await refusing.attempt(refusing.fixture.buyer({ suspicion: 100 }));
    expect(refused).toMatchObject({ status: 403, reason: "not_eligible", stage: "admission", rule: "risk" });
    expect(await refusing.attempt(refusing.fixture.buyer({ suspicion: 89 }))).toMatchObject({ reason: "throttled" });
  });

  test("that does not wait as it was told is held against its account", async () => {
    const { clock, engine, fixture, attempt } = await setting();
    const buyer = fixture.buyer({ suspicion: 60 });
    for (let times = 0; times < 30; times += 1) {
      await attempt(buyer);
      clock.jump(10 + times);
    }
    expect(engine.report().causes["hammering"]).toBeGreaterThan(0);
  });
});
