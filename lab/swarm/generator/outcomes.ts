/**
 * What can come of a request, as small numbers: counted by the million, spelt out once.
 *
 * Names are the shop's own reasons, "held" and "queued" for what was accepted, "… again" where the shop said that it repeats
 * itself, and words of ours for what never became an answer. There is room for more than the contract has.
 */
import { REFUSALS, STAGES } from "../../../src/domain/refusals.ts";

export const OUTCOMES_MAX = 96;
const OVERFLOW = "other";

/** Accepted: the books have it, or the ledger has. */
export const HELD = "held";
export const QUEUED = "queued";
const AGAIN = " again";
/** Requests that never got an answer. */
export const NO_ANSWER = "no answer: ";

const ACCEPTED: ReadonlySet<string> = new Set([HELD, QUEUED]);

/** True for the first time that a reservation was accepted. */
export function isAccepted(outcome: string): boolean {
  return ACCEPTED.has(outcome);
}

/** True for an answer that repeats an acceptance. */
export function isRepeat(outcome: string): boolean {
  return outcome.endsWith(AGAIN);
}

export function isNoAnswer(outcome: string): boolean {
  return outcome.startsWith(NO_ANSWER);
}

/** The name of an answer to an attempt that was accepted. */
export function acceptedName(status: number, isReplayed: boolean): string {
  return `${status === 202 ? QUEUED : HELD}${isReplayed ? AGAIN : ""}`;
}

/** The stage that gave an answer; "reserve" for what was accepted, "other" for what is no decision. */
export function stageOf(outcome: string): string {
  if (isAccepted(outcome) || isRepeat(outcome)) return "reserve";
  if (isNoAnswer(outcome)) return "no answer";
  const row = (REFUSALS as Readonly<Record<string, { readonly stage: string }>>)[outcome];
  return row === undefined || row.stage === "none" ? "other" : row.stage;
}

/** Stages in the order of the funnel, then what is none. */
export const STAGE_ORDER: readonly string[] = [...STAGES, "other", "no answer"];

/** Reasons after which the same buyer may come again. */
const TRANSIENT: ReadonlySet<string> = new Set(
  Object.entries(REFUSALS)
    .filter(([reason, { retry }]) => retry !== "never" && reason !== "empty")
    .map(([reason]) => reason),
);

/** True when the answer says "not now"; what is empty is left to those who wait for it. */
export function isTransient(outcome: string): boolean {
  return TRANSIENT.has(outcome) || isNoAnswer(outcome);
}

/** Errors: no answer at all, a bug of the shop, an answer that no document explains. */
export function isError(outcome: string): boolean {
  return isNoAnswer(outcome) || outcome === "internal" || /^status \d+$/.test(outcome);
}

/** Gives each outcome a number, in the order in which they are met. */
export class OutcomeNames {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #errors: boolean[] = [];

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.names.length === OUTCOMES_MAX - 1 && name !== OVERFLOW) return this.numberOf(OVERFLOW);
    const number = this.names.push(name) - 1;
    this.#numbers.set(name, number);
    this.#errors[number] = isError(name);
    return number;
  }

  /** True for the number of an error; see {@link isError}. */
  isErrorNumber(number: number): boolean {
    return this.#errors[number] === true;
  }

  nameOf(number: number): string {
    return this.names[number] ?? OVERFLOW;
  }
}
