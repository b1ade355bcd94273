/**
 * Refusals as Responses for everything that is not the hot route: one form of error on both ports (RFC 9457).
 *
 * Buyers get the rows of domain/refusals.ts. Operators' routes need a few more words, listed here; they have no stage
 * because they pass none. Handlers return refusals as values and let these functions render them.
 */
import type { Refusal } from "../domain/refusals.ts";
import { answerRefusal, ERROR_DOCS_URL } from "../funnel/refusal-answers.ts";

/** Reasons that only routes outside the funnel give. */
export const ROUTE_PROBLEMS = {
  unauthorized: { status: 401, title: "The operator token is missing or wrong." },
  cross_site: { status: 403, title: "Requests from other sites' pages are not taken here." },
  sign_in_failed: { status: 401, title: "That did not sign you in." },
  forbidden: { status: 403, title: "Your role does not include this." },
  proof_required: { status: 403, title: "Please prove again that it is you." },
  not_found: { status: 404, title: "There is nothing here." },
  method_not_allowed: { status: 405, title: "That cannot be done here." },
  conflict: { status: 409, title: "That cannot be done as things stand." },
  not_ready: { status: 503, title: "This server is not ready for buyers." },
} as const;

export type RouteProblem = keyof typeof ROUTE_PROBLEMS;

/** The response to a refusal. */
export function refusalResponse(refusal: Refusal): Response {
  const answer = answerRefusal(refusal);
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

/** The response to a problem outside the funnel. `detail` is shown as it is: no secrets, no input. */
export function problemResponse(reason: RouteProblem, detail?: string): Response {
  const row = ROUTE_PROBLEMS[reason];
  const document = {
    type: `${ERROR_DOCS_URL}#${reason}`,
    title: row.title,
    status: row.status,
    reason,
    ...(detail === undefined ? {} : { detail }),
  };
  return new Response(JSON.stringify(document), {
    status: row.status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(reason === "unauthorized" ? { "www-authenticate": "Bearer" } : {}),
    },
  });
}

/** A bug of ours: the id finds the log line, the text says nothing else. */
export function internalResponse(requestId: string): Response {
  return refusalResponse({ reason: "internal", extra: { requestId } });
}
