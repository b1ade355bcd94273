/**
 * Holds the history of a sale against its orders: nothing acknowledged is lost, nothing is sold twice, nobody was lied to.
 *
 * Points 1 to 7 of the history check, each linear or n log n, so that every run is checked whole; the search for a
 * linearization of small histories is in linearization.ts. Shares no code with the ledger or its auditor. What a fault may
 * legally do (a power cut of a Redis that promised only `everysec` may lose a 202) is the caller's to say, in advance.
 */
import type { Allowances, HistoryViolation } from "./allowances.ts";
import { findFalseEmpties } from "./false-empty.ts";
import type { FinalOrder, History, HistoryRecord } from "./history.ts";

const ACTIVE = new Set(["held", "expiring", "paid"]);
const PAID = new Set(["paid", "refund_due", "refunded"]);
const NEVER_WAS = new Set(["lost", "void"]);
/** Refusals that an accepted key must never hear afterwards. "ended" is another matter: it must be true. */
const RETRACTIONS = new Set(["empty", "sold_out", "limit_reached", "bad_quantity", "key_reused", "not_open", "closed"]);

/** Everything that is wrong, in the order of the points. Empty = every promise was kept. */
export function checkHistory(history: History, allowances: Allowances): HistoryViolation[] {
  const attempts = groupByRid(history.records);
  const orders = new Map(history.orders.map((order) => [order.rid, order]));
  return [
    ...checkFinalSet(history, attempts, orders, allowances),
    ...checkAnswersOfEachRid(attempts, orders, allowances),
    ...checkLimits(history),
    ...checkSequences(history, allowances),
    ...(allowances.renumbered ? [] : checkRealTimeOrder(attempts, orders)),
    ...findFalseEmpties(history, attempts, orders, allowances),
    ...checkConservation(history),
  ];
}

/** Acceptances that ended as `lost` or `void`: they are on record, and bad luck. */
export function countRecordedLosses(history: History): number {
  const accepted = new Set(history.records.flatMap((record) => (isAcceptance(record) ? [record.rid] : [])));
  return history.orders.filter((order) => NEVER_WAS.has(order.status) && accepted.has(order.rid)).length;
}

function groupByRid(records: readonly HistoryRecord[]): Map<string, HistoryRecord[]> {
  const groups = new Map<string, HistoryRecord[]>();
  for (const record of records) {
    const group = groups.get(record.rid);
    if (group === undefined) groups.set(record.rid, [record]);
    else group.push(record);
  }
  for (const group of groups.values()) group.sort((a, b) => a.invokeNs - b.invokeNs);
  return groups;
}

function isAcceptance(record: HistoryRecord): boolean {
  return record.op === "reserve" && record.answer?.kind === "accepted";
}

function isPayment(record: HistoryRecord): boolean {
  return record.op === "pay" || record.op === "pay_late";
}

function isConfirmed(record: HistoryRecord): boolean {
  return record.answer?.kind === "accepted" && record.answer.status === 201;
}

/** Point 1: every acceptance is exactly one order, or on record as lost; no order without an attempt. */
function* checkFinalSet(
  history: History,
  attempts: ReadonlyMap<string, readonly HistoryRecord[]>,
  orders: ReadonlyMap<string, FinalOrder>,
  allowances: Allowances,
): Generator<HistoryViolation> {
  if (orders.size !== history.orders.length) yield { check: 1, text: "a rid has several orders" };
  const underWay = new Set(history.paymentsUnderWay);
  for (const [rid, records] of attempts) {
    const accepted = records.filter(isAcceptance);
    const order = orders.get(rid);
    if (accepted.length > 0 && order === undefined) yield { check: 1, text: `${rid} was accepted and is nowhere` };
    if (accepted.length > 0 && order !== undefined && NEVER_WAS.has(order.status)) {
      if (accepted.some(isConfirmed)) yield { check: 1, text: `${rid} was confirmed (201) and is ${order.status}` };
      else if (!allowances.recordedLoss) yield { check: 1, text: `${rid} was queued (202) and is ${order.status}` };
      if (order.reason === null) yield { check: 1, text: `${rid} is ${order.status} without a reason` };
    }
    const isPaid = records.some((record) => isPayment(record) && record.answer?.kind === "done");
    if (isPaid && !underWay.has(rid) && !PAID.has(order?.status ?? "")) {
      yield { check: 1, text: `${rid} was paid for and is ${order?.status ?? "nowhere"}` };
    }
  }
  for (const order of history.orders) {
    const records = attempts.get(order.rid) ?? [];
    const attempt = records.find((record) => record.op === "reserve");
    if (attempt === undefined) yield { check: 1, text: `order ${order.rid} was never asked for` };
    else if (attempt.buyer !== order.buyerId || attempt.quantity !== order.quantity) {
      yield { check: 1, text: `order ${order.rid} is not what was asked for` };
    }
    if (order.status === "paid" && !records.some(isPayment)) {
      yield { check: 1, text: `order ${order.rid} is paid and nobody paid` };
    }
    if (order.status === "cancelled" && !records.some((record) => record.op === "cancel")) {
      yield { check: 1, text: `order ${order.rid} is cancelled and nobody asked for it` };
    }
  }
}

/** Point 2: the answers of one rid agree. */
function* checkAnswersOfEachRid(
  attempts: ReadonlyMap<string, readonly HistoryRecord[]>,
  orders: ReadonlyMap<string, FinalOrder>,
  allowances: Allowances,
): Generator<HistoryViolation> {
  for (const [rid, records] of attempts) {
    const ends = new Set(
      records.flatMap((r) => (r.answer?.kind === "accepted" && isConfirmed(r) ? [r.answer.holdUntil] : [])),
    );
    if (ends.size > 1) yield { check: 2, text: `${rid} was confirmed with ${ends.size} different ends of its hold` };
    const status = orders.get(rid)?.status ?? "nowhere";
    let acceptedNs = Number.POSITIVE_INFINITY;
    for (const record of records) {
      const isLater = record.invokeNs > acceptedNs && !NEVER_WAS.has(status);
      const isMissing = record.op === "read" && record.answer?.kind === "refused" && record.answer.status === 404;
      // What a server forgot is decided again, and is nowhere until then.
      const wasConfirmed = records.some((one) => isConfirmed(one) && (one.completeNs ?? 0) < record.invokeNs);
      const mayBeAway = allowances.recordedLoss && !wasConfirmed;
      if (isMissing && isLater && !mayBeAway) {
        yield { check: 2, text: `${rid} was accepted and could not be found` };
      }
      if (record.op !== "reserve") continue;
      if (record.answer?.kind === "refused" && isLater) {
        const { reason, stage } = record.answer;
        const isExcused = allowances.wrongWindow && stage === "window";
        if (RETRACTIONS.has(reason) && !isExcused)
          yield { check: 2, text: `${rid} was accepted and later refused: ${reason}` };
        if (reason === "ended" && ACTIVE.has(status)) yield { check: 2, text: `${rid} "ended" and is ${status}` };
      }
      if (isAcceptance(record)) acceptedNs = Math.min(acceptedNs, record.completeNs ?? Number.POSITIVE_INFINITY);
    }
  }
}

/** Point 3: no buyer owns more than the limit. */
function* checkLimits(history: History): Generator<HistoryViolation> {
  const owned = new Map<string, number>();
  for (const order of history.orders) {
    if (ACTIVE.has(order.status)) owned.set(order.buyerId, (owned.get(order.buyerId) ?? 0) + order.quantity);
  }
  for (const [buyer, quantity] of owned) {
    if (quantity > history.terms.perBuyerMax) yield { check: 3, text: `buyer ${buyer} owns ${quantity} units` };
  }
}

/** Point 4: numbers are unique and dense, and no more is owned than there is. */
function* checkSequences(history: History, allowances: Allowances): Generator<HistoryViolation> {
  const owned = history.orders.reduce((sum, order) => sum + (ACTIVE.has(order.status) ? order.quantity : 0), 0);
  if (owned > history.terms.total) yield { check: 4, text: `${owned} of ${history.terms.total} units are owned` };
  const numbers = new Map<string, number[]>();
  let epochLast = 0;
  for (const order of history.orders) {
    const place = `${order.epoch}/${order.bucket}`;
    numbers.set(place, [...(numbers.get(place) ?? []), order.seq]);
    epochLast = Math.max(epochLast, order.epoch);
  }
  for (const [place, seqs] of numbers) {
    const distinct = new Set(seqs);
    if (distinct.size !== seqs.length) yield { check: 4, text: `epoch/bucket ${place} gave a number twice` };
    const [lowest, highest] = [Math.min(...seqs), Math.max(...seqs)];
    const missing = highest - lowest + 1 - distinct.size;
    const mayHaveGaps = allowances.gapsInFencedEpochs && Number(place.split("/")[0]) < epochLast;
    if (missing > 0 && !mayHaveGaps) yield { check: 4, text: `epoch/bucket ${place} lacks ${missing} numbers` };
  }
}

/**
 * Point 5: who had an answer before another one asked has the smaller number. Only confirmed acceptances count: a
 * queued one may be decided again, with a later number, when its epoch is fenced.
 */
function* checkRealTimeOrder(
  attempts: ReadonlyMap<string, readonly HistoryRecord[]>,
  orders: ReadonlyMap<string, FinalOrder>,
): Generator<HistoryViolation> {
  interface Numbered {
    readonly order: FinalOrder;
    readonly invokeNs: number;
    readonly confirmedNs: number;
  }
  const places = new Map<number, Numbered[]>();
  for (const [rid, records] of attempts) {
    const order = orders.get(rid);
    const reserves = records.filter((record) => record.op === "reserve");
    if (order === undefined || NEVER_WAS.has(order.status) || reserves.length === 0) continue;
    const confirmed = reserves.flatMap((record) =>
      isConfirmed(record) ? [record.completeNs ?? Number.POSITIVE_INFINITY] : [],
    );
    const numbered = {
      order,
      invokeNs: reserves[0]?.invokeNs ?? 0,
      confirmedNs: Math.min(Number.POSITIVE_INFINITY, ...confirmed),
    };
    places.set(order.bucket, [...(places.get(order.bucket) ?? []), numbered]);
  }
  for (const place of places.values()) {
    const byInvoke = [...place].sort((a, b) => a.invokeNs - b.invokeNs);
    const byConfirmed = [...place].sort((a, b) => a.confirmedNs - b.confirmedNs);
    let next = 0;
    let latest: FinalOrder | null = null;
    for (const { order, invokeNs } of byInvoke) {
      for (let one = byConfirmed[next]; one !== undefined && one.confirmedNs < invokeNs; one = byConfirmed[++next]) {
        if (latest === null || isLater(one.order, latest)) latest = one.order;
      }
      if (latest !== null && isLater(latest, order)) {
        yield {
          check: 5,
          text: `${latest.rid} was confirmed before ${order.rid} was asked for and has a later number`,
        };
      }
    }
  }
}

function isLater(order: FinalOrder, other: FinalOrder): boolean {
  return order.epoch === other.epoch ? order.seq > other.seq : order.epoch > other.epoch;
}

/** Point 7: at every audit the places sum up to the total. */
function* checkConservation(history: History): Generator<HistoryViolation> {
  for (const { items, balanced, violations } of history.audits) {
    for (const { total, free, granted, held, sold } of items) {
      if (free + granted + held + sold !== total || total !== history.terms.total) {
        yield { check: 7, text: `${free} free + ${granted} granted + ${held} held + ${sold} sold is not ${total}` };
      }
    }
    if (!balanced) yield { check: 7, text: `an audit found: ${JSON.stringify(violations)}` };
  }
}
