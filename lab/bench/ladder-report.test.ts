/** Which rows are judged by what is asked for. */
import { expect, test } from "bun:test";
import { judgeAsked } from "./ladder-report.ts";
import type { Figures, LadderRow } from "./ladder-row.ts";

const figures = (perS: number): Figures => ({
  perS,
  cpuUs: 15,
  cpuUsByPart: { nodes: 15 },
  latencyMsP50: null,
  latencyMsP99: null,
});

const row = (name: string, perS: number): LadderRow => ({
  id: `bun/http/${name}`,
  group: "http",
  name,
  figures: figures(perS),
  limit: { name: "bare server", figures: figures(100_000) },
  problem: null,
});

test("the latch is asked for its own share, and the signed one for that of signed refusals alone", () => {
  const verdicts = judgeAsked([row("latch", 70_000), row("latch-signed", 70_000)]);
  expect(verdicts.map(({ text, isMet }) => `${text}: ${isMet}`)).toEqual([
    "latch: latch refusal ≥ 0.75 × bare: false",
    "latch: ≤ 20 µs a refusal: true",
    "latch-signed: signed refusal ≥ 0.6 × bare: true",
    "latch-signed: ≤ 20 µs a refusal: true",
  ]);
});
