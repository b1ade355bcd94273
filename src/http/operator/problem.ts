/**
 * Problems as operators read them: the rows of domain/refusals.ts, with the field errors that a person can act on.
 *
 * Operators write what they get wrong themselves, so `detail` and `errors` say precisely what was expected. They never
 * repeat secrets, and of what was sent only field names and ids that passed validation.
 */
import { isFault } from "../../domain/faults.ts";
import { REFUSALS, type RefusalReason } from "../../domain/refusals.ts";
import { ERROR_DOCS_URL, problemOf, refusalHeaders } from "../../funnel/refusal-answers.ts";
import { ROUTE_PROBLEMS, type RouteProblem } from "../problem.ts";

/** What is wrong with one field, and what is accepted. `field` is a path such as `items[0].price.amount`. */
export interface FieldError {
  readonly field: string;
  readonly text: string;
}

/** A refusal of an operator's request; a value, rendered by {@link problemResponse}. */
export interface OperatorProblem {
  readonly reason: RefusalReason | RouteProblem;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number;
}

/** Field errors beyond this many are counted, not listed. */
export const ERRORS_LISTED_MAX = 20;

/** A body that the schema refused: the first error in words, the first ones as a list. `count`: how many there are. */
export function invalidFields(errors: readonly FieldError[], count: number = errors.length): OperatorProblem {
  const first = errors[0];
  const rest = count > 1 ? ` (and ${count - 1} more)` : "";
  const detail = first === undefined ? "The body is not valid." : `${first.field} ${first.text}${rest}`;
  return { reason: "malformed", detail, errors: errors.slice(0, ERRORS_LISTED_MAX) };
}

/** The answer to a problem. */
export function problemResponse(problem: OperatorProblem): Response {
  const { detail, errors } = problem;
  const { document, headers } = isRefusalReason(problem.reason)
    ? refusalParts(problem.reason, problem.retryAfterMs)
    : routeProblem(problem.reason);
  const body = {
    ...document,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
  };
  return new Response(JSON.stringify(body), { status: Number(document["status"]), headers });
}

function refusalParts(reason: RefusalReason, retryAfterMs: number | undefined) {
  const refusal = { reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return { document: problemOf(refusal), headers: refusalHeaders(refusal) };
}

function isRefusalReason(reason: RefusalReason | RouteProblem): reason is RefusalReason {
  return Object.hasOwn(REFUSALS, reason);
}

function routeProblem(reason: RouteProblem): {
  document: Record<string, string | number>;
  headers: Record<string, string>;
} {
  const { status, title } = ROUTE_PROBLEMS[reason];
  return {
    document: { type: `${ERROR_DOCS_URL}#${reason}`, title, status, reason },
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(reason === "unauthorized" ? { "www-authenticate": "Bearer" } : {}),
    },
  };
}

/** The problem a fault means for an operator; null for a bug, which only gets an id. */
export function problemOfFault(error: unknown): OperatorProblem | null {
  if (!isFault(error)) return null;
  if (error.code === "SALE_CONFLICT") return { reason: "conflict", detail: error.internal ?? error.message };
  return error.retryable ? { reason: "unavailable", detail: `${error.code}: try again in a moment.` } : null;
}
