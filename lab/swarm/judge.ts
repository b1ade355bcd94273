/**
 * The judge: holds what buyers were told against what the database says, and finds every lie in either.
 *
 * Pure and independent of the product's own auditor: it works from the crowd's observations, the complete list of
 * orders and the stock figures alone, and adds everything up itself. Each rule has a test that shows it turn red. A
 * finding names the rule, how often it was broken and a few examples; no findings means that the sale was correct.
 */
import type { AcceptedObservation, ForgedObservation, Observation, RetractedObservation } from "./observation.ts";

const EXAMPLES_MAX = 5;
/** Units of these orders belong to a buyer. */
const ACTIVE_STATUSES = new Set(["queued", "held", "expiring", "paid"]);
/** Acceptances that never became a hold, recorded as such so that whoever asks is told. */
const LOST_STATUSES = new Set(["lost", "void"]);
/** How long after its end a hold may still be waiting for the sweeper before its units count as stranded. */
const HOLD_END_GRACE_MS = 10_000;
const UNAUTHORIZED = 401;
/** Fewer answers than this prove nothing about a limit of a few requests a second. */
const HASTY_ANSWERS_MIN = 24;
/** Stages before identity may refuse a forged request first, for reasons that have nothing to do with it. */
const STAGES_BEFORE_IDENTITY = new Set(["shed", "window"]);

/** An order as the operator API lists it. */
export interface OrderRow {
  readonly rid: string;
  readonly buyerId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly status: string;
  readonly holdUntil: number;
}

/** The stock of an item as the audit answers it. */
export interface StockRow {
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
}

export interface Evidence {
  readonly opensAtMs: number;
  /** When the orders and the stock were read, by the server's clock. */
  readonly readAtMs: number;
  readonly items: readonly { readonly sku: string; readonly stock: number; readonly perBuyerMax: number }[];
  readonly observations: readonly Observation[];
  readonly orders: readonly OrderRow[];
  readonly audit: {
    readonly balanced: boolean;
    readonly items: readonly StockRow[];
    readonly violations: readonly unknown[];
  };
  /** Answers that said "a bug on our side". */
  readonly internalErrorCount: number;
  /** Answers to buyers far above the rate limit, beyond stages shed and window, and how many of them said so. */
  readonly hasty: { readonly answeredCount: number; readonly throttledCount: number };
}

export const RULES = {
  accepted_has_order: "every accepted answer has its order, of the same buyer, item and quantity",
  one_order_each: "no reservation appears as two orders",
  order_has_attempt: "no order exists that nobody asked for or that was only ever refused",
  same_key_same_rid: "the same key always got the same reservation",
  limit_kept: "no buyer holds more than the limit",
  nothing_taken_back: "no accepted key was refused afterwards",
  held_is_kept: "nobody who was told of a hold lost it to anything but time",
  queued_is_decided: "every queued answer was decided",
  not_before_opening: "nobody got anything before the opening",
  forgeries_refused: "every forged or tampered request was turned away",
  no_forged_order: "no order came from a forged request",
  sold_out_is_final: "sold out was said only of items that are sold to the last unit",
  paid_is_paid: "every payment taken has a paid order",
  stock_adds_up: "free, granted, held and sold add up to the stock that was announced",
  orders_match_stock: "the orders add up to the units held and sold",
  nothing_stranded: "no units are stuck in holds that ended",
  audit_balanced: "the shop's own audit balances",
  haste_is_throttled: "buyers far above the rate limit were slowed down",
  no_internal_errors: "no answer was a fault of the shop",
} as const;

export type Rule = keyof typeof RULES;

export interface Finding {
  readonly rule: Rule;
  readonly count: number;
  readonly examples: readonly string[];
}

/** Every broken rule. Empty = the sale was correct. */
export function judge(evidence: Evidence): readonly Finding[] {
  const findings = new Findings();
  const facts = gather(evidence);
  checkOrders(evidence, facts, findings);
  checkAnswers(evidence, facts, findings);
  checkForgeries(facts, findings);
  checkLimits(evidence, findings);
  checkStock(evidence, findings);
  return findings.list();
}

class Findings {
  private readonly byRule = new Map<Rule, { count: number; examples: string[] }>();

  add(rule: Rule, example: string): void {
    const known = this.byRule.get(rule) ?? { count: 0, examples: [] };
    known.count += 1;
    if (known.examples.length < EXAMPLES_MAX) known.examples.push(example);
    this.byRule.set(rule, known);
  }

  list(): readonly Finding[] {
    return [...this.byRule].map(([rule, { count, examples }]) => ({ rule, count, examples }));
  }
}

interface Facts {
  readonly accepted: readonly AcceptedObservation[];
  readonly forged: readonly ForgedObservation[];
  readonly paidRids: ReadonlySet<string>;
  /** Reservations that somebody was told are held. */
  readonly heldRids: ReadonlySet<string>;
  /** Reservations that an honest request may have made: accepted, or sent without hearing the answer. */
  readonly possibleRids: ReadonlySet<string>;
  readonly ordersByRid: ReadonlyMap<string, OrderRow>;
}

function gather(evidence: Evidence): Facts {
  const accepted: AcceptedObservation[] = [];
  const forged: ForgedObservation[] = [];
  const paidRids = new Set<string>();
  const possibleRids = new Set<string>();
  const heldRids = new Set<string>();
  for (const observation of evidence.observations) {
    if (observation.kind === "accepted") accepted.push(observation);
    if (observation.kind === "accepted" && observation.answeredStatus !== "queued") heldRids.add(observation.rid);
    if (observation.kind === "decided" && observation.status === "held") heldRids.add(observation.rid);
    if (observation.kind === "accepted" || observation.kind === "unknown") possibleRids.add(observation.rid);
    if (observation.kind === "forged") forged.push(observation);
    if (observation.kind === "paid") paidRids.add(observation.rid);
  }
  const ordersByRid = new Map(evidence.orders.map((order) => [order.rid, order]));
  return { accepted, forged, paidRids, heldRids, possibleRids, ordersByRid };
}

function checkOrders(evidence: Evidence, facts: Facts, findings: Findings): void {
  const seenRids = new Set<string>();
  for (const order of evidence.orders) {
    if (seenRids.has(order.rid)) findings.add("one_order_each", order.rid);
    seenRids.add(order.rid);
    if (!facts.possibleRids.has(order.rid)) findings.add("order_has_attempt", `${order.rid} of ${order.buyerId}`);
  }
  for (const answer of facts.accepted) {
    const order = facts.ordersByRid.get(answer.rid);
    if (order === undefined) {
      findings.add("accepted_has_order", `${answer.rid} has no order`);
    } else if (order.buyerId !== answer.buyerId || order.sku !== answer.sku || order.quantity !== answer.quantity) {
      findings.add("accepted_has_order", `${answer.rid}: ${describe(order)} instead of ${describe(answer)}`);
    } else if (answer.answeredSku !== answer.sku || answer.answeredQuantity !== answer.quantity) {
      findings.add(
        "accepted_has_order",
        `${answer.rid} was answered as ${answer.answeredQuantity} ${answer.answeredSku}`,
      );
    }
  }
  for (const rid of facts.paidRids) {
    const status = facts.ordersByRid.get(rid)?.status ?? "missing";
    if (status !== "paid") findings.add("paid_is_paid", `${rid} is ${status}`);
  }
}

function checkAnswers(evidence: Evidence, facts: Facts, findings: Findings): void {
  const ridByKey = new Map<string, string>();
  for (const answer of facts.accepted) {
    const key = `${answer.buyerId} ${answer.idempotencyKey}`;
    const known = ridByKey.get(key) ?? answer.rid;
    ridByKey.set(key, known);
    if (known !== answer.rid || answer.expectedRid !== answer.rid) {
      findings.add("same_key_same_rid", `${key}: ${answer.rid} after ${known}, expected ${answer.expectedRid}`);
    }
    if (answer.answeredAtMs < evidence.opensAtMs) {
      findings.add("not_before_opening", `${answer.rid}, ${evidence.opensAtMs - answer.answeredAtMs} ms early`);
    }
  }
  for (const observation of evidence.observations) {
    if (observation.kind === "retracted" && !isToldLoss(facts, observation)) {
      findings.add("nothing_taken_back", describeRetraction(evidence, facts, observation));
    }
    if (observation.kind === "decided" && observation.status === "queued") {
      findings.add("queued_is_decided", observation.rid);
    }
  }
  checkHolds(facts, findings);
  const { answeredCount, throttledCount } = evidence.hasty;
  if (answeredCount >= HASTY_ANSWERS_MIN && throttledCount === 0) {
    findings.add("haste_is_throttled", `${answeredCount} answers, none of them throttled`);
  }
  if (evidence.internalErrorCount > 0) {
    findings.add("no_internal_errors", `${evidence.internalErrorCount} answers`);
  }
}

/** A loss is told as one: the order says so. Whoever had heard of a hold may not be told so. */
function checkHolds(facts: Facts, findings: Findings): void {
  for (const rid of facts.heldRids) {
    const status = facts.ordersByRid.get(rid)?.status ?? "";
    if (LOST_STATUSES.has(status)) findings.add("held_is_kept", `${rid} is ${status}`);
  }
  for (const order of facts.ordersByRid.values()) {
    if (order.status === "queued") findings.add("queued_is_decided", order.rid);
  }
}

/** Refusing a key that was only ever queued takes nothing back when its order says that it was lost. */
function isToldLoss(facts: Facts, retracted: RetractedObservation): boolean {
  return retracted.wasQueued && LOST_STATUSES.has(facts.ordersByRid.get(retracted.rid)?.status ?? "");
}

function describeRetraction(evidence: Evidence, facts: Facts, retracted: RetractedObservation): string {
  const { rid, stage, reason, sinceAcceptedMs, answeredAtMs, wasQueued } = retracted;
  const at = `+${((answeredAtMs - evidence.opensAtMs) / 1_000).toFixed(1)} s`;
  const status = facts.ordersByRid.get(rid)?.status ?? "missing";
  const was = wasQueued ? "queued" : "held";
  return `${rid}: ${reason} (${stage}) at ${at}, ${sinceAcceptedMs} ms after ${was}, order ${status}`;
}

function checkForgeries(facts: Facts, findings: Findings): void {
  for (const forged of facts.forged) {
    const example = `${forged.how}: ${forged.status} ${forged.reason}`;
    const isAccepted = forged.status >= 200 && forged.status < 300;
    // Nonces are looked at before the last stage and the body in it, so such a request may be refused on the way there; it
    // must never win.
    const isLate = forged.how === "altered_body" || (forged.how === "nonce_reused" && forged.stage !== "reserve");
    const isExcused = forged.status === 0 || STAGES_BEFORE_IDENTITY.has(forged.stage) || isLate;
    if (isAccepted || (forged.status !== UNAUTHORIZED && !isExcused)) findings.add("forgeries_refused", example);
    const isOnlyForged = !facts.possibleRids.has(forged.rid);
    if (isOnlyForged && facts.ordersByRid.has(forged.rid))
      findings.add("no_forged_order", `${forged.rid} by ${forged.how}`);
  }
}

function checkLimits(evidence: Evidence, findings: Findings): void {
  const limits = new Map(evidence.items.map((item) => [item.sku, item.perBuyerMax]));
  const unitsByBuyer = new Map<string, number>();
  for (const order of evidence.orders) {
    if (!ACTIVE_STATUSES.has(order.status)) continue;
    const buyer = `${order.sku} ${order.buyerId}`;
    const units = (unitsByBuyer.get(buyer) ?? 0) + order.quantity;
    unitsByBuyer.set(buyer, units);
    if (units > (limits.get(order.sku) ?? 0)) findings.add("limit_kept", `${buyer}: ${units} units`);
  }
}

function checkStock(evidence: Evidence, findings: Findings): void {
  const { audit, orders, items } = evidence;
  if (!audit.balanced || audit.violations.length > 0) {
    findings.add("audit_balanced", JSON.stringify(audit.violations).slice(0, 300));
  }
  for (const item of items) {
    const stock = audit.items.find((row) => row.sku === item.sku);
    if (stock === undefined) {
      findings.add("stock_adds_up", `${item.sku} is not in the audit`);
      continue;
    }
    const accounted = stock.free + stock.granted + stock.held + stock.sold;
    if (accounted !== item.stock || stock.total !== item.stock) {
      findings.add(
        "stock_adds_up",
        `${item.sku}: ${accounted} accounted, total ${stock.total}, announced ${item.stock}`,
      );
    }
    const ofItem = orders.filter((order) => order.sku === item.sku);
    const sold = unitsOf(ofItem, (order) => order.status === "paid");
    const held = unitsOf(ofItem, (order) => order.status !== "paid" && ACTIVE_STATUSES.has(order.status));
    if (sold !== stock.sold || held !== stock.held) {
      findings.add(
        "orders_match_stock",
        `${item.sku}: orders ${sold} sold ${held} held, stock ${stock.sold} and ${stock.held}`,
      );
    }
  }
  for (const order of orders) {
    const isWaiting = order.status === "held" || order.status === "expiring";
    if (isWaiting && order.holdUntil + HOLD_END_GRACE_MS < evidence.readAtMs) {
      findings.add("nothing_stranded", `${order.rid} ${order.status}, ${evidence.readAtMs - order.holdUntil} ms over`);
    }
  }
  checkSoldOut(evidence, findings);
}

function checkSoldOut(evidence: Evidence, findings: Findings): void {
  for (const observation of evidence.observations) {
    if (observation.kind !== "sold_out") continue;
    const stock = evidence.audit.items.find((row) => row.sku === observation.sku);
    if (stock === undefined || stock.sold !== stock.total) {
      findings.add("sold_out_is_final", `${observation.sku}: ${stock?.sold} of ${stock?.total} sold`);
    }
  }
}

function unitsOf(orders: readonly OrderRow[], belongs: (order: OrderRow) => boolean): number {
  return orders.reduce((sum, order) => sum + (belongs(order) ? order.quantity : 0), 0);
}

function describe(units: { buyerId: string; sku: string; quantity: number }): string {
  return `${units.quantity} ${units.sku} for ${units.buyerId}`;
}
