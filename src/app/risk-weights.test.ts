/** A file changes what it names and nothing else, and a file with a mistake in it starts nothing. */
import { describe, expect, test } from "bun:test";
import { isFault } from "../domain/faults.ts";
import { DEFAULT_RISK_MODEL } from "../funnel/6-admission/risk/risk-model.ts";
import { parseRiskWeights } from "./risk-weights.ts";

const parse = (content: unknown) => parseRiskWeights(JSON.stringify(content), "risk.json");

function problemOf(text: string): string {
  try {
    parseRiskWeights(text, "risk.json");
  } catch (error) {
    if (isFault(error, "CONFIG_INVALID")) return error.message;
    throw error;
  }
  throw new Error("the file was accepted");
}

describe("risk weights", () => {
  test("that say nothing are the defaults", () => {
    expect(parse({})).toEqual(DEFAULT_RISK_MODEL);
  });

  test("change what they name and leave the rest", () => {
    const model = parse({
      bands: { slow_down: 80 },
      causes: { no_signals: [[1, 0]], accounts_on_device: [[20, 30]] },
      bans: { hammering: 0 },
      slowDownMs: 5_000,
    });
    expect(model.bands).toEqual({ challenge: 30, slow_down: 80, refuse: 90 });
    expect(model.causes.no_signals).toEqual([{ from: 1, weight: 0 }]);
    expect(model.causes.accounts_on_device).toEqual([{ from: 20, weight: 30 }]);
    expect(model.causes.automation).toEqual(DEFAULT_RISK_MODEL.causes.automation);
    expect(model.bans).toEqual({ ...DEFAULT_RISK_MODEL.bans, hammering: 0 });
    expect(model.slowDownMs).toBe(5_000);
    expect(model.windowMs).toBe(DEFAULT_RISK_MODEL.windowMs);
  });

  test("can switch a cause off", () => {
    expect(parse({ causes: { rhythm: [] } }).causes.rhythm).toEqual([]);
  });

  test.each([
    ["no JSON", "{"],
    ["an unknown member", '{"band":{}}'],
    ["an unknown cause", '{"causes":{"astrology":[[1,5]]}}'],
    ["steps that fall", '{"causes":{"rhythm":[[40,35],[12,20]]}}'],
    ["too many steps", '{"causes":{"rhythm":[[1,1],[2,2],[3,3],[4,4]]}}'],
    ["a weight beyond the score", '{"causes":{"rhythm":[[1,101]]}}'],
    ["a negative weight", '{"causes":{"rhythm":[[1,-5]]}}'],
    ["bands that fall", '{"bands":{"challenge":80}}'],
    ["a time that is none", '{"slowDownMs":"3 s"}'],
  ])("with %s are refused, and the file is named", (_name, text) => {
    expect(problemOf(text)).toContain("risk.json");
  });
});
