/** Sums over processes: figures add up, and a buyer whom two of them saw is one suspect. */
import { expect, test } from "bun:test";
import { type RiskDocument, type Suspect, sumRisk } from "./risk-document.ts";

const suspect = (buyerId: string, at: number, score = 40): Suspect => ({
  buyerId,
  device: "",
  network: "0123456789abcdef",
  score,
  band: "challenge",
  causes: ["session"],
  at,
});

function processOf(runId: string, causes: Record<string, number>, suspects: readonly Suspect[]) {
  return { runId, at: 1, report: { bands: { pass: 10, challenge: 2, slow_down: 1, refuse: 0 }, causes, suspects } };
}

const DOCUMENT: RiskDocument = {
  causes: { rhythm: { text: "Even attempts." } },
  processes: [
    processOf("one", { rhythm: 2, hammering: 0 }, [suspect("ann", 5), suspect("bob", 4)]),
    processOf("two", { rhythm: 1, session: 7 }, [suspect("ann", 6, 70)]),
  ],
};

test("figures of all processes add up, and causes that never counted are left out", () => {
  const { bands, causes } = sumRisk(DOCUMENT);
  expect(bands).toEqual({ pass: 20, challenge: 4, slow_down: 2, refuse: 0 });
  expect(causes.map(({ cause, count }) => [cause, count])).toEqual([
    ["session", 7],
    ["rhythm", 3],
  ]);
  expect(causes[1]?.text).toBe("Even attempts.");
});

test("a buyer is shown once, as he was seen last", () => {
  expect(sumRisk(DOCUMENT).suspects.map(({ buyerId, score }) => [buyerId, score])).toEqual([
    ["ann", 70],
    ["bob", 40],
  ]);
});
