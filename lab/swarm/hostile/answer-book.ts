/**
 * What everybody heard, counted: population, layer, reason. A layer is a stage of the funnel, or what stands before it.
 *
 * Bounded by populations × reasons. Two books add up, because the crowd has more than one process.
 */
import { STAGES } from "../../../src/domain/refusals.ts";
import { headerOf } from "../http-answer.ts";
import type { HttpOutcome } from "../http-client.ts";
import { readProblem } from "../shopper.ts";
import type { Population } from "./populations.ts";

/** In the order in which a request meets them. "served" = what was asked for was given; "units" = so was a unit. */
export const LAYERS = ["connection", "listener", ...STAGES, "other", "served", "units"] as const;
export type Layer = (typeof LAYERS)[number];

/** `population|layer|reason` → how many. */
export type AnswerCounts = Readonly<Record<string, number>>;

/** What an attempt or any other request came to, in the words of the table. */
export interface Heard {
  readonly layer: Layer;
  readonly reason: string;
  readonly status: number;
  readonly retryAfterMs: number;
}

const CREATED = 201;
const QUEUED = 202;
const BAD_REQUEST = 400;
const STAGE_NAMES: ReadonlySet<string> = new Set(STAGES);

/** Where a request ended. `isAttempt`: a success is a unit taken. */
export function hear(outcome: HttpOutcome, isAttempt: boolean): Heard {
  if (outcome.kind === "no_answer") return { layer: "connection", reason: outcome.cause, status: 0, retryAfterMs: 0 };
  const { answer } = outcome;
  const { status } = answer;
  if (status < BAD_REQUEST) {
    const isAcceptance = isAttempt && (status === CREATED || status === QUEUED);
    // The same answer to the same attempt again is no other unit.
    const isAgain = isAcceptance && headerOf(answer.head, "idempotent-replayed") === "true";
    const reason = isAgain ? "answered again" : isAcceptance ? "accepted" : "ok";
    return { layer: isAcceptance && !isAgain ? "units" : "served", reason, status, retryAfterMs: 0 };
  }
  const { stage, reason, retryAfterMs } = readProblem(answer);
  return { layer: layerOf(stage, reason), reason, status, retryAfterMs };
}

function layerOf(stage: string, reason: string): Layer {
  if (STAGE_NAMES.has(stage)) return stage as Layer;
  // Without a document of ours it was the parser of HTTP that answered.
  return reason.startsWith("status_") ? "listener" : "other";
}

const SURPRISES_MAX = 10;
const SURPRISE_CHARACTERS_MAX = 300;
const SERVER_ERROR = 500;

export class AnswerBook {
  /** Answers that no document explains, which the shop never gives: the first few, with what was asked. */
  readonly surprises: string[] = [];
  readonly #counts = new Map<string, number>();

  note(population: Population, heard: Pick<Heard, "layer" | "reason">): void {
    this.add(`${population}|${heard.layer}|${heard.reason}`, 1);
  }

  /** Keeps what should not have been answered to anybody. */
  wonder(request: string, outcome: HttpOutcome): void {
    if (outcome.kind === "no_answer" || outcome.answer.status < SERVER_ERROR) return;
    const { status, body } = outcome.answer;
    // The payment provider's page says so in its own words.
    if (headerOf(outcome.answer.head, "retry-after") !== null) return;
    const isOurs = readProblem(outcome.answer).stage !== "none" || body.includes('"reason"');
    if (isOurs || this.surprises.length >= SURPRISES_MAX) return;
    this.surprises.push(`${request}: ${status} ${body.slice(0, SURPRISE_CHARACTERS_MAX)}`);
  }

  merge(counts: AnswerCounts): void {
    for (const [row, count] of Object.entries(counts)) this.add(row, count);
  }

  add(row: string, count: number): void {
    this.#counts.set(row, (this.#counts.get(row) ?? 0) + count);
  }

  get counts(): AnswerCounts {
    return Object.fromEntries(this.#counts);
  }
}

/** How often a population heard something of a layer (absent = any). */
export function countHeard(
  counts: AnswerCounts,
  which: { population?: Population; layer?: Layer; reason?: string },
): number {
  let sum = 0;
  for (const [row, count] of Object.entries(counts)) {
    const [population, layer, reason] = row.split("|");
    if (which.population !== undefined && which.population !== population) continue;
    if (which.layer !== undefined && which.layer !== layer) continue;
    if (which.reason !== undefined && which.reason !== reason) continue;
    sum += count;
  }
  return sum;
}
