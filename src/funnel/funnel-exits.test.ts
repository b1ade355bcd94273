/**
 * Every exit of the funnel, provoked one by one and checked member by member.
 */
import { describe, expect, test } from "bun:test";
import { type AttemptOptions, type Buyer, FunnelFixture, problemOf } from "../../test/support/funnel-fixture.ts";
import type { Sale } from "../domain/sale.ts";

const LIMITS = { buyerPerS: 1, buyerPerMin: 100, ipPerS: 50 };

interface Exit {
  name: string;
  reason: string;
  stage: string;
  status: number;
  sale?: Partial<Sale>;
  throttled?: boolean;
  options?: AttemptOptions;
  before?: (fixture: FunnelFixture, buyer: Buyer) => Promise<unknown> | undefined;
}

const EXITS: Exit[] = [
  {
    name: "a node that is going away",
    reason: "draining",
    stage: "shed",
    status: 503,
    before: async (fixture) => fixture.funnel.drain(),
  },
  {
    name: "no idempotency key",
    reason: "malformed",
    stage: "shed",
    status: 400,
    options: { headers: { "idempotency-key": null } },
  },
  {
    name: "a body announced as too large",
    reason: "payload_too_large",
    stage: "shed",
    status: 413,
    options: { headers: { "content-length": "4097" } },
  },
  {
    name: "a body that grows too large while it is read",
    reason: "payload_too_large",
    stage: "shed",
    status: 413,
    options: { body: "too_large" },
  },
  {
    name: "a body that never comes",
    reason: "malformed",
    stage: "shed",
    status: 400,
    options: { body: "stalled" },
  },
  { name: "an unknown sale", reason: "no_such_sale", stage: "window", status: 404, options: { saleId: "nope" } },
  { name: "an unknown item", reason: "no_such_item", stage: "window", status: 404, options: { sku: "nope" } },
  {
    name: "a sale that has not opened",
    reason: "not_open",
    stage: "window",
    status: 425,
    sale: { opensAt: 1_800_000_000_001 },
  },
  { name: "a paused sale", reason: "paused", stage: "window", status: 503, sale: { phase: "paused" } },
  {
    name: "a sale that closed ten minutes ago",
    reason: "closed",
    stage: "window",
    status: 410,
    sale: { phase: "closed", closedAt: 1_799_999_400_000 },
  },
  {
    name: "no session",
    reason: "session_missing",
    stage: "identity",
    status: 401,
    options: { headers: { authorization: null } },
  },
  {
    name: "a forged session",
    reason: "session_invalid",
    stage: "identity",
    status: 401,
    options: { headers: { authorization: "Bearer forged" } },
  },
  {
    name: "no signature where one is required",
    reason: "signature_missing",
    stage: "identity",
    status: 401,
    sale: { signature: "required" },
  },
  {
    name: "a signature with another key",
    reason: "signature_invalid",
    stage: "identity",
    status: 401,
    options: { sign: { signingKey: "AAAA" } },
  },
  {
    name: "a stale signature",
    reason: "signature_stale",
    stage: "identity",
    status: 401,
    options: { sign: { timestamp: "1799999969999" } },
  },
  {
    name: "a nonce used for another request",
    reason: "signature_replayed",
    stage: "identity",
    status: 401,
    options: { sign: { nonce: "used-nonce-12345" } },
    before: (fixture, buyer) => fixture.attempt(buyer, { sign: { nonce: "used-nonce-12345" } }),
  },
  {
    name: "a body that is not the signed one",
    reason: "signature_invalid",
    stage: "identity",
    status: 401,
    options: { headers: { "content-digest": `sha-256=:${"A".repeat(43)}=:` } },
  },
  {
    name: "too fast",
    reason: "throttled",
    stage: "throttle",
    status: 429,
    throttled: true,
    before: (fixture, buyer) => fixture.attempt(buyer, { body: '{"quantity":0}' }),
  },
  {
    name: "a banned buyer",
    reason: "banned",
    stage: "throttle",
    status: 403,
    before: async (fixture, buyer) => {
      const ban = { id: "1", kind: "buyer" as const, subject: buyer.buyerId, reason: "bot", createdAt: 0 };
      fixture.store.bans = [{ ...ban, effect: "refuse", origin: "operator", expiresAt: null }];
      await fixture.catalogue.refresh();
    },
  },
  {
    name: "a buyer who left a hold unpaid",
    reason: "throttled",
    stage: "throttle",
    status: 429,
    before: async (fixture, buyer) => {
      const ban = { id: "1", kind: "buyer" as const, subject: buyer.buyerId, reason: "unpaid", createdAt: 0 };
      const expiresAt = fixture.clock.nowMs() + 60_000;
      fixture.store.bans = [{ ...ban, effect: "cool_down", origin: "automatic", expiresAt }];
      await fixture.catalogue.refresh();
    },
  },
  {
    name: "a buyer who is not on the list",
    reason: "not_eligible",
    stage: "admission",
    status: 403,
    sale: { eligibility: { allowlist: true } },
  },
  {
    name: "a sale with a challenge that does not exist",
    reason: "challenge_required",
    stage: "admission",
    status: 428,
    sale: { challenge: "always" },
  },
  {
    name: "a quantity of zero",
    reason: "bad_quantity",
    stage: "reserve",
    status: 400,
    options: { body: '{"quantity":0}' },
  },
  {
    name: "a quantity in quotes",
    reason: "malformed",
    stage: "shed",
    status: 400,
    options: { body: '{"quantity":"1"}' },
  },
  {
    name: "a third unit",
    reason: "limit_reached",
    stage: "reserve",
    status: 409,
    before: (fixture, buyer) => fixture.attempt(buyer, { body: '{"quantity":2}' }),
  },
  {
    name: "the same key for another quantity",
    reason: "key_reused",
    stage: "reserve",
    status: 422,
    options: { key: "the-very-same-key", body: '{"quantity":2}' },
    before: (fixture, buyer) => fixture.attempt(buyer, { key: "the-very-same-key" }),
  },
  {
    name: "the last unit just gone, by the ledger's word",
    reason: "empty",
    stage: "reserve",
    status: 409,
    before: async (fixture) => Object.assign(fixture.ledger.item(1), { free: 0, seq: 5 }),
  },
  {
    name: "every unit sold, by the ledger's word",
    reason: "sold_out",
    stage: "reserve",
    status: 409,
    before: async (fixture) => Object.assign(fixture.ledger.item(1), { free: 0, sold: 10, seq: 5 }),
  },
  {
    name: "a ledger that does not answer",
    reason: "unavailable",
    stage: "reserve",
    status: 503,
    before: async (fixture) => {
      fixture.ledger.fateOf = () => "lose-answer";
    },
  },
];

describe("funnel", () => {
  test.each(EXITS)("refuses $name as $reason at stage $stage", async (exit) => {
    const fixture = await FunnelFixture.warm({
      sale: exit.sale ?? {},
      ...(exit.throttled ? { dependencies: { limits: LIMITS } } : {}),
    });
    const buyer = fixture.buyer();
    await exit.before?.(fixture, buyer);
    const answer = await fixture.attempt(buyer, exit.options ?? {});
    expect(problemOf(answer)).toMatchObject({
      type: `https://doorbuster.dev/errors#${exit.reason}`,
      reason: exit.reason,
      stage: exit.stage,
      status: exit.status,
      title: expect.any(String),
    });
    expect(answer.status).toBe(exit.status);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.headers["cache-control"]).toBe("no-store");
    const { retryAfterMs } = problemOf(answer) as { retryAfterMs?: number };
    const retryAfterS = retryAfterMs === undefined ? undefined : String(Math.ceil(retryAfterMs / 1_000));
    expect(answer.headers["retry-after"]).toBe(retryAfterS as string);
    expect(fixture.decisions.at(-1)).toBe(exit.reason as never);
  });
});
