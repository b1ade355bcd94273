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

const FUNNEL_STAGES: ReadonlySet<string> = new Set(STAGES);

/** What an outcome tells a buyer who attempted; "none" for errors, for silence and for whatever is no attempt. */
export type Decision = "accepted" | "refused" | "none";

/** The decision that an outcome is. The repetition of an acceptance is one. */
export function decisionOf(outcome: string): Decision {
  if (isAccepted(outcome) || isRepeat(outcome)) return "accepted";
  return FUNNEL_STAGES.has(stageOf(outcome)) ? "refused" : "none";
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

/** A bug of the shop, or a refusal without a reason; "look: ", "checkout: " and such before it say what was asked for. */
const ERROR = /^(?:[a-z ]+: )?(?:internal|status \d+)$/;

/**
 * Errors: no answer at all, a bug of the shop, an answer that no document explains.
 *
 * Whatever is asked for, by whomever: the shop gives a reason with each refusal, to the hostile as well, and its payment
 * sandbox refuses without one only what no buyer of a swarm does, or because it could not do its work.
 */
export function isError(outcome: string): boolean {
  return isNoAnswer(outcome) || ERROR.test(outcome);
}

/** Gives each outcome a number, in the order in which they are met. */
export class OutcomeNames {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #errors: boolean[] = [];
  readonly #decisions: Decision[] = [];

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.names.length === OUTCOMES_MAX - 1 && name !== OVERFLOW) return this.numberOf(OVERFLOW);
    const number = this.names.push(name) - 1;
    this.#numbers.set(name, number);
    this.#errors[number] = isError(name);
    this.#decisions[number] = decisionOf(name);
    return number;
  }

  /** True for the number of an error; see {@link isError}. */
  isErrorNumber(number: number): boolean {
    return this.#errors[number] === true;
  }

  /** The decision behind a number; see {@link decisionOf}. */
  decisionOfNumber(number: number): Decision {
    return this.#decisions[number] ?? "none";
  }

  nameOf(number: number): string {
    return this.names[number] ?? OVERFLOW;
  }
}
