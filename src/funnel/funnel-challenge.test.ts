/**
 * Challenges in the whole funnel: asked for before the body is read, settled before the ledger is asked, and never in the
 * way of an answer that is owed.
 */
import { describe, expect, test } from "bun:test";
import { createTestGate, solve } from "../../test/support/challenges.ts";
import { type Buyer, FunnelFixture, problemOf } from "../../test/support/funnel-fixture.ts";
import { evenRandom } from "../../test/support/recording-log.ts";
import type { ChallengeRule, Sale } from "../domain/sale.ts";
import type { ChallengeDocument } from "../ports/challenge.ts";
import type { DemandingGate } from "./6-admission/challenge/demanding-gate.ts";

class Scene {
  readonly fixture: FunnelFixture;
  readonly gate: DemandingGate;

  private constructor(fixture: FunnelFixture, gate: DemandingGate) {
    this.fixture = fixture;
    this.gate = gate;
  }

  static async open(challenge: ChallengeRule, sale: Partial<Sale> = {}): Promise<Scene> {
    const fixture = new FunnelFixture({ sale: { challenge, ...sale }, dependencies: { challengeGate: LATE_GATE } });
    const gate = createTestGate({ keys: fixture.keys, clock: fixture.clock, random: evenRandom() });
    gates.set(LATE_GATE, gate);
    await fixture.funnel.warmUp();
    return new Scene(fixture, gate);
  }

  async ask(buyer: Buyer): Promise<ChallengeDocument> {
    const answer = await this.fixture.attempt(buyer);
    return problemOf(answer)["challenge"] as ChallengeDocument;
  }
}

/** The fixture makes the clock and keys that the gate needs, so the gate is put in its place after it. */
const gates = new Map<object, DemandingGate>();
const LATE_GATE = {
  check: (attempt: Parameters<DemandingGate["check"]>[0]) => known().check(attempt),
  settle: (...call: Parameters<DemandingGate["settle"]>) => known().settle(...call),
};
function known(): DemandingGate {
  const gate = gates.get(LATE_GATE);
  if (gate === undefined) throw new Error("no gate");
  return gate;
}

function withSolution(challenge: ChallengeDocument, solution = solve(challenge)): string {
  return JSON.stringify({ quantity: 1, challenge: { token: challenge.token, solution } });
}

describe("an attempt on a sale that always asks", () => {
  test("is asked without its body being read", async () => {
    const { fixture } = await Scene.open("always");
    const answer = await fixture.attempt(fixture.buyer());
    expect(answer.status).toBe(428);
    expect(problemOf(answer)).toMatchObject({ reason: "challenge_required", stage: "admission" });
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(fixture.bodiesRead).toBe(0);
  });

  test("is accepted with its solution, and again with the same key, and not with another", async () => {
    const scene = await Scene.open("always");
    const { fixture } = scene;
    const buyer = fixture.buyer();
    const body = withSolution(await scene.ask(buyer));
    const first = await fixture.attempt(buyer, { key: "one-key-of-mine", body });
    expect(first.status).toBe(201);
    const again = await fixture.attempt(buyer, { key: "one-key-of-mine", body });
    expect([again.status, again.headers["idempotent-replayed"]]).toEqual([201, "true"]);
    const other = await fixture.attempt(buyer, { key: "another-key-of-mine", body });
    expect([other.status, problemOf(other)["cause"]]).toEqual([403, "used"]);
  });

  test("may be repeated with its key and body when the ledger did not answer", async () => {
    const scene = await Scene.open("always");
    const { fixture } = scene;
    const buyer = fixture.buyer();
    const body = withSolution(await scene.ask(buyer));
    const key = "key-of-an-open-end";
    fixture.ledger.fateOf = () => "lose-call";
    expect(problemOf(await fixture.attempt(buyer, { key, body }))["reason"]).toBe("unavailable");
    fixture.ledger.fateOf = () => "answer";
    expect((await fixture.attempt(buyer, { key, body })).status).toBe(201);
  });

  test("with a wrong solution never reaches the ledger", async () => {
    const scene = await Scene.open("always");
    const { fixture } = scene;
    const buyer = fixture.buyer();
    const before = fixture.ledger.batches.length;
    const answer = await fixture.attempt(buyer, { body: withSolution(await scene.ask(buyer), "nonsense") });
    expect(problemOf(answer)).toMatchObject({ reason: "challenge_failed", stage: "admission", cause: "wrong" });
    expect(problemOf(answer)["challenge"]).toMatchObject({ kind: "pow" });
    expect(fixture.ledger.batches.length).toBe(before);
  });

  test("with a body that is long but has no solution is asked for one", async () => {
    const { fixture } = await Scene.open("always");
    const answer = await fixture.attempt(fixture.buyer(), { body: `{"quantity":1}${" ".repeat(200)}` });
    expect(problemOf(answer)["reason"]).toBe("challenge_required");
    expect(fixture.bodiesRead).toBe(1);
  });

  test("hears that the sale is paused before it is asked for work", async () => {
    const { fixture } = await Scene.open("always", { phase: "paused" });
    expect(problemOf(await fixture.attempt(fixture.buyer()))["reason"]).toBe("paused");
  });
});

test("an adaptive sale takes attempts as they are while nothing is going on", async () => {
  const { fixture } = await Scene.open("adaptive");
  expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
});

test("a crowd on an adaptive sale is asked, and whoever solved ahead of it is not", async () => {
  const { fixture, gate } = await Scene.open("adaptive");
  const ahead = fixture.buyer();
  const sale = fixture.store.sales[0] as Sale;
  const { clock } = fixture;
  const session = {
    ...ahead,
    expiresAt: clock.nowMs() + 1,
    level: 0,
    accountCreatedAt: null,
    device: "",
    suspicion: 0,
  };
  const challenge = gate.giveAhead({ sale, session, nowMs: clock.nowMs() });
  if (challenge === null) throw new Error("no challenge");
  const solution = { token: challenge.token, solution: solve(challenge) };
  const cleared = await gate.clear({ sale, session, solution, nowMs: clock.nowMs() });
  if ("reason" in cleared) throw new Error(cleared.reason);
  const statuses: number[] = [];
  for (let index = 0; index < 60; index += 1) {
    const request = fixture.request(fixture.buyer(), { body: "stalled", headers: { "content-length": "14" } });
    const answer = fixture.funnel.decide(request);
    statuses.push(answer instanceof Promise ? 0 : answer.status);
  }
  expect(statuses[0]).toBe(0);
  expect(statuses.at(-1)).toBe(428);
  expect((await fixture.attempt(ahead, { headers: { "x-clearance": cleared.clearance } })).status).toBe(201);
});
