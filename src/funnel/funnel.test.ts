/**
 * The funnel as a whole: every exit, in order, and the promises that no single stage can keep alone.
 */
import { describe, expect, test } from "bun:test";
import {
  type AttemptOptions,
  type Buyer,
  FunnelFixture,
  problemOf,
  SALE_ID,
} from "../../test/support/funnel-fixture.ts";
import { settle } from "../../test/support/manual-clock.ts";
import { deriveRid } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { readReceipt } from "./7-reserve/receipt.ts";

const LIMITS = { buyerPerS: 1, buyerPerMin: 100, ipPerS: 50 };

describe("funnel", () => {
  test("accepts: the answer has the derived rid, the hold and a receipt that is ours", async () => {
    const fixture = await FunnelFixture.warm();
    const buyer = fixture.buyer();
    const answer = await fixture.attempt(buyer, { key: "the-very-same-key", body: '{"quantity":2}' });
    const rid = deriveRid({ buyerId: buyer.buyerId, saleId: SALE_ID, idempotencyKey: "the-very-same-key" });
    expect(answer.status).toBe(201);
    const document = JSON.parse(answer.body) as { receipt: string; holdUntil: number };
    expect(document).toMatchObject({ rid, saleId: SALE_ID, sku: "one", quantity: 2, status: "held" });
    expect(readReceipt(fixture.keys.receipt, document.receipt)).toEqual({
      rid,
      saleId: SALE_ID,
      sku: "one",
      quantity: 2,
      holdUntil: document.holdUntil,
    });
    expect(fixture.decisions).toEqual(["accepted"]);
  });

  test("the same key again gives the same reservation, marked as a replay", async () => {
    const fixture = await FunnelFixture.warm();
    const buyer = fixture.buyer();
    const first = await fixture.attempt(buyer, { key: "the-very-same-key" });
    const second = await fixture.attempt(buyer, { key: "the-very-same-key" });
    expect(second.headers["idempotent-replayed"]).toBe("true");
    expect(first.headers["idempotent-replayed"]).toBeUndefined();
    expect(second.body).toBe(first.body);
    expect(fixture.decisions).toEqual(["accepted", "replayed"]);
  });

  const exits: {
    name: string;
    reason: string;
    stage: string;
    status: number;
    sale?: Partial<Sale>;
    throttled?: boolean;
    options?: AttemptOptions;
    before?: (fixture: FunnelFixture, buyer: Buyer) => Promise<unknown> | undefined;
  }[] = [
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
        fixture.store.bans = [{ ...ban, expiresAt: null }];
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

  test.each(exits)("refuses $name as $reason at stage $stage", async (exit) => {
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

  test("stages 1 to 5 answer at once, without reading the body", async () => {
    const fixture = await FunnelFixture.warm({ dependencies: { limits: LIMITS } });
    const buyer = fixture.buyer();
    const synchronous: AttemptOptions[] = [
      { headers: { "idempotency-key": null } },
      { saleId: "nope" },
      { headers: { authorization: null } },
    ];
    for (const options of synchronous) {
      expect(fixture.funnel.decide(fixture.request(buyer, options))).not.toBeInstanceOf(Promise);
    }
    expect(fixture.bodiesRead).toBe(0);
  });

  test("gives the first refusal in the order of the stages", async () => {
    const fixture = await FunnelFixture.warm({ sale: { signature: "required", eligibility: { allowlist: true } } });
    const wrong: AttemptOptions = { body: '{"quantity":0}' };
    const reason = async (options: AttemptOptions, buyer: Buyer | null) =>
      problemOf(await fixture.attempt(buyer, { ...wrong, ...options }))["reason"];
    expect(await reason({ saleId: "nope", headers: { "idempotency-key": null } }, null)).toBe("malformed");
    expect(await reason({ saleId: "nope" }, null)).toBe("no_such_sale");
    expect(await reason({}, null)).toBe("session_missing");
    expect(await reason({}, fixture.buyer())).toBe("signature_missing");
    expect(await reason({ sign: true }, fixture.buyer())).toBe("not_eligible");
  });

  test("is busy before it is warm", async () => {
    const fixture = new FunnelFixture();
    expect(problemOf(await fixture.attempt(fixture.buyer()))).toMatchObject({ reason: "busy", stage: "shed" });
    expect(fixture.funnel.readiness()).toBe("busy");
    await fixture.funnel.warmUp();
    expect(fixture.funnel.readiness()).toBeNull();
    expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
  });

  test("finishes attempts in flight while it drains", async () => {
    const fixture = await FunnelFixture.warm();
    const running = fixture.decide(fixture.request(fixture.buyer()));
    fixture.funnel.drain();
    expect((await running).status).toBe(201);
    expect(fixture.funnel.inFlight()).toBe(0);
  });

  test("a bug costs one request a 500 with an id that is in the log, and nothing else", async () => {
    const fixture = await FunnelFixture.warm();
    const broken = { ...fixture.request(fixture.buyer()), header: () => JSON.parse("{") as string };
    const answer = await fixture.decide(broken);
    expect(answer.status).toBe(500);
    const { requestId, ...problem } = problemOf(answer);
    expect(problem).toEqual({
      type: "https://doorbuster.dev/errors#internal",
      title: "Something went wrong on our side.",
      status: 500,
      reason: "internal",
    });
    expect(fixture.log.lines.at(-1)?.fields["requestId"]).toBe(requestId);
    expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
  });

  test("a ledger that fails in an unknown way is a 500, and the next attempt is served", async () => {
    const fixture = await FunnelFixture.warm();
    fixture.ledger.fateOf = () => "refuse";
    expect((await fixture.attempt(fixture.buyer())).status).toBe(500);
    fixture.ledger.fateOf = () => "answer";
    expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
  });

  test("the identical signed request again gets its answer again", async () => {
    const fixture = await FunnelFixture.warm({ sale: { signature: "required" } });
    const request = fixture.request(fixture.buyer(), { sign: true });
    const first = await fixture.decide(request);
    const second = await fixture.decide(request);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toBe(first.body);
  });

  test("a signed request without a digest may have no body", async () => {
    const fixture = await FunnelFixture.warm();
    const buyer = fixture.buyer();
    const signed = fixture.request(buyer, { sign: true, body: "" });
    const smuggled = { ...signed, readBody: async () => new TextEncoder().encode('{"quantity":1}') };
    expect(problemOf(await fixture.decide(smuggled))).toMatchObject({ reason: "signature_invalid" });
  });
});

describe("funnel while a sale is paused or just closed", () => {
  for (const phase of ["paused", "closed"] as const) {
    test(`a repeat of an accepted attempt gets its reservation when the sale is ${phase}`, async () => {
      const fixture = await FunnelFixture.warm();
      const holder = fixture.buyer();
      const first = await fixture.attempt(holder, { key: "the-very-same-key" });
      fixture.store.change(SALE_ID, { phase, closedAt: phase === "closed" ? fixture.clock.nowMs() : null });
      fixture.feed.tell({ topic: "catalogue" });
      await settle();
      fixture.ledger.item(1).isPaused = true;
      for (const waitMs of [0, 1_000, 5_000]) {
        await fixture.clock.advance(waitMs);
        const repeated = await fixture.attempt(holder, { key: "the-very-same-key" });
        expect(repeated).toMatchObject({ status: 201, body: first.body });
      }
    });

    test(`strangers stop reaching the ledger within seconds when the sale is ${phase}`, async () => {
      const fixture = await FunnelFixture.warm();
      fixture.store.change(SALE_ID, { phase, closedAt: phase === "closed" ? fixture.clock.nowMs() : null });
      fixture.feed.tell({ topic: "catalogue" });
      await settle();
      fixture.ledger.item(1).isPaused = true;
      await fixture.clock.advance(2_000);
      const before = fixture.ledger.batches.length;
      for (let count = 0; count < 20; count += 1) {
        expect(problemOf(await fixture.attempt(fixture.buyer()))).toMatchObject({ reason: phase, stage: "window" });
      }
      expect(fixture.ledger.batches.length).toBe(before);
    });
  }

  test("whoever would be refused anyway hears of the pause, not of his own fault", async () => {
    const fixture = await FunnelFixture.warm({ sale: { phase: "paused" }, dependencies: { limits: LIMITS } });
    expect(problemOf(await fixture.attempt(null))).toMatchObject({ reason: "paused" });
    const buyer = fixture.buyer();
    await fixture.attempt(buyer);
    expect(problemOf(await fixture.attempt(buyer))).toMatchObject({ reason: "paused" });
  });

  test("buyers who come after a resume are not refused because of the pause before", async () => {
    const fixture = await FunnelFixture.warm({ sale: { phase: "paused" } });
    await fixture.clock.advance(2_000);
    fixture.store.change(SALE_ID, { phase: "scheduled" });
    fixture.feed.tell({ topic: "catalogue" });
    await settle();
    const buyer = fixture.buyer();
    expect((await fixture.attempt(buyer, { key: "the-very-same-key" })).status).toBe(201);
    fixture.store.change(SALE_ID, { phase: "paused" });
    fixture.feed.tell({ topic: "catalogue" });
    await settle();
    fixture.ledger.item(1).isPaused = true;
    expect((await fixture.attempt(buyer, { key: "the-very-same-key" })).status).toBe(201);
  });
});
