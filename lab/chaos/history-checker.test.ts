/**
 * True histories pass, and every kind of lie is found by the point that is there for it.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeededRandom } from "../swarm/seeded-random.ts";
import type { Allowances } from "./allowances.ts";
import { type FinalOrder, type History, type HistoryRecord, readHistory, writeHistory } from "./history.ts";
import { checkHistory, countRecordedLosses } from "./history-checker.ts";
import { linearize, operationsOf } from "./linearization.ts";

const MS = 1_000_000;
const STRICT: Allowances = {
  recordedLoss: false,
  gapsInFencedEpochs: false,
  inDoubtMs: 0,
  scatteredShare: 0,
  wrongWindow: false,
  renumbered: false,
};
const ORIGIN_MS = 1_700_000_000_000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Draft {
  terms: History["terms"];
  records: Mutable<HistoryRecord>[];
  orders: Mutable<FinalOrder>[];
  audits: History["audits"];
  paymentsUnderWay: string[];
}

/** A true history: a sequential shop decides at one instant inside each request's interval. */
function trueHistory(seed: number, options: { total?: number; attempts?: number } = {}): Draft {
  const { total = 12, attempts = 60 } = options;
  const random = createSeededRandom(seed, 0);
  const draft: Draft = {
    terms: { saleId: "s", total, perBuyerMax: 2, buckets: 1, originMs: ORIGIN_MS },
    records: [],
    orders: [],
    audits: [],
    paymentsUnderWay: [],
  };
  const owned = new Map<string, number>();
  let free = total;
  for (let turn = 0; turn < attempts; turn += 1) {
    const decidedNs = (turn + 1) * 10 * MS;
    const invokeNs = decidedNs - random.below(60 * MS);
    const completeNs = decidedNs + random.below(60 * MS);
    const buyer = `b${random.below(20)}`;
    const quantity = 1 + random.below(2);
    const base = { invokeNs, completeNs, op: "reserve" as const, buyer, rid: `r${turn}`, quantity };
    const refuse = (reason: string): void => {
      draft.records.push({ ...base, answer: { kind: "refused", status: 409, stage: "reserve", reason } });
    };
    if ((owned.get(buyer) ?? 0) + quantity > 2) refuse("limit_reached");
    else if (free < quantity) refuse("empty");
    else {
      free -= quantity;
      owned.set(buyer, (owned.get(buyer) ?? 0) + quantity);
      const holdUntil = ORIGIN_MS + decidedNs / MS + 100;
      const isUnanswered = random.fraction() < 0.1;
      const answer = { kind: "accepted" as const, status: 201 as const, holdUntil, replayed: false };
      draft.records.push(isUnanswered ? { ...base, completeNs: null, answer: null } : { ...base, answer });
      draft.orders.push({
        rid: base.rid,
        buyerId: buyer,
        quantity,
        epoch: 1,
        bucket: 0,
        seq: draft.orders.length + 1,
        status: "held",
        holdUntil,
        reason: null,
        createdAt: ORIGIN_MS + decidedNs / MS,
        updatedAt: ORIGIN_MS + decidedNs / MS,
      });
    }
    const ending = draft.orders.find((order) => order.status === "held");
    if (random.fraction() < 0.2 && ending !== undefined) {
      ending.status = "expired";
      ending.updatedAt = ORIGIN_MS + decidedNs / MS + 1;
      free += ending.quantity;
      owned.set(ending.buyerId, (owned.get(ending.buyerId) ?? 0) - ending.quantity);
    }
  }
  return draft;
}

function checksThatFired(draft: Draft, allowances: Allowances = STRICT): number[] {
  return [...new Set(checkHistory(draft, allowances).map((violation) => violation.check))];
}

function firstAccepted(draft: Draft): { record: Mutable<HistoryRecord>; order: Mutable<FinalOrder> } {
  for (const record of draft.records) {
    const order = draft.orders.find((one) => one.rid === record.rid && one.status === "held");
    if (record.answer?.kind === "accepted" && order !== undefined) return { record, order };
  }
  throw new Error("no acceptance in this history");
}

test("finds nothing in 200 true histories, and an order for each", () => {
  const allowances = { ...STRICT, inDoubtMs: 5 };
  for (let seed = 0; seed < 200; seed += 1) {
    const history = trueHistory(seed);
    expect(checkHistory(history, allowances), `seed ${seed}`).toEqual([]);
    const operations = operationsOf(history, 5);
    expect(operations).not.toBeNull();
    expect(linearize(operations ?? [], history.terms), `seed ${seed}`).toBe("linearizable");
  }
});

test("survives a trip through a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-history-"));
  try {
    const history = { ...trueHistory(1), audits: [{ atNs: 1, balanced: true, violations: [], items: [] }] };
    writeHistory(join(folder, "h.ndjson"), history);
    expect(readHistory(join(folder, "h.ndjson"))).toEqual(history);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("1: an acceptance without an order, an order nobody asked for, a confirmed order that is lost", () => {
  const vanished = trueHistory(3);
  const { order } = firstAccepted(vanished);
  vanished.orders = vanished.orders.filter((one) => one !== order);
  expect(checksThatFired(vanished)).toContain(1);

  const conjured = trueHistory(3);
  conjured.orders.push({ ...firstAccepted(conjured).order, rid: "nobody", seq: conjured.orders.length + 1 });
  expect(checksThatFired(conjured)).toContain(1);

  const lost = trueHistory(3);
  Object.assign(firstAccepted(lost).order, { status: "lost", reason: "fenced" });
  expect(checksThatFired(lost, { ...STRICT, recordedLoss: true })).toContain(1);

  const changed = trueHistory(3);
  firstAccepted(changed).order.quantity += 5;
  expect(checksThatFired(changed)).toContain(1);
});

test("1: a queued acceptance may be lost on record, and only where that was announced", () => {
  const draft = trueHistory(4);
  const { record, order } = firstAccepted(draft);
  record.answer = { kind: "accepted", status: 202, holdUntil: order.holdUntil, replayed: false };
  Object.assign(order, { status: "lost", reason: "redis lost it" });
  expect(checksThatFired(draft)).toContain(1);
  expect(checksThatFired(draft, { ...STRICT, recordedLoss: true })).not.toContain(1);
  expect(countRecordedLosses(draft)).toBe(1);
  order.reason = null;
  expect(checksThatFired(draft, { ...STRICT, recordedLoss: true })).toContain(1);
});

test("1: money without a paid order, and a paid order without money", () => {
  const robbed = trueHistory(5);
  const { record, order } = firstAccepted(robbed);
  const paying = { ...record, op: "pay" as const, answer: { kind: "done" as const, status: "paid" } };
  robbed.records.push(paying);
  expect(checksThatFired(robbed)).toContain(1);
  expect(checksThatFired({ ...robbed, paymentsUnderWay: [order.rid] })).toEqual([]);
  order.status = "paid";
  expect(checksThatFired(robbed)).toEqual([]);
  robbed.records.pop();
  expect(checksThatFired(robbed)).toContain(1);
});

test("2: two ends of one hold, an acceptance taken back, a hold called ended that is not", () => {
  const twoEnds = trueHistory(6);
  const { record } = firstAccepted(twoEnds);
  twoEnds.records.push({ ...record, answer: { kind: "accepted", status: 201, holdUntil: 1, replayed: true } });
  expect(checksThatFired(twoEnds)).toEqual([2]);

  for (const reason of ["empty", "limit_reached", "ended"]) {
    const retracted = trueHistory(6);
    const { record: first } = firstAccepted(retracted);
    const laterNs = (first.completeNs ?? 0) + 1;
    const answer = { kind: "refused" as const, status: 409, stage: "reserve", reason };
    retracted.records.push({ ...first, invokeNs: laterNs, completeNs: laterNs + 1, answer });
    expect(checksThatFired(retracted), reason).toContain(2);
  }
});

test("2: an accepted reservation that its buyer cannot find", () => {
  const draft = trueHistory(6);
  const { record } = firstAccepted(draft);
  const laterNs = (record.completeNs ?? 0) + 1;
  const answer = { kind: "refused" as const, status: 404, stage: "none", reason: "not_found" };
  draft.records.push({ ...record, op: "read", invokeNs: laterNs, completeNs: laterNs + 1, answer });
  expect(checksThatFired(draft)).toEqual([2]);
  record.answer = { kind: "accepted", status: 202, holdUntil: 1, replayed: false };
  expect(checksThatFired(draft)).toEqual([2]);
  const excusing = { ...STRICT, recordedLoss: true };
  expect(checksThatFired(draft, excusing)).toEqual([]);
  // Once it was confirmed there is no excuse; a confirmation that comes later is none.
  const confirmed = { kind: "accepted" as const, status: 201 as const, holdUntil: 1, replayed: true };
  draft.records.push({ ...record, invokeNs: laterNs + 2, completeNs: laterNs + 3, answer: confirmed });
  expect(checksThatFired(draft, excusing)).toEqual([]);
  draft.records.push({ ...record, invokeNs: laterNs + 4, completeNs: laterNs + 5, op: "read", answer });
  expect(checksThatFired(draft, excusing)).toEqual([2]);
});

test("3: a buyer over the limit", () => {
  const draft = trueHistory(7);
  for (const order of draft.orders.slice(0, 3)) Object.assign(order, { buyerId: "greedy", status: "held" });
  expect(checksThatFired(draft)).toContain(3);
});

test("4: more owned than there is, a number twice, a number missing", () => {
  const oversold = trueHistory(8);
  oversold.terms = { ...oversold.terms, total: 3 };
  expect(checksThatFired(oversold)).toContain(4);

  const doubled = trueHistory(8);
  Object.assign(doubled.orders[1] ?? {}, { seq: 1 });
  expect(checksThatFired(doubled)).toContain(4);

  const gap = trueHistory(8);
  const last = gap.orders.at(-1);
  if (last !== undefined) last.seq += 1;
  expect(checksThatFired(gap)).toContain(4);
  if (last !== undefined) last.epoch = 2;
  expect(checksThatFired(gap)).not.toContain(4);
});

test("5: a later buyer with an earlier number", () => {
  const draft = trueHistory(9, { total: 100, attempts: 30 });
  const confirmed = draft.records.filter((record) => record.answer?.kind === "accepted");
  const [first, last] = [confirmed.at(0), confirmed.at(-1)];
  const [a, b] = [first, last].map((record) => draft.orders.find((order) => order.rid === record?.rid));
  if (a === undefined || b === undefined) throw new Error("too few acceptances");
  [a.seq, b.seq] = [b.seq, a.seq];
  expect(checksThatFired(draft)).toEqual([5]);
});

test("6: an empty shop that was not, a sold-out one with unpaid units", () => {
  const draft = trueHistory(10, { total: 500, attempts: 30 });
  const probe = { invokeNs: 100 * MS, completeNs: 101 * MS, op: "reserve" as const, buyer: "late", rid: "late" };
  const answer = { kind: "refused" as const, status: 409, stage: "reserve", reason: "empty" };
  draft.records.push({ ...probe, quantity: 1, answer });
  expect(checksThatFired(draft)).toEqual([6]);
  draft.records.pop();
  draft.records.push({ ...probe, quantity: 1, answer: { ...answer, reason: "sold_out" } });
  expect(checksThatFired(draft)).toEqual([6]);
});

test("6: units on their way back are in doubt, for as long as is granted and no longer", () => {
  const draft = trueHistory(11, { total: 2, attempts: 0 });
  const base = { op: "reserve" as const, buyer: "b", quantity: 2 };
  const accepted = { kind: "accepted" as const, status: 201 as const, holdUntil: 1, replayed: false };
  draft.records.push({ ...base, rid: "r", invokeNs: 0, completeNs: MS, answer: accepted });
  const times = { createdAt: ORIGIN_MS, updatedAt: ORIGIN_MS + 100, holdUntil: 1 };
  const place = { epoch: 1, bucket: 0, seq: 1, status: "expired", reason: null };
  draft.orders.push({ rid: "r", buyerId: "b", quantity: 2, ...place, ...times });
  const empty = { kind: "refused" as const, status: 409, stage: "reserve", reason: "empty" };
  draft.records.push({ ...base, rid: "e", invokeNs: 300 * MS, completeNs: 301 * MS, answer: empty });
  expect(checksThatFired(draft, { ...STRICT, inDoubtMs: 250 })).toEqual([]);
  expect(checksThatFired(draft, { ...STRICT, inDoubtMs: 150 })).toEqual([6]);
});

test("7: an audit that does not add up", () => {
  const item = { total: 12, free: 5, granted: 1, held: 6, sold: 0 };
  const cut = { atNs: 1, balanced: true, violations: [], items: [item] };
  expect(checksThatFired({ ...trueHistory(12), audits: [cut] })).toEqual([]);
  expect(checksThatFired({ ...trueHistory(12), audits: [{ ...cut, items: [{ ...item, held: 7 }] }] })).toEqual([7]);
  expect(checksThatFired({ ...trueHistory(12), audits: [{ ...cut, balanced: false }] })).toEqual([7]);
});

test("8: no order explains a refusal for want of stock between two acceptances that left some", () => {
  const buy = { kind: "take" as const, buyer: "a", quantity: 1 };
  const operations = [
    { fromNs: 0, toNs: 1, effect: { ...buy, rid: "r1" } },
    { fromNs: 2, toNs: 3, effect: { kind: "empty" as const, quantity: 1 } },
    { fromNs: 4, toNs: 5, effect: { ...buy, buyer: "b", rid: "r2" } },
  ];
  expect(linearize(operations, { total: 2, perBuyerMax: 2 })).toBe("impossible");
  // Overlapping, the refusal may have come last.
  const overlapping = operations.map((operation) => ({ ...operation, toNs: 6 }));
  expect(linearize(overlapping, { total: 2, perBuyerMax: 2 })).toBe("linearizable");
});

test("8: no order explains a unit sold before it came back, or over the limit", () => {
  const take = (rid: string, buyer: string, fromNs: number) => ({
    fromNs,
    toNs: fromNs + 1,
    effect: { kind: "take" as const, rid, buyer, quantity: 1 },
  });
  const back = { fromNs: 10, toNs: 20, effect: { kind: "give_back" as const, rid: "r1", buyer: "a", quantity: 1 } };
  expect(linearize([take("r1", "a", 0), back, take("r2", "b", 5)], { total: 1, perBuyerMax: 1 })).toBe("impossible");
  expect(linearize([take("r1", "a", 0), back, take("r2", "b", 12)], { total: 1, perBuyerMax: 1 })).toBe("linearizable");
  expect(linearize([take("r1", "a", 0), take("r2", "a", 2)], { total: 2, perBuyerMax: 1 })).toBe("impossible");
});

test("8: agrees with trying every order, on small random histories of which many are false", () => {
  let impossible = 0;
  for (let seed = 0; seed < 300; seed += 1) {
    const random = createSeededRandom(seed, 5);
    const operations = Array.from({ length: 6 }, (_, index) => {
      const fromNs = random.below(10);
      const effect =
        random.fraction() < 0.75
          ? { kind: "take" as const, rid: `r${index}`, buyer: `b${random.below(3)}`, quantity: 1 }
          : { kind: "empty" as const, quantity: 1 };
      return { fromNs, toNs: fromNs + 1 + random.below(12), effect };
    });
    // As many units as buyers took: whoever heard "empty" must fit in after the last of them.
    const terms = { total: operations.filter((one) => one.effect.kind === "take").length, perBuyerMax: 2 };
    const expected = isExplainedBySomeOrder(operations, terms.total, terms.perBuyerMax);
    if (!expected) impossible += 1;
    expect(linearize(operations, terms), `seed ${seed}`).toBe(expected ? "linearizable" : "impossible");
  }
  expect(impossible).toBeGreaterThan(50);
  expect(impossible).toBeLessThan(250);
});

interface SmallOperation {
  readonly fromNs: number;
  readonly toNs: number;
  readonly effect: { kind: "take"; buyer: string; quantity: number } | { kind: "empty"; quantity: number };
}

function isExplainedBySomeOrder(rest: readonly SmallOperation[], free: number, limit: number, had = ""): boolean {
  if (rest.length === 0) return true;
  return rest.some((next) => {
    const others = rest.filter((one) => one !== next);
    if (others.some((one) => one.toNs < next.fromNs)) return false;
    if (next.effect.kind === "empty") return free < 1 && isExplainedBySomeOrder(others, free, limit, had);
    const { buyer } = next.effect;
    const owned = had.split(buyer).length - 1;
    return free >= 1 && owned < limit && isExplainedBySomeOrder(others, free - 1, limit, had + buyer);
  });
}
