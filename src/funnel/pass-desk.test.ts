/**
 * Passes before the opening: who gets one, what it costs him, and that it opens the sale for him at his own instant.
 */
import { describe, expect, test } from "bun:test";
import { type Buyer, FunnelFixture, problemOf, SALE_ID } from "../../test/support/funnel-fixture.ts";
import type { Refusal } from "../domain/refusals.ts";
import type { Eligibility, Sale } from "../domain/sale.ts";
import { isRefusal } from "./3-identity/authenticate.ts";
import { verifySessionToken } from "./3-identity/session-token.ts";
import type { ChallengeGate } from "./6-admission/challenge-gate.ts";
import { type IssuedPass, PASS_USABLE_MS, type PassWish } from "./pass-desk.ts";
import { plainRefusal } from "./refusal-answers.ts";

const KEY = "the-key-of-the-wish";
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A sale that opens in ten minutes. */
async function waiting(sale: Partial<Sale> = {}, gate?: ChallengeGate): Promise<FunnelFixture> {
  const dependencies = gate === undefined ? {} : { challengeGate: gate };
  const fixture = new FunnelFixture({ sale, dependencies });
  fixture.store.change(SALE_ID, { opensAt: fixture.clock.nowMs() + 10 * MINUTE_MS, ...sale });
  await fixture.funnel.warmUp();
  return fixture;
}

function ask(fixture: FunnelFixture, buyer: Buyer, wish: Partial<PassWish> = {}): Promise<IssuedPass | Refusal> {
  const session = verifySessionToken(fixture.keys.session, buyer.token, fixture.clock.nowMs());
  if (typeof session === "string") throw new Error(session);
  return fixture.funnel.passes.issue({
    session,
    saleId: SALE_ID,
    sku: "one",
    quantity: 1,
    idempotencyKey: KEY,
    challenge: null,
    request: { method: "POST", pathAndQuery: "/", remoteAddress: "192.0.2.1", header: () => null },
    ...wish,
  });
}

async function passOf(...args: Parameters<typeof ask>): Promise<IssuedPass> {
  const issued = await ask(...args);
  if (isRefusal(issued)) throw new Error(issued.reason);
  return issued;
}

async function refusalOf(...args: Parameters<typeof ask>): Promise<unknown> {
  const issued = await ask(...args);
  return isRefusal(issued) ? { reason: issued.reason, ...issued.extra } : issued;
}

describe("a pass", () => {
  test("is given before the opening and buys at it, with nothing else in the request", async () => {
    const fixture = await waiting({ signature: "required" });
    const { pass, opensAt, expiresAt } = await passOf(fixture, fixture.buyer(), { quantity: 2 });
    expect(opensAt - fixture.clock.nowMs()).toBe(10 * MINUTE_MS);
    expect(expiresAt - opensAt).toBe(PASS_USABLE_MS);
    await fixture.clock.advance(10 * MINUTE_MS - 1);
    const request = { key: KEY, headers: { "x-pass": pass }, body: '{"quantity":2}' };
    expect(problemOf(await fixture.attempt(null, request))["reason"]).toBe("not_open");
    await fixture.clock.advance(1);
    expect((await fixture.attempt(null, request)).status).toBe(201);
  });

  test("ends ten minutes after the buyer's opening, or with his session", async () => {
    const fixture = await waiting();
    const { pass } = await passOf(fixture, fixture.buyer());
    await fixture.clock.advance(10 * MINUTE_MS + PASS_USABLE_MS);
    const answer = await fixture.attempt(null, { key: KEY, headers: { "x-pass": pass } });
    expect(problemOf(answer)["reason"]).toBe("pass_invalid");

    const endsSoon = fixture.clock.nowMs() + MINUTE_MS;
    const { expiresAt } = await passOf(fixture, fixture.buyer({ expiresAt: endsSoon }));
    expect(expiresAt).toBe(Math.floor(endsSoon / 1_000) * 1_000);
  });

  test("is refused in the words that the attempt would hear", async () => {
    const fixture = await waiting({ eligibility: { levelMin: 1, blocklist: ["ann"] } });
    const buyer = fixture.buyer({ level: 1 });
    expect(await refusalOf(fixture, fixture.buyer())).toEqual({ reason: "not_eligible", rule: "level" });
    const ann = fixture.buyer({ buyerId: "ann", level: 1 });
    expect(await refusalOf(fixture, ann)).toEqual({ reason: "not_eligible", rule: "blocklist" });
    expect(await refusalOf(fixture, buyer, { sku: "none" })).toEqual({ reason: "no_such_item" });
    expect(await refusalOf(fixture, buyer, { saleId: "none" })).toEqual({ reason: "no_such_sale" });
    expect(await refusalOf(fixture, buyer, { quantity: 3 })).toEqual({ reason: "bad_quantity" });
    const who = { kind: "buyer", subject: buyer.buyerId, effect: "refuse", origin: "operator" } as const;
    fixture.store.bans = [{ ...who, id: "1", reason: "bot", createdAt: 0, expiresAt: null }];
    await fixture.catalogue.refresh();
    expect(await refusalOf(fixture, buyer)).toEqual({ reason: "banned" });
    fixture.store.bans = [];
    fixture.store.change(SALE_ID, { phase: "closed", closedAt: fixture.clock.nowMs() });
    await fixture.catalogue.refresh();
    expect(await refusalOf(fixture, buyer)).toEqual({ reason: "closed" });
  });

  test("is given to an account that will be old enough when the sale opens for it", async () => {
    const fixture = await waiting({ eligibility: { accountAgeMsMin: DAY_MS } });
    const opensAt = fixture.clock.nowMs() + 10 * MINUTE_MS;
    const inTime = fixture.buyer({ accountCreatedAt: opensAt - DAY_MS });
    const tooLate = fixture.buyer({ accountCreatedAt: opensAt - DAY_MS + 1_000 });
    const { pass } = await passOf(fixture, inTime);
    expect(await refusalOf(fixture, tooLate)).toEqual({ reason: "not_eligible", rule: "account_age" });
    await fixture.clock.advance(10 * MINUTE_MS);
    expect((await fixture.attempt(null, { key: KEY, headers: { "x-pass": pass } })).status).toBe(201);
  });

  test("tells a buyer of a tier his own instant, and lets him in then and nobody with him", async () => {
    const fixture = await waiting();
    const early = fixture.clock.nowMs() + MINUTE_MS;
    const eligibility: Eligibility = { tiers: [{ name: "gold", opensAt: early, levelMin: 1 }] };
    fixture.store.change(SALE_ID, { eligibility });
    await fixture.catalogue.refresh();
    const gold = await passOf(fixture, fixture.buyer({ level: 1 }));
    const guest = await passOf(fixture, fixture.buyer());
    expect(gold.opensAt).toBe(early);
    expect(guest.opensAt).toBe(early + 9 * MINUTE_MS);
    await fixture.clock.advance(MINUTE_MS);
    expect((await fixture.attempt(null, { key: KEY, headers: { "x-pass": gold.pass } })).status).toBe(201);
    const refused = await fixture.attempt(null, { key: KEY, headers: { "x-pass": guest.pass } });
    expect(problemOf(refused)).toMatchObject({ reason: "not_open", opensAt: guest.opensAt });
  });

  test("costs a solved challenge wherever the attempt could, also while it is quiet", async () => {
    const seen: { challenge: string; solution: unknown; purpose: string }[] = [];
    const gate: ChallengeGate = {
      check: ({ sale, session }) =>
        sale.challenge === "always"
          ? { saleId: sale.id, sessionId: session.sessionId, strengthMin: 8, difficulty: 8 }
          : null,
      settle: async (_demand, { solution, purpose }) => {
        seen.push({ challenge: "always", solution, purpose });
        return solution?.solution === "right" ? null : plainRefusal("challenge_required");
      },
    };
    const fixture = await waiting({ challenge: "adaptive" }, gate);
    const buyer = fixture.buyer();
    expect(await refusalOf(fixture, buyer)).toEqual({ reason: "challenge_required" });
    const challenge = { token: "c1", solution: "right" };
    const { pass } = await passOf(fixture, buyer, { challenge });
    expect(seen.at(-1)).toEqual({ challenge: "always", solution: challenge, purpose: KEY });
    await fixture.clock.advance(10 * MINUTE_MS);
    expect((await fixture.attempt(null, { key: KEY, headers: { "x-pass": pass } })).status).toBe(201);
    expect(seen).toHaveLength(2);
  });
});
