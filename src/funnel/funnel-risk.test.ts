/**
 * What a score does to an attempt: nothing, a wait, or, where the operator asked for it, a refusal. Units that somebody
 * already has are never touched by it.
 */
import { describe, expect, test } from "bun:test";
import { type Buyer, FunnelFixture, SALE_ID } from "../../test/support/funnel-fixture.ts";
import type { Refusal } from "../domain/refusals.ts";
import { HmacKey } from "./3-identity/hmac.ts";
import { type Session, verifySessionToken } from "./3-identity/session-token.ts";
import type { RiskAssessor, RiskScore } from "./6-admission/risk/risk.ts";
import { RiskEngine } from "./6-admission/risk/risk-engine.ts";
import { DEFAULT_RISK_MODEL } from "./6-admission/risk/risk-model.ts";
import type { PageSignals } from "./6-admission/risk/signals.ts";
import type { FunnelDependencies } from "./funnel.ts";
import type { PassWish } from "./pass-desk.ts";

/** Hands everything on to the engine that is made once the fixture's clock is there. */
class LateAssessor implements RiskAssessor {
  engine: RiskEngine | null = null;

  assess(attempt: Parameters<RiskAssessor["assess"]>[0]): RiskScore {
    return this.#made.assess(attempt);
  }

  slowDownMs(session: Session): number {
    return this.#made.slowDownMs(session);
  }

  refused(session: Session, refusal: Refusal): void {
    this.#made.refused(session, refusal);
  }

  get #made(): RiskEngine {
    if (this.engine === null) throw new Error("the engine is asked before it is made");
    return this.engine;
  }
}

async function setting(dependencies: Partial<FunnelDependencies> = {}) {
  const assessor = new LateAssessor();
  const fixture = await FunnelFixture.warm({ dependencies: { riskAssessor: assessor, ...dependencies } });
  const { clock } = fixture;
  const engine = new RiskEngine({
    model: DEFAULT_RISK_MODEL,
    clock,
    deviceKey: new HmacKey(Buffer.alloc(32, 3)),
    sharedHash: { word0: 5, word1: 6 },
    trustedProxies: [],
    countsNetworks: true,
  });
  assessor.engine = engine;
  const attempt = async (buyer: Buyer): Promise<Record<string, unknown>> => {
    const answer = await fixture.attempt(buyer, { sign: true });
    return { ...(JSON.parse(answer.body) as Record<string, unknown>), status: answer.status };
  };
  return { clock, engine, fixture, attempt };
}

const KEY_OF_WISH = "the-key-of-the-wish";
const COMPUTER: PageSignals = {
  automation: false,
  timeZone: "Europe/Berlin",
  languages: ["de"],
  screen: { width: 1_920, height: 1_080, depth: 24 },
  hardwareConcurrency: 8,
  touch: 0,
};

/** What a buyer asks a pass for. */
function wish(fixture: FunnelFixture, { token }: Buyer): PassWish {
  const session = verifySessionToken(fixture.keys.session, token, fixture.clock.nowMs());
  if (typeof session === "string") throw new Error(session);
  const request = { method: "POST", pathAndQuery: "/", remoteAddress: "192.0.2.1", header: () => null };
  const wanted = { saleId: SALE_ID, sku: "one", quantity: 1, idempotencyKey: KEY_OF_WISH };
  return { session, ...wanted, challenge: null, request };
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
    const device = "dabcdefghijk";
    const [one, other] = [fixture.buyer({ suspicion: 60, device }), fixture.buyer({ suspicion: 60, device })];
    await attempt(one);
    clock.jump(DEFAULT_RISK_MODEL.slowDownMs);
    expect(await attempt(one)).toMatchObject({ status: 201 });
    const second = await attempt(other);
    expect(second).toMatchObject({ status: 429, reason: "throttled" });
    expect(second["retryAfterMs"]).toBeGreaterThan(DEFAULT_RISK_MODEL.slowDownMs / 2);
  });

  test("of another person with the same telephone waits in a lane of his own", async () => {
    const { clock, fixture, attempt } = await setting();
    const device = "habcdefghijk";
    const [one, other] = [fixture.buyer({ suspicion: 60, device }), fixture.buyer({ suspicion: 60, device })];
    await attempt(one);
    await attempt(other);
    clock.jump(DEFAULT_RISK_MODEL.slowDownMs);
    expect([(await attempt(one))["status"], (await attempt(other))["status"]]).toEqual([201, 201]);
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

  test("that is suspect gets no pass by which it would leave its lane; an ordinary one does", async () => {
    const { fixture } = await setting();
    const ask = (suspicion: number) => fixture.funnel.passes.issue(wish(fixture, fixture.buyer({ suspicion })));
    expect(await ask(60)).toMatchObject({ reason: "throttled", extra: { rule: "risk" } });
    expect(await ask(59)).toHaveProperty("pass");
  });

  test("with a pass waits in the slow lane, too, when its device has turned out to be a farm's since", async () => {
    const { clock, engine, fixture } = await setting();
    const address = { remoteAddress: "192.0.2.1", header: () => null };
    const begin = (buyerId: string) => engine.beginSession({ request: address, signals: COMPUTER, buyerId });
    const { device } = begin("first");
    const armed = async (): Promise<() => Promise<Record<string, unknown>>> => {
      const issued = await fixture.funnel.passes.issue(wish(fixture, fixture.buyer({ device })));
      if (!("pass" in issued)) throw new Error(issued.reason);
      const headers = { "x-pass": issued.pass };
      return async () => {
        const answer = await fixture.attempt(null, { key: KEY_OF_WISH, headers });
        return { ...(JSON.parse(answer.body) as Record<string, unknown>), status: answer.status };
      };
    };
    const [early, late] = [await armed(), await armed()];
    expect(await early()).toMatchObject({ status: 201 });
    for (let account = 0; account < 80; account += 1) begin(`account-${account}`);
    expect(await late()).toMatchObject({ reason: "throttled", retryAfterMs: DEFAULT_RISK_MODEL.slowDownMs });
    clock.jump(DEFAULT_RISK_MODEL.slowDownMs);
    expect(await late()).toMatchObject({ status: 201 });
  });
});

describe("a buyer", () => {
  const limits = { buyerPerS: 50, buyerPerMin: 0, ipPerS: 0 };

  test("has one attempt at a time; the same key again is the same attempt", async () => {
    const { fixture } = await setting({ limits });
    const buyer = fixture.buyer();
    const first = fixture.decide(fixture.request(buyer, { sign: true, key: "the-first-of-his-keys" }));
    const same = fixture.decide(fixture.request(buyer, { sign: true, key: "the-first-of-his-keys" }));
    const other = fixture.funnel.decide(fixture.request(buyer, { sign: true, key: "another-of-his-keys" }));
    if (other instanceof Promise) throw new Error("the second attempt was not refused at once");
    expect(JSON.parse(other.body)).toMatchObject({ reason: "throttled", rule: "one_at_a_time" });
    expect([(await first).status, (await same).status]).toEqual([201, 201]);
    expect((await fixture.attempt(buyer, { sign: true, key: "another-of-his-keys" })).status).toBe(201);
  });

  test("who is not limited has as many as he likes", async () => {
    const { fixture } = await setting();
    const buyer = fixture.buyer();
    const attempts = ["the-first-of-his-keys", "another-of-his-keys"].map((key) =>
      fixture.decide(fixture.request(buyer, { sign: true, key })),
    );
    expect((await Promise.all(attempts)).map(({ status }) => status)).toEqual([201, 201]);
  });
});
