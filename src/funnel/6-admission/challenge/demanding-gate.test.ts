/**
 * Who is asked for a challenge, for how much, and what is told to whom failed.
 */
import { describe, expect, test } from "bun:test";
import {
  createTestGate,
  solve,
  TEST_BITS,
  TEST_BITS_MAX,
  TEST_LOAD_PER_S,
  TEST_TTL_MS,
} from "../../../../test/support/challenges.ts";
import { saleAt } from "../../../../test/support/funnel-fixture.ts";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import { evenRandom } from "../../../../test/support/recording-log.ts";
import type { BuyerId, SessionId } from "../../../domain/ids.ts";
import type { Refusal } from "../../../domain/refusals.ts";
import type { ChallengeRule } from "../../../domain/sale.ts";
import type { ChallengeDocument } from "../../../ports/challenge.ts";
import { deriveKeys } from "../../3-identity/keys.ts";
import type { Session } from "../../3-identity/session-token.ts";
import { type ChallengeDemand, type GatedAttempt, isDemand } from "../challenge-gate.ts";
import { type RiskScore, UNSUSPECTED } from "../risk/risk.ts";
import type { DemandingGate } from "./demanding-gate.ts";

const SUSPECT: RiskScore = { score: 60, band: "slow_down", causes: ["rhythm"] };

class Scene {
  readonly clock = new ManualClock();
  readonly keys = deriveKeys("a secret of the tests");
  readonly gate: DemandingGate = createTestGate({ keys: this.keys, clock: this.clock, random: evenRandom() });

  session(changes: Partial<Session> = {}): Session {
    return {
      sessionId: "session-1" as SessionId,
      buyerId: "ann" as BuyerId,
      expiresAt: this.clock.nowMs() + 3_600_000,
      level: 0,
      accountCreatedAt: null,
      device: "",
      suspicion: 0,
      ...changes,
    };
  }

  attempt(challenge: ChallengeRule, changes: Partial<GatedAttempt> & { headers?: Record<string, string> } = {}) {
    const { headers = {}, ...rest } = changes;
    const known: Record<string, string> = { "content-length": "14", ...headers };
    return this.gate.check({
      sale: saleAt(this.clock.nowMs(), { challenge }),
      session: this.session(),
      risk: UNSUSPECTED,
      request: { header: (name) => known[name] ?? null },
      fullness: 0,
      nowMs: this.clock.nowMs(),
      ...rest,
    });
  }

  async clearance(changes: Partial<Session> = {}): Promise<string> {
    const session = this.session(changes);
    const sale = saleAt(this.clock.nowMs(), { challenge: "always" });
    const nowMs = this.clock.nowMs();
    const challenge = this.gate.giveAhead({ sale, session, nowMs });
    if (challenge === null) throw new Error("no challenge");
    const solution = { token: challenge.token, solution: solve(challenge) };
    const cleared = await this.gate.clear({ sale, session, solution, nowMs });
    if ("reason" in cleared) throw new Error(cleared.reason);
    return cleared.clearance;
  }
}

function challengeOf(answer: Refusal | ChallengeDemand | null): ChallengeDocument {
  if (answer === null || isDemand(answer)) throw new Error("not refused");
  return answer.extra?.["challenge"] as unknown as ChallengeDocument;
}

function reasonOf(answer: Refusal | ChallengeDemand | null): string | null {
  if (answer === null) return null;
  return isDemand(answer) ? "demand" : answer.reason;
}

describe("who is asked", () => {
  test("none is none, even of the suspect in a crowd", () => {
    const scene = new Scene();
    expect(scene.attempt("none", { risk: SUSPECT, fullness: 1 })).toBeNull();
  });

  test("always asks everybody for the base", () => {
    const answer = new Scene().attempt("always");
    expect(reasonOf(answer)).toBe("challenge_required");
    expect(challengeOf(answer)).toMatchObject({ kind: "pow", difficulty: TEST_BITS });
  });

  test("adaptive asks nobody on a quiet day, the suspect for more, and everybody in a crowd", () => {
    const scene = new Scene();
    expect(scene.attempt("adaptive")).toBeNull();
    expect(challengeOf(scene.attempt("adaptive", { risk: SUSPECT })).difficulty).toBe(TEST_BITS + 2);
    expect(challengeOf(scene.attempt("adaptive", { fullness: 0.6 })).difficulty).toBe(TEST_BITS);
    expect(challengeOf(scene.attempt("adaptive", { fullness: 0.9 })).difficulty).toBe(TEST_BITS + 2);
  });

  test("a crowd of attempts is asked within the second, and no more half a minute after it left", async () => {
    const scene = new Scene();
    const answers = Array.from({ length: TEST_LOAD_PER_S }, () => reasonOf(scene.attempt("adaptive")));
    expect(answers[0]).toBeNull();
    expect(answers.at(-1)).toBe("challenge_required");
    await scene.clock.advance(29_000);
    expect(reasonOf(scene.attempt("adaptive"))).toBe("challenge_required");
    await scene.clock.advance(31_000);
    expect(scene.attempt("adaptive")).toBeNull();
  });

  test("no challenge is harder than the most there may be", () => {
    const risk: RiskScore = { ...SUSPECT, band: "refuse" };
    expect(challengeOf(new Scene().attempt("always", { risk, fullness: 1 })).difficulty).toBe(TEST_BITS_MAX);
  });
});

describe("a clearance", () => {
  test("clears every attempt of its session", async () => {
    const scene = new Scene();
    const headers = { "x-clearance": await scene.clearance() };
    expect(scene.attempt("always", { headers })).toBeNull();
    expect(scene.attempt("always", { headers, fullness: 1 })).toBeNull();
    expect(scene.attempt("adaptive", { headers, fullness: 1 })).toBeNull();
  });

  test("of another session or with a changed letter fails, and a fresh challenge comes with the news", async () => {
    const scene = new Scene();
    const foreign = await scene.clearance({ sessionId: "session-2" as SessionId });
    const own = await scene.clearance();
    for (const clearance of [foreign, `${own}x`, "", "k1.demo.9.zzzzzz.", own.replace(".5.", ".9.")]) {
      const answer = scene.attempt("always", { headers: { "x-clearance": clearance } });
      expect(reasonOf(answer)).toBe("challenge_failed");
      expect(challengeOf(answer).kind).toBe("pow");
    }
  });

  test("earned ahead of time outweighs a small doubt at the opening", async () => {
    const scene = new Scene();
    const headers = { "x-clearance": await scene.clearance() };
    const doubt: RiskScore = { score: 35, band: "challenge", causes: ["accounts_on_network"] };
    expect(scene.attempt("always", { headers, risk: doubt })).toBeNull();
  });

  test("that has expired, or is too weak for the suspect, is asked for anew and not called a failure", async () => {
    const scene = new Scene();
    const headers = { "x-clearance": await scene.clearance() };
    expect(reasonOf(scene.attempt("always", { headers, risk: SUSPECT }))).toBe("challenge_required");
    await scene.clock.advance(3_600_000);
    expect(reasonOf(scene.attempt("always", { headers }))).toBe("challenge_required");
  });

  test("of a session that began suspect is worth what suspicion asks for", async () => {
    const scene = new Scene();
    const sale = saleAt(scene.clock.nowMs(), { challenge: "always" });
    const session = scene.session({ suspicion: 80 });
    const challenge = scene.gate.giveAhead({ sale, session, nowMs: scene.clock.nowMs() });
    expect(challenge?.difficulty).toBe(TEST_BITS + 2);
  });
});

describe("a solution in the body", () => {
  const body = { "content-length": "300" };

  async function settle(scene: Scene, changes: { token?: string; solution?: string | null; purpose?: string } = {}) {
    const demand = scene.attempt("always", { headers: body });
    if (demand === null || !isDemand(demand)) throw new Error("no demand");
    const challenge = challengeOf(scene.attempt("always"));
    const token = changes.token ?? challenge.token;
    const solution = changes.solution === null ? null : { token, solution: changes.solution ?? solve(challenge) };
    return scene.gate.settle(demand, { solution, purpose: changes.purpose ?? "key-1", nowMs: scene.clock.nowMs() });
  }

  test("is waited for where the body has room for one or does not say its length", () => {
    const scene = new Scene();
    expect(reasonOf(scene.attempt("always", { headers: body }))).toBe("demand");
    const unannounced = { header: () => null };
    expect(reasonOf(scene.attempt("always", { request: unannounced }))).toBe("demand");
    expect(reasonOf(scene.attempt("always", { headers: { "content-length": "119" } }))).toBe("challenge_required");
  });

  test("meets the demand when it is right", async () => {
    expect(await settle(new Scene())).toBeNull();
  });

  test("is asked for when the body has none, and failed with the cause when it is wrong", async () => {
    const scene = new Scene();
    expect(await settle(scene, { solution: null })).toMatchObject({ reason: "challenge_required" });
    const wrong = await settle(scene, { solution: "nonsense" });
    expect(wrong).toMatchObject({ reason: "challenge_failed", extra: { cause: "wrong" } });
    expect(challengeOf(wrong).token).toStartWith("c1.pow.");
    expect(await settle(scene, { token: "c1.pow" })).toMatchObject({ extra: { cause: "malformed" } });
  });
});

describe("ahead of time", () => {
  test("a sale that never asks has none to give", () => {
    const scene = new Scene();
    const sale = saleAt(scene.clock.nowMs(), { challenge: "none" });
    expect(scene.gate.giveAhead({ sale, session: scene.session(), nowMs: scene.clock.nowMs() })).toBeNull();
  });

  test("one that was given before the crowd came clears the attempt in it", async () => {
    const scene = new Scene();
    const headers = { "x-clearance": await scene.clearance() };
    for (let attempt = 0; attempt < 2 * TEST_LOAD_PER_S; attempt += 1) scene.attempt("adaptive");
    expect(reasonOf(scene.attempt("adaptive"))).toBe("challenge_required");
    expect(scene.attempt("adaptive", { headers })).toBeNull();
  });

  test("one that expired is failed with a fresh one", async () => {
    const scene = new Scene();
    const sale = saleAt(scene.clock.nowMs(), { challenge: "always" });
    const session = scene.session();
    const challenge = scene.gate.giveAhead({ sale, session, nowMs: scene.clock.nowMs() });
    if (challenge === null) throw new Error("no challenge");
    const solution = { token: challenge.token, solution: solve(challenge) };
    const answer = await scene.gate.clear({ sale, session, solution, nowMs: scene.clock.nowMs() + TEST_TTL_MS });
    expect(answer).toMatchObject({ reason: "challenge_failed", extra: { cause: "expired" } });
  });
});
