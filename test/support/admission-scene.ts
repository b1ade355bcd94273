/**
 * Stages 1 to 6 as a node composes them (limits, risk, challenges, eligibility), on a funnel without a ledger behind it:
 * attempts that go all the way to the body, whose sender then turns out to be gone.
 */
import type { BuyerId, SessionId, Sku } from "../../src/domain/ids.ts";
import { mintPass } from "../../src/funnel/3-identity/pass.ts";
import { DEVICE_LENGTH } from "../../src/funnel/3-identity/session-token.ts";
import { ChallengeDesk } from "../../src/funnel/6-admission/challenge/challenge-desk.ts";
import { mintClearance } from "../../src/funnel/6-admission/challenge/clearance.ts";
import type { DemandingGate } from "../../src/funnel/6-admission/challenge/demanding-gate.ts";
import { RiskEngine } from "../../src/funnel/6-admission/risk/risk-engine.ts";
import { DEFAULT_RISK_MODEL } from "../../src/funnel/6-admission/risk/risk-model.ts";
import type { HotAnswer, HotRequest } from "../../src/funnel/request.ts";
import type { Random } from "../../src/ports/random.ts";
import { createTestGate, TEST_BITS, TEST_BITS_MAX, TEST_CLEARANCE_MS, TEST_TTL_MS } from "./challenges.ts";
import { type Buyer, FunnelFixture, SALE_ID } from "./funnel-fixture.ts";

/** A device key that no other number has. */
function deviceNumber(number: number): string {
  return `device${number}`.padEnd(DEVICE_LENGTH, "x");
}

/** Never reached by a run, always counted. */
const LIMITS = {
  buyerPerS: 1_000,
  buyerPerMin: 10_000,
  devicePerS: 1_000,
  ipPerS: 1_000,
  networkPerS: 10_000_000,
  salePerS: 10_000_000,
  totalPerS: 10_000_000,
};
const HOUR_MS = 3_600_000;

/** What an attempt shows: a signed request with a clearance, one without, or a pass. */
export type ShownProof = "clearance" | "nothing" | "pass";

export class AdmissionScene {
  readonly fixture: FunnelFixture;
  readonly gate: DemandingGate;
  readonly desk: ChallengeDesk;
  #drawn = 0;

  private constructor(fixture: FunnelFixture, parts: { gate: DemandingGate; desk: ChallengeDesk }) {
    this.fixture = fixture;
    this.gate = parts.gate;
    this.desk = parts.desk;
  }

  /** `random` makes the seeds of challenges: the real source, where that is measured. */
  static async open(random: Random): Promise<AdmissionScene> {
    const { clock, keys } = new FunnelFixture();
    const parts = { keys, random, ttlMs: TEST_TTL_MS, clearanceMs: TEST_CLEARANCE_MS };
    const gate = createTestGate({ keys, clock, random });
    const riskAssessor = new RiskEngine({
      model: DEFAULT_RISK_MODEL,
      clock,
      deviceKey: keys.device,
      sharedHash: keys.sharedHash,
      trustedProxies: ["10.0.0.0/8"],
      countsNetworks: true,
    });
    const fixture = await FunnelFixture.warm({
      sale: { challenge: "always", signature: "required", eligibility: { levelMin: 1, accountAgeMsMin: HOUR_MS } },
      dependencies: { challengeGate: gate, riskAssessor, limits: LIMITS, trustedProxies: ["10.0.0.0/8"] },
    });
    return new AdmissionScene(fixture, { gate, desk: new ChallengeDesk(parts) });
  }

  /** A buyer of the shop whom the sale's rules admit, with a device of his own. */
  buyer(): Buyer {
    this.#drawn += 1;
    const accountCreatedAt = this.fixture.clock.nowMs() - 1_000 * HOUR_MS;
    return this.fixture.buyer({
      level: 3,
      accountCreatedAt,
      device: deviceNumber(this.#drawn),
    });
  }

  /** The request of an attempt by somebody at an address of his own. */
  request(buyer: Buyer, proof: ShownProof): HotRequest {
    this.#drawn += 1;
    const remoteAddress = `198.${18 + (this.#drawn >> 16)}.${(this.#drawn >> 8) & 255}.${this.#drawn & 255}`;
    const key = `key-${this.#drawn}-of-the-scene`;
    const common = { key, remoteAddress, body: "stalled" as const };
    if (proof === "pass") {
      return this.fixture.request(null, {
        ...common,
        headers: { "x-pass": this.#passOf(buyer, key), "content-length": "14" },
      });
    }
    const clearance = proof === "clearance" ? { "x-clearance": this.#clearanceOf(buyer.sessionId) } : {};
    return this.fixture.request(buyer, { ...common, sign: true, headers: { ...clearance, "content-length": "14" } });
  }

  decide(request: HotRequest): HotAnswer | Promise<HotAnswer> {
    return this.fixture.funnel.decide(request);
  }

  #clearanceOf(sessionId: SessionId): string {
    const { keys, clock } = this.fixture;
    const expiresAt = clock.nowMs() + TEST_CLEARANCE_MS;
    return mintClearance(keys.clearance, { saleId: SALE_ID, sessionId, strength: TEST_BITS_MAX, expiresAt });
  }

  #passOf(buyer: Buyer, idempotencyKey: string): string {
    const { keys, clock } = this.fixture;
    const intent = { saleId: SALE_ID, sku: "one" as Sku, quantity: 1, idempotencyKey };
    return mintPass(keys.pass, intent, {
      sessionId: buyer.sessionId,
      buyerId: buyer.buyerId as BuyerId,
      expiresAt: clock.nowMs() + HOUR_MS,
      level: 3,
      accountCreatedAt: clock.nowMs() - 1_000 * HOUR_MS,
      device: deviceNumber(this.#drawn),
      suspicion: 0,
    });
  }
}

export { TEST_BITS as SCENE_BITS };
