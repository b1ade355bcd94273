/**
 * Which answers are errors, whatever was asked for, and which are decisions.
 */
import { describe, expect, test } from "bun:test";
import { REFUSALS } from "../../../src/domain/refusals.ts";
import { decisionOf, isError, OutcomeNames } from "./outcomes.ts";

describe("an error is", () => {
  test.each([
    ...["internal", "look: internal", "checkout: internal", "press: internal", "give back: internal"],
    ...["status 500", "look: status 502", "checkout: status 404", "press: status 503", "give back: status 500"],
    ...["no answer: reset", "no answer: not in time"],
  ])("%s", (outcome) => {
    const names = new OutcomeNames();
    expect([isError(outcome), names.isErrorNumber(names.numberOf(outcome))]).toEqual([true, true]);
  });

  test.each([
    ...["held", "queued again", "look: done", "press: done", "give back: done", "other"],
    ...["look: throttled", "checkout: unavailable", "checkout: ended", "look: no_such_sale"],
    ...Object.keys(REFUSALS).filter((reason) => reason !== "internal"),
  ])("not %s", (outcome) => {
    expect(isError(outcome)).toBe(false);
  });
});

test.each([
  ...(["held", "queued", "held again", "queued again"] as const).map((name) => [name, "accepted"] as const),
  ...(["empty", "sold_out", "not_open", "signature_invalid", "unavailable"] as const).map(
    (name) => [name, "refused"] as const,
  ),
  ...(["internal", "status 502", "no answer: closed", "other", "look: done", "look: throttled"] as const).map(
    (name) => [name, "none"] as const,
  ),
])("%s is as a decision: %s", (outcome, decision) => {
  const names = new OutcomeNames();
  expect([decisionOf(outcome), names.decisionOfNumber(names.numberOf(outcome))]).toEqual([decision, decision]);
});
