/**
 * Point 6 of the history check: nobody hears "empty" while there certainly was a unit, or "sold out" before all are paid.
 *
 * For every instant it is bounded from above how many units can have been taken: an attempt may hold its units from the
 * moment it was sent until its order says that they came back, and a while longer, because units on their way back are
 * nobody's fault. An "empty" is a lie only when that bound left enough for it during its whole interval.
 */

import type { Allowances, HistoryViolation } from "./allowances.ts";
import type { FinalOrder, History, HistoryRecord } from "./history.ts";

const NS_PER_MS = 1_000_000;
const RETURNED = new Set(["expired", "cancelled", "void", "lost", "refund_due", "refunded"]);

/** The number of units that can have been taken, as a function of time, with the maximum of any interval. */
class TakenBound {
  readonly #atNs: number[] = [];
  /** Level 0: the bound from `#atNs[i]` on; level k: the maximum of 2^k of them. */
  readonly #levels: number[][] = [[]];

  constructor(spans: readonly { readonly fromNs: number; readonly toNs: number; readonly quantity: number }[]) {
    const steps = spans
      .flatMap(({ fromNs, toNs, quantity }) => [
        { atNs: fromNs, change: quantity },
        { atNs: toNs, change: -quantity },
      ])
      .filter((step) => Number.isFinite(step.atNs))
      .sort((a, b) => a.atNs - b.atNs);
    let taken = 0;
    this.#push(Number.NEGATIVE_INFINITY, 0);
    for (const step of steps) {
      taken += step.change;
      this.#push(step.atNs, taken);
    }
    for (let size = 1; size * 2 <= this.#atNs.length; size *= 2) {
      const below = this.#levels.at(-1) ?? [];
      const level: number[] = [];
      for (let at = 0; at + size < below.length; at += 1) level.push(Math.max(below[at] ?? 0, below[at + size] ?? 0));
      this.#levels.push(level);
    }
  }

  /** The highest value between the instants, both included. */
  max(fromNs: number, toNs: number): number {
    const first = this.#indexAt(fromNs);
    const last = this.#indexAt(toNs);
    const level = Math.floor(Math.log2(last - first + 1));
    const values = this.#levels[level] ?? [];
    return Math.max(values[first] ?? 0, values[last - 2 ** level + 1] ?? 0);
  }

  #push(atNs: number, taken: number): void {
    this.#atNs.push(atNs);
    this.#levels[0]?.push(taken);
  }

  /** The last step at or before the instant. */
  #indexAt(atNs: number): number {
    let low = 0;
    let high = this.#atNs.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#atNs[middle] ?? 0) <= atNs) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Every refusal for lack of stock that cannot have been true. */
export function* findFalseEmpties(
  history: History,
  attempts: ReadonlyMap<string, readonly HistoryRecord[]>,
  orders: ReadonlyMap<string, FinalOrder>,
  allowances: Allowances,
): Generator<HistoryViolation> {
  const { total, originMs } = history.terms;
  const toNs = (wallMs: number): number => (wallMs - originMs) * NS_PER_MS;
  const bound = new TakenBound(spansOf(attempts, orders, allowances, toNs));
  const paid = history.orders
    .filter((order) => order.status === "paid")
    .map((order) => ({ atNs: toNs(order.updatedAt), quantity: order.quantity }));
  for (const record of history.records) {
    if (record.op !== "reserve" || record.answer?.kind !== "refused" || record.completeNs === null) continue;
    const { reason } = record.answer;
    const { invokeNs, completeNs, quantity } = record;
    const taken = bound.max(invokeNs, completeNs);
    if (reason === "empty" && taken <= total * (1 - allowances.scatteredShare) - quantity) {
      yield { check: 6, text: `${record.rid} heard "empty" while at most ${taken} of ${total} units were taken` };
    }
    if (reason === "sold_out") {
      const sold = paid.reduce((sum, order) => sum + (order.atNs <= completeNs ? order.quantity : 0), 0);
      if (sold !== total)
        yield { check: 6, text: `${record.rid} heard "sold_out" with ${sold} of ${total} units paid` };
    }
  }
}

function spansOf(
  attempts: ReadonlyMap<string, readonly HistoryRecord[]>,
  orders: ReadonlyMap<string, FinalOrder>,
  allowances: Allowances,
  toNs: (wallMs: number) => number,
): { fromNs: number; toNs: number; quantity: number }[] {
  const inDoubtNs = allowances.inDoubtMs * NS_PER_MS;
  const spans: { fromNs: number; toNs: number; quantity: number }[] = [];
  for (const [rid, records] of attempts) {
    const reserves = records.filter((record) => record.op === "reserve");
    const [first] = reserves;
    if (first === undefined) continue;
    const { invokeNs: fromNs, quantity } = first;
    const order = orders.get(rid);
    if (order !== undefined) {
      const endNs = RETURNED.has(order.status) ? toNs(order.updatedAt) + inDoubtNs : Number.POSITIVE_INFINITY;
      spans.push({ fromNs, toNs: endNs, quantity });
      continue;
    }
    // Nobody knows what an unanswered or failed request did on its way; whatever it was, it is over by now.
    const unsettled = reserves.filter((record) => record.answer === null || record.answer.kind === "refused");
    const lastNs = Math.max(...unsettled.map((record) => record.completeNs ?? record.invokeNs));
    const isInDoubt = unsettled.some((record) => record.answer === null || isUnknown(record));
    if (isInDoubt) spans.push({ fromNs, toNs: lastNs + inDoubtNs, quantity });
  }
  return spans;
}

function isUnknown(record: HistoryRecord): boolean {
  return record.answer?.kind === "refused" && record.answer.reason === "unavailable";
}
