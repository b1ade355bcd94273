/**
 * An attempt with a pass: what the pass stands for, and what still stands above it.
 */
import { describe, expect, test } from "bun:test";
import { type Buyer, FunnelFixture, problemOf, SALE_ID } from "../../test/support/funnel-fixture.ts";
import type { Sku } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { mintPass } from "./3-identity/pass.ts";
import type { HotAnswer } from "./request.ts";

const KEY = "the-key-of-the-pass";
const PASS_MS = 600_000;

interface PassOptions {
  readonly quantity?: number;
  readonly level?: number;
  readonly body?: string;
  readonly key?: string;
  readonly sku?: string;
  readonly remoteAddress?: string;
}

function passOf(fixture: FunnelFixture, buyer: Buyer, options: PassOptions = {}): string {
  const { keys, clock } = fixture;
  const intent = {
    saleId: SALE_ID,
    sku: "one" as Sku,
    quantity: options.quantity ?? 1,
    idempotencyKey: KEY,
  };
  return mintPass(keys.pass, intent, {
    sessionId: buyer.sessionId,
    buyerId: buyer.buyerId,
    expiresAt: clock.nowMs() + PASS_MS,
    level: options.level ?? 0,
    accountCreatedAt: null,
    device: "",
    suspicion: 0,
  });
}

/** An attempt with a pass and nothing else that proves anything. */
function attempt(fixture: FunnelFixture, pass: string, options: PassOptions = {}): Promise<HotAnswer> {
  return fixture.attempt(null, {
    key: options.key ?? KEY,
    headers: { "x-pass": pass },
    ...(options.body === undefined ? {} : { body: options.body }),
    ...(options.sku === undefined ? {} : { sku: options.sku }),
    ...(options.remoteAddress === undefined ? {} : { remoteAddress: options.remoteAddress }),
  });
}

async function reasonWith(sale: Partial<Sale>, options: PassOptions = {}): Promise<unknown> {
  const fixture = await FunnelFixture.warm({ sale });
  const answer = await attempt(fixture, passOf(fixture, fixture.buyer(), options), options);
  return answer.status === 201 ? "accepted" : problemOf(answer)["reason"];
}

describe("a pass", () => {
  test("replaces token, signature and challenge", async () => {
    expect(await reasonWith({ signature: "required", challenge: "always" })).toBe("accepted");
  });

  test("holds for its own quantity only", async () => {
    expect(await reasonWith({}, { quantity: 2, body: '{"quantity":2}' })).toBe("accepted");
    expect(await reasonWith({}, { quantity: 2, body: '{"quantity":1}' })).toBe("pass_invalid");
    expect(await reasonWith({}, { key: "another-key-entirely" })).toBe("pass_invalid");
    expect(await reasonWith({}, { sku: "two" })).toBe("pass_invalid");
  });

  test("does not open a sale", async () => {
    const fixture = await FunnelFixture.warm();
    const opensAt = fixture.clock.nowMs() + 60_000;
    fixture.store.change(SALE_ID, { opensAt });
    await fixture.catalogue.refresh();
    const pass = passOf(fixture, fixture.buyer());
    expect(problemOf(await attempt(fixture, pass))).toMatchObject({ reason: "not_open", opensAt });
    await fixture.clock.advance(60_000);
    expect((await attempt(fixture, pass)).status).toBe(201);
  });

  test("is worth one purchase, however often and by whomever it is sent", async () => {
    const fixture = await FunnelFixture.warm();
    const pass = passOf(fixture, fixture.buyer());
    const bodies = new Set<string>();
    for (let round = 0; round < 20; round += 1) {
      const answer = await attempt(fixture, pass, { remoteAddress: `203.0.113.${round}` });
      expect(answer.status).toBe(201);
      bodies.add(answer.body);
    }
    expect(bodies.size).toBe(1);
    expect((await fixture.ledger.readStock([1]))[0]).toMatchObject({ held: 1 });
  });

  test("gets the very reservation that its owner's signed attempt got", async () => {
    const fixture = await FunnelFixture.warm();
    const buyer = fixture.buyer();
    const signed = await fixture.attempt(buyer, { key: KEY, sign: true });
    const passed = await attempt(fixture, passOf(fixture, buyer));
    expect(passed.body).toBe(signed.body);
    expect(passed.headers["idempotent-replayed"]).toBe("true");
  });

  test("does not lift a ban, a block or a limit", async () => {
    const fixture = await FunnelFixture.warm({
      dependencies: { limits: { buyerPerS: 1, buyerPerMin: 100, ipPerS: 0 } },
    });
    const buyer = fixture.buyer();
    const pass = passOf(fixture, buyer);
    expect((await attempt(fixture, pass)).status).toBe(201);
    expect(problemOf(await attempt(fixture, pass))["reason"]).toBe("throttled");

    await fixture.clock.advance(2_000);
    const ban = {
      id: "b",
      kind: "buyer",
      subject: buyer.buyerId,
      reason: "test",
      createdAt: 0,
      expiresAt: null,
      effect: "refuse",
      origin: "operator",
    } as const;
    fixture.store.bans = [ban] as typeof fixture.store.bans;
    await fixture.catalogue.refresh();
    expect(problemOf(await attempt(fixture, pass))["reason"]).toBe("banned");

    fixture.store.bans = [];
    fixture.store.change(SALE_ID, { eligibility: { blocklist: [buyer.buyerId] } });
    await fixture.catalogue.refresh();
    expect(problemOf(await attempt(fixture, pass))).toMatchObject({ reason: "not_eligible", rule: "blocklist" });
  });

  test("carries facts and no verdict: a rule that was raised afterwards holds for it", async () => {
    const fixture = await FunnelFixture.warm({ sale: { eligibility: { levelMin: 2 } } });
    const pass = passOf(fixture, fixture.buyer(), { level: 2 });
    expect((await attempt(fixture, pass)).status).toBe(201);
    fixture.store.change(SALE_ID, { eligibility: { levelMin: 3 } });
    await fixture.catalogue.refresh();
    expect(problemOf(await attempt(fixture, pass))).toMatchObject({ reason: "not_eligible", rule: "level" });
  });
});
