/**
 * Point 8 of the history check: searches for an order of the operations that a sequential shop could have had.
 *
 * The search of Wing and Gong with Lowe's memory of visited states: repeatedly pick an operation that nobody had finished
 * before, apply it to the model, and go back when stuck. The state follows from the set of operations that are done, so
 * the set is all that is remembered. A refusal changes nothing and is taken as soon as it is true. Exponential in the
 * number of operations that overlap: it gives up ("undecided") after a bounded number of steps and never says "wrong"
 * for lack of patience.
 */
import type { History, HistoryRecord } from "./history.ts";

const NS_PER_MS = 1_000_000;
const STEPS_MAX = 100_000;
const CONCURRENCY_MAX = 40;
/** Instants of orders are whole milliseconds of another process's reading of the same clock. */
const CLOCK_SLACK_NS = 5 * NS_PER_MS;

type Effect =
  | { readonly kind: "take"; readonly rid: string; readonly buyer: string; readonly quantity: number }
  | { readonly kind: "give_back"; readonly rid: string; readonly buyer: string; readonly quantity: number }
  | { readonly kind: "empty"; readonly quantity: number }
  | { readonly kind: "limit"; readonly buyer: string; readonly quantity: number };

/** An operation of the sequential model and the interval in which it happened. */
export interface ModelOperation {
  readonly fromNs: number;
  readonly toNs: number;
  readonly effect: Effect;
}

export type LinearizationVerdict = "linearizable" | "impossible" | "undecided";

const RETURNED = new Set(["expired", "cancelled"]);
const LASTING = new Set(["held", "expiring", "paid"]);

/** The operations of a history, or null when it is not one that this search is for (odd endings, too much at once). */
export function operationsOf(history: History, inDoubtMs: number): ModelOperation[] | null {
  const operations: ModelOperation[] = [];
  const firsts = new Map<string, HistoryRecord>();
  const acceptedNs = new Map<string, number>();
  for (const record of history.records) {
    // Late money may take units a second time: two moves of one rid are not in this model.
    if (record.op === "pay_late") return null;
    if (record.op !== "reserve") continue;
    const first = firsts.get(record.rid);
    if (first === undefined || record.invokeNs < first.invokeNs) firsts.set(record.rid, record);
    if (record.answer?.kind === "accepted" && record.completeNs !== null) {
      acceptedNs.set(record.rid, Math.min(record.completeNs, acceptedNs.get(record.rid) ?? Number.POSITIVE_INFINITY));
    }
    if (record.answer?.kind === "refused" && record.completeNs !== null) {
      const { buyer, quantity, invokeNs: fromNs, completeNs: toNs } = record;
      const { reason } = record.answer;
      if (reason === "empty") operations.push({ fromNs, toNs, effect: { kind: "empty", quantity } });
      if (reason === "limit_reached") operations.push({ fromNs, toNs, effect: { kind: "limit", buyer, quantity } });
    }
  }
  for (const order of history.orders) {
    const first = firsts.get(order.rid);
    if (first === undefined || !(RETURNED.has(order.status) || LASTING.has(order.status))) return null;
    const { rid, buyerId: buyer, quantity } = order;
    const fromNs = first.invokeNs;
    const toNs = acceptedNs.get(rid) ?? Number.POSITIVE_INFINITY;
    operations.push({ fromNs, toNs, effect: { kind: "take", rid, buyer, quantity } });
    if (!RETURNED.has(order.status)) continue;
    const returnedNs = (order.updatedAt - history.terms.originMs) * NS_PER_MS;
    const interval = { fromNs: returnedNs - CLOCK_SLACK_NS, toNs: returnedNs + inDoubtMs * NS_PER_MS };
    operations.push({ ...interval, effect: { kind: "give_back", rid, buyer, quantity } });
  }
  return concurrencyOf(operations) > CONCURRENCY_MAX ? null : operations;
}

/** The most attempts that were open at the same time; units on their way back are not attempts. */
function concurrencyOf(operations: readonly ModelOperation[]): number {
  const steps = operations
    .filter(({ effect, toNs }) => effect.kind !== "give_back" && Number.isFinite(toNs))
    .flatMap(({ fromNs, toNs }) => [
      { atNs: fromNs, change: 1 },
      { atNs: toNs, change: -1 },
    ])
    .sort((a, b) => a.atNs - b.atNs || a.change - b.change);
  let open = 0;
  let most = 0;
  for (const step of steps) {
    open += step.change;
    most = Math.max(most, open);
  }
  return most;
}

/** Whether some order of the operations agrees with the model and with real time. */
export function linearize(
  operations: readonly ModelOperation[],
  terms: { readonly total: number; readonly perBuyerMax: number },
): LinearizationVerdict {
  return new Search(operations, terms).run();
}

class Search {
  readonly #operations: readonly ModelOperation[];
  readonly #perBuyerMax: number;
  readonly #isDone: Uint8Array;
  readonly #visited = new Set<string>();
  readonly #taken = new Set<string>();
  readonly #owned = new Map<string, number>();
  #free: number;
  #doneCount = 0;
  /** Everything before it is done. */
  #low = 0;
  #steps = 0;

  constructor(operations: readonly ModelOperation[], terms: { total: number; perBuyerMax: number }) {
    this.#operations = [...operations].sort((a, b) => a.fromNs - b.fromNs);
    this.#perBuyerMax = terms.perBuyerMax;
    this.#free = terms.total;
    this.#isDone = new Uint8Array(operations.length);
  }

  /** Depth first, with a stack of its own: a history is longer than the engine's. */
  run(): LinearizationVerdict {
    const trail: { readonly choices: number[]; readonly applied: number[] }[] = [];
    let applied: number[] = this.#takeTruths();
    for (;;) {
      if (this.#doneCount === this.#operations.length) return "linearizable";
      if (this.#steps++ > STEPS_MAX) return "undecided";
      const choices = this.#remember() ? this.#choices() : [];
      trail.push({ choices, applied });
      for (;;) {
        const top = trail.at(-1);
        if (top === undefined) return "impossible";
        const choice = top.choices.pop();
        if (choice !== undefined) {
          this.#apply(choice);
          applied = [choice, ...this.#takeTruths()];
          break;
        }
        for (const index of top.applied.reverse()) this.#undo(index);
        trail.pop();
      }
    }
  }

  /** False when this set of operations was tried before. */
  #remember(): boolean {
    const beyond: number[] = [];
    for (
      let index = this.#low;
      index < this.#operations.length && beyond.length + this.#low < this.#doneCount;
      index++
    ) {
      if (this.#isDone[index] === 1) beyond.push(index);
    }
    const key = `${this.#low}:${beyond.join(",")}`;
    if (this.#visited.has(key)) return false;
    this.#visited.add(key);
    return true;
  }

  /** What may come next and changes something, the most promising last. */
  #choices(): number[] {
    const open = this.#candidates().filter((index) => this.#isPossible(index));
    const takes = open.filter((index) => this.#operations[index]?.effect.kind === "take");
    const returns = open.filter((index) => this.#operations[index]?.effect.kind === "give_back");
    const byDeadline = (a: number, b: number): number => this.#deadline(b) - this.#deadline(a);
    return [...returns.sort(byDeadline), ...takes.sort(byDeadline)];
  }

  #deadline(index: number): number {
    return this.#operations[index]?.toNs ?? 0;
  }

  /** Operations that began before every unfinished one ended. */
  #candidates(): number[] {
    let firstEndNs = Number.POSITIVE_INFINITY;
    const found: number[] = [];
    for (let index = this.#low; index < this.#operations.length; index++) {
      if (this.#isDone[index] === 1) continue;
      const { fromNs, toNs } = this.#operations[index] as ModelOperation;
      if (fromNs > firstEndNs) break;
      found.push(index);
      firstEndNs = Math.min(firstEndNs, toNs);
    }
    return found.filter((index) => (this.#operations[index] as ModelOperation).fromNs <= firstEndNs);
  }

  /** Applies every refusal that is true now, again and again until there is none; answers them. */
  #takeTruths(): number[] {
    const taken: number[] = [];
    for (;;) {
      const truths = this.#candidates().filter((index) => {
        const kind = this.#operations[index]?.effect.kind;
        return (kind === "empty" || kind === "limit") && this.#isPossible(index);
      });
      if (truths.length === 0) return taken;
      for (const index of truths) this.#apply(index);
      taken.push(...truths);
    }
  }

  #isPossible(index: number): boolean {
    const { effect } = this.#operations[index] as ModelOperation;
    if (effect.kind === "give_back") return this.#taken.has(effect.rid);
    if (effect.kind === "empty") return this.#free < effect.quantity;
    const isOverLimit = (this.#owned.get(effect.buyer) ?? 0) + effect.quantity > this.#perBuyerMax;
    return effect.kind === "limit" ? isOverLimit : this.#free >= effect.quantity && !isOverLimit;
  }

  #apply(index: number): void {
    this.#move(index, 1);
    this.#isDone[index] = 1;
    this.#doneCount += 1;
    while (this.#isDone[this.#low] === 1) this.#low += 1;
  }

  #undo(index: number): void {
    this.#move(index, -1);
    this.#isDone[index] = 0;
    this.#doneCount -= 1;
    this.#low = Math.min(this.#low, index);
  }

  #move(index: number, sign: 1 | -1): void {
    const { effect } = this.#operations[index] as ModelOperation;
    if (effect.kind === "empty" || effect.kind === "limit") return;
    const units = (effect.kind === "take" ? effect.quantity : -effect.quantity) * sign;
    this.#free -= units;
    this.#owned.set(effect.buyer, (this.#owned.get(effect.buyer) ?? 0) + units);
    if (effect.kind === "take" && sign === 1) this.#taken.add(effect.rid);
    if (effect.kind === "take" && sign === -1) this.#taken.delete(effect.rid);
  }
}
