/**
 * The judge goes red for every kind of lie, and stays green for an honest sale: otherwise its verdict means nothing.
 */
import { describe, expect, test } from "bun:test";
import { type Evidence, judge, type OrderRow, RULES, type Rule } from "./judge.ts";
import type { AcceptedObservation, ForgedObservation, RetractedObservation } from "./observation.ts";

const OPENS_AT_MS = 1_000_000;

function accepted(fields: Partial<AcceptedObservation> = {}): AcceptedObservation {
  const rid = fields.rid ?? "rid-1";
  const quantity = fields.quantity ?? 2;
  return {
    kind: "accepted",
    population: "normal",
    buyerId: "buyer-1",
    sku: "seat",
    idempotencyKey: "key-00001",
    quantity,
    rid,
    expectedRid: rid,
    answeredSku: "seat",
    answeredQuantity: quantity,
    answeredStatus: "held",
    isReplay: false,
    answeredAtMs: OPENS_AT_MS + 5,
    ...fields,
  };
}

function forged(fields: Partial<ForgedObservation> = {}): ForgedObservation {
  return {
    kind: "forged",
    population: "forger",
    how: "random_signature",
    buyerId: "forger-1",
    sku: "seat",
    idempotencyKey: "key-00009",
    quantity: 1,
    rid: "rid-forged",
    status: 401,
    stage: "identity",
    reason: "signature_invalid",
    ...fields,
  };
}

function order(fields: Partial<OrderRow> = {}): OrderRow {
  return {
    rid: "rid-1",
    buyerId: "buyer-1",
    sku: "seat",
    quantity: 2,
    status: "paid",
    holdUntil: OPENS_AT_MS + 60_000,
    ...fields,
  };
}

/** Ten units: two sold to buyer 1, one held by buyer 2, seven free. */
function honest(changes: Partial<Evidence> = {}): Evidence {
  const second = { buyerId: "buyer-2", rid: "rid-2", quantity: 1 };
  return {
    opensAtMs: OPENS_AT_MS,
    readAtMs: OPENS_AT_MS + 30_000,
    items: [{ sku: "seat", stock: 10, perBuyerMax: 2 }],
    observations: [accepted(), accepted(second), { kind: "paid", rid: "rid-1" }, forged()],
    orders: [order(), order({ ...second, status: "held" })],
    audit: stockOf({ free: 7, held: 1, sold: 2 }),
    internalErrorCount: 0,
    hasty: { answeredCount: 120, throttledCount: 60 },
    ...changes,
  };
}

/** The honest sale with a third reservation that was answered as queued, and its order. */
function queued(status: string): Pick<Evidence, "observations" | "orders"> {
  const third = { rid: "rid-3", buyerId: "buyer-3", quantity: 1 };
  const { observations, orders } = honest();
  return {
    observations: [...observations, accepted({ ...third, answeredStatus: "queued" })],
    orders: [...orders, order({ ...third, status })],
  };
}

function retracted(fields: Partial<RetractedObservation>): RetractedObservation {
  const { population, buyerId, sku, idempotencyKey, quantity, rid } = accepted();
  const facts = { population, buyerId, sku, idempotencyKey, quantity, rid };
  return {
    kind: "retracted",
    ...facts,
    stage: "reserve",
    reason: "sold_out",
    sinceAcceptedMs: 40,
    answeredAtMs: OPENS_AT_MS,
    wasQueued: false,
    ...fields,
  };
}

function stockOf(units: { free: number; held: number; sold: number; total?: number }): Evidence["audit"] {
  return { balanced: true, items: [{ sku: "seat", total: 10, granted: 0, ...units }], violations: [] };
}

const HELD = order({ buyerId: "buyer-2", rid: "rid-2", quantity: 1, status: "held" });

function brokenRules(evidence: Evidence): Rule[] {
  return judge(evidence).map((finding) => finding.rule);
}

describe("an honest sale", () => {
  test("has no findings", () => {
    expect(judge(honest())).toEqual([]);
  });

  test("may have an order whose answer was lost on the way", () => {
    const { kind: _kind, ...facts } = accepted({ rid: "rid-3", buyerId: "buyer-3", quantity: 1 });
    const unknown = { ...facts, kind: "unknown" as const };
    const evidence = honest();
    const lost = honest({
      observations: [...evidence.observations, unknown],
      orders: [...evidence.orders, order({ rid: "rid-3", buyerId: "buyer-3", quantity: 1, status: "held" })],
      audit: stockOf({ free: 6, held: 2, sold: 2 }),
    });
    expect(judge(lost)).toEqual([]);
  });

  test("may shed a forged request, or miss its answer, before anybody looked at the signature", () => {
    const shed = forged({ status: 503, stage: "shed", reason: "busy" });
    const silent = forged({ status: 0, stage: "", reason: "reset" });
    const altered = forged({ how: "altered_body", status: 409, stage: "sold-out", reason: "empty" });
    expect(judge(honest({ observations: [...honest().observations, shed, silent, altered] }))).toEqual([]);
  });

  test("may tell somebody who was queued that it was lost, and refuse the key then", () => {
    const { observations, orders } = queued("lost");
    const facts = retracted({ rid: "rid-3", buyerId: "buyer-3", wasQueued: true });
    const told = { kind: "decided" as const, rid: "rid-3", status: "lost" };
    expect(judge(honest({ observations: [...observations, told, facts], orders }))).toEqual([]);
  });

  test("may be so small that nobody was hasty enough to be slowed down", () => {
    expect(judge(honest({ hasty: { answeredCount: 23, throttledCount: 0 } }))).toEqual([]);
  });

  test("may have units back after a hold ended, and says sold out only at the last unit", () => {
    const evidence = honest({
      items: [{ sku: "seat", stock: 2, perBuyerMax: 2 }],
      observations: [accepted(), { kind: "paid", rid: "rid-1" }, { kind: "sold_out", sku: "seat" }],
      orders: [order(), order({ rid: "rid-0", buyerId: "buyer-0", status: "expired" })],
      audit: stockOf({ total: 2, free: 0, held: 0, sold: 2 }),
    });
    const gone = accepted({ rid: "rid-0", buyerId: "buyer-0" });
    expect(judge({ ...evidence, observations: [...evidence.observations, gone] })).toEqual([]);
  });
});

describe("the judge finds", () => {
  const base = honest();
  const lies: Record<Rule, [lie: string, evidence: Evidence][]> = {
    accepted_has_order: [
      [
        "an accepted answer without an order",
        honest({ observations: [...base.observations, accepted({ rid: "gone" })] }),
      ],
      ["an order of another quantity", honest({ orders: [order({ quantity: 1 }), ...base.orders.slice(1)] })],
      ["an order of another buyer", honest({ orders: [order({ buyerId: "buyer-7" }), ...base.orders.slice(1)] })],
      ["an order of another item", honest({ orders: [order({ sku: "box" }), ...base.orders.slice(1)] })],
      ["an answer for another quantity", honest({ observations: [accepted({ answeredQuantity: 1 })] })],
    ],
    one_order_each: [["two orders of one reservation", honest({ orders: [...base.orders, order()] })]],
    order_has_attempt: [
      [
        "an order nobody asked for",
        honest({ orders: [...base.orders, order({ rid: "from-nowhere", buyerId: "buyer-9" })] }),
      ],
    ],
    same_key_same_rid: [
      [
        "a retry that got another reservation",
        honest({ observations: [...base.observations, accepted({ rid: "rid-9" })] }),
      ],
      [
        "a reservation that does not follow from its key",
        honest({ observations: [accepted({ expectedRid: "rid-8" })] }),
      ],
    ],
    limit_kept: [
      [
        "a buyer with three of two",
        honest({ orders: [...base.orders, order({ rid: "rid-5", quantity: 1, status: "held" })] }),
      ],
    ],
    nothing_taken_back: [
      [
        "an accepted key that was refused later",
        honest({ observations: [...base.observations, retracted({ wasQueued: false })] }),
      ],
      [
        "a queued key that was refused although its order stands",
        honest({ observations: [...base.observations, retracted({ wasQueued: true })] }),
      ],
    ],
    held_is_kept: [
      ["a hold that was answered and is recorded as lost", honest({ orders: [order({ status: "lost" }), HELD] })],
      [
        "a queued reservation that was found held and then voided",
        honest({
          observations: [...queued("void").observations, { kind: "decided", rid: "rid-3", status: "held" }],
          orders: queued("void").orders,
        }),
      ],
    ],
    queued_is_decided: [
      [
        "a queued reservation of which nobody ever heard more",
        honest({
          ...queued("held"),
          observations: [...queued("held").observations, { kind: "decided", rid: "rid-3", status: "queued" }],
        }),
      ],
      ["an order that is still queued", honest(queued("queued"))],
    ],
    not_before_opening: [
      ["an acceptance before the opening", honest({ observations: [accepted({ answeredAtMs: OPENS_AT_MS - 1 })] })],
    ],
    forgeries_refused: [
      [
        "an accepted forgery",
        honest({ observations: [forged({ status: 201, stage: "reserve", reason: "accepted" })] }),
      ],
      [
        "a forgery that got as far as the stock",
        honest({ observations: [forged({ status: 409, stage: "sold-out", reason: "empty" })] }),
      ],
      [
        "an accepted altered body",
        honest({ observations: [forged({ how: "altered_body", status: 201, stage: "reserve" })] }),
      ],
      [
        "a reused nonce that got into the last stage",
        honest({
          observations: [forged({ how: "nonce_reused", status: 409, stage: "reserve", reason: "limit_reached" })],
        }),
      ],
    ],
    no_forged_order: [
      [
        "an order from a forgery, whatever it was answered",
        honest({ orders: [...base.orders, order({ rid: "rid-forged", buyerId: "forger-1" })] }),
      ],
    ],
    sold_out_is_final: [
      [
        "sold out while units are held",
        honest({ observations: [...base.observations, { kind: "sold_out", sku: "seat" }] }),
      ],
    ],
    paid_is_paid: [
      ["money without a paid order", honest({ observations: [...base.observations, { kind: "paid", rid: "rid-2" }] })],
      ["money without any order", honest({ observations: [...base.observations, { kind: "paid", rid: "rid-77" }] })],
    ],
    stock_adds_up: [
      ["a unit too many", honest({ audit: stockOf({ free: 8, held: 1, sold: 2 }) })],
      ["a unit too few", honest({ audit: stockOf({ free: 6, held: 1, sold: 2 }) })],
      ["a total that is not what was announced", honest({ audit: stockOf({ total: 11, free: 8, held: 1, sold: 2 }) })],
      ["an item that is missing", honest({ audit: { balanced: true, items: [], violations: [] } })],
    ],
    orders_match_stock: [
      ["units sold without orders", honest({ audit: stockOf({ free: 6, held: 1, sold: 3 }) })],
      ["units held without orders", honest({ audit: stockOf({ free: 6, held: 2, sold: 2 }) })],
    ],
    nothing_stranded: [["a hold that ended long ago", honest({ readAtMs: OPENS_AT_MS + 60_000 + 10_001 })]],
    audit_balanced: [
      ["an audit that is not balanced", honest({ audit: { ...base.audit, balanced: false } })],
      ["an audit with a violation", honest({ audit: { ...base.audit, violations: ["U1"] } })],
    ],
    haste_is_throttled: [
      ["a rate limit that never said no", honest({ hasty: { answeredCount: 24, throttledCount: 0 } })],
    ],
    no_internal_errors: [["an answer 500", honest({ internalErrorCount: 1 })]],
  };

  for (const rule of Object.keys(RULES) as Rule[]) {
    for (const [lie, evidence] of lies[rule]) {
      test(`${lie}`, () => expect(brokenRules(evidence)).toContain(rule));
    }
  }

  test.each(["throttle", "sold-out", "admission", "identity"])(
    "a reused nonce may be refused on its way, by %s",
    (stage) => {
      const observation = forged({ how: "nonce_reused", status: stage === "identity" ? 401 : 409, stage });
      expect(brokenRules(honest({ observations: [observation] }))).not.toContain("forgeries_refused");
    },
  );

  test("how often a rule was broken, with few examples", () => {
    const observations = Array.from({ length: 40 }, (_, index) => forged({ rid: `rid-f${index}`, status: 201 }));
    const [finding] = judge(honest({ observations: [...base.observations, ...observations] }));
    expect(finding?.rule).toBe("forgeries_refused");
    expect(finding?.count).toBe(40);
    expect(finding?.examples).toHaveLength(5);
  });
});
