/**
 * Problems on routes outside the funnel have the funnel's own form.
 */
import { describe, expect, test } from "bun:test";
import { REFUSALS, type RefusalReason } from "../domain/refusals.ts";
import { answerRefusal, plainRefusal } from "../funnel/refusal-answers.ts";
import { internalResponse, problemResponse, refusalResponse } from "./problem.ts";

describe("problem", () => {
  test.each(Object.keys(REFUSALS) as RefusalReason[])("%s is told alike on every route", async (reason) => {
    const response = refusalResponse(plainRefusal(reason));
    const answer = answerRefusal(plainRefusal(reason));
    expect(response.status).toBe(REFUSALS[reason].status);
    // Advice that nobody computed differs from answer to answer: refusal-answers.test.ts.
    const { retryAfterMs: here, ...document } = (await response.json()) as Record<string, unknown>;
    const { retryAfterMs: there, ...expected } = JSON.parse(answer.body) as Record<string, unknown>;
    expect(document).toEqual(expected);
    expect(typeof here).toBe(typeof there);
    const { "retry-after": advice, ...headers } = answer.headers;
    expect(response.headers.has("retry-after")).toBe(advice !== undefined);
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value);
  });

  test("a bug shows its id and nothing else", async () => {
    expect(await internalResponse("id-1").json()).toEqual({
      type: "https://doorbuster.dev/errors#internal",
      title: "Something went wrong on our side.",
      status: 500,
      reason: "internal",
      requestId: "id-1",
    });
  });

  test("an operator without a token is asked for one", async () => {
    const response = problemResponse("unauthorized");
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await response.json()).toMatchObject({ reason: "unauthorized", status: 401 });
  });

  test("a detail is shown when there is one", async () => {
    expect(await problemResponse("conflict", "The price is fixed.").json()).toMatchObject({
      detail: "The price is fixed.",
    });
    expect(await problemResponse("not_found").json()).not.toHaveProperty("detail");
  });
});
