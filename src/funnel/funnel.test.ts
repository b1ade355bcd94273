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
import { deriveRid } from "../domain/ids.ts";
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
