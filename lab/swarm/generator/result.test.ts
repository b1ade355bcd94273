/**
 * What a result says of sums that are known: the peak, the time after the last unit, and each promise that can be broken.
 */
import { describe, expect, test } from "bun:test";
import { renderHtml } from "./html-report.ts";
import { OutcomeNames } from "./outcomes.ts";
import { planOf } from "./plan.ts";
import { type Ended, resultOf, type SwarmResult } from "./result.ts";
import { parseScenario } from "./scenario.ts";
import { type PaymentCounts, Scoreboard, sumScores } from "./scoreboard.ts";
import { renderText } from "./text-report.ts";

const PLAN = planOf(
  parseScenario(
    JSON.stringify({
      name: "t",
      populations: {
        pairs: { kind: "buyer", count: 6, quantity: 2, arrivals: { curve: "steady", durationMs: 4_000 } },
        forgers: { kind: "forger", count: 1, arrivals: { curve: "steady", durationMs: 1 } },
      },
    }),
    "t",
  ),
  {},
);

interface Told {
  readonly population?: number;
  readonly outcome: string;
  readonly dueMs: number;
  readonly tookMs: number;
}

/** Held in seconds 0 and 1, empty from second 2 on. */
const STORY: readonly Told[] = [
  { outcome: "held", dueMs: 100, tookMs: 10 },
  { outcome: "held", dueMs: 900, tookMs: 200 },
  { outcome: "empty", dueMs: 1_500, tookMs: 500 },
  { outcome: "empty", dueMs: 2_100, tookMs: 4 },
  { outcome: "empty", dueMs: 2_200, tookMs: 6 },
  { outcome: "empty", dueMs: 3_900, tookMs: 2 },
  { population: 1, outcome: "signature_invalid", dueMs: 0, tookMs: 1 },
];

function play(story: readonly Told[], more: Partial<Ended> = {}): SwarmResult {
  const halves = [0, 1].map((half) => {
    const names = new OutcomeNames();
    const score = new Scoreboard({ names, populations: ["pairs", "forgers"], startMs: 0, endMs: 20_000 });
    for (const { population = 0, outcome, dueMs, tookMs } of story.filter((_, index) => index % 2 === half)) {
      score.arrived(dueMs);
      score.sent += 1;
      score.answered += 1;
      score.count(population, names.numberOf(outcome), dueMs + tookMs);
      score.attempt(population, names.numberOf(outcome), { dueMs, nowMs: dueMs + tookMs });
    }
    return score.snapshot();
  });
  return resultOf({
    ...{ scenario: "t", seed: 1, opensAt: 1_000_000, plan: PLAN, processes: 2, residentBytes: 5 },
    score: sumScores(JSON.parse(JSON.stringify(halves)) as typeof halves),
    sale: { id: "s", sku: "a", isOwn: true, stock: 4, takenBefore: 0 },
    audit: auditOf(4, true),
    keepsUnits: true,
    samples: [
      { atMs: 1_000_000, cpuMs: { generator: 0, api: 0 } },
      { atMs: 1_002_000, cpuMs: { generator: 500, api: 1_400 } },
    ],
    generatorPart: "generator",
    ...more,
  });
}

function auditOf(held: number, balanced: boolean): NonNullable<Ended["audit"]> {
  return { balanced, items: [{ sku: "a", total: 4, free: 0, granted: 0, held, sold: 0 }], violations: [] };
}

describe("a result", () => {
  const result = play(STORY);

  test("adds processes up, by population and by stage", () => {
    expect(result.matrix).toEqual({ pairs: { held: 2, empty: 4 }, forgers: { signature_invalid: 1 } });
    const stages = Object.fromEntries(result.stages.map(({ stage, requests }) => [stage, requests]));
    expect(stages).toMatchObject({ reserve: 2, "sold-out": 4, identity: 1, "no answer": 0 });
    expect(result.requests).toMatchObject({ sent: 7, answered: 7, accepted: 2, errors: 0 });
    expect(result.sale).toMatchObject({ unitsTaken: 4, unitsAccepted: 4 });
    expect(result.findings).toEqual([]);
  });

  test("knows the busiest second by what was due in it, and what came after the last unit", () => {
    expect(result.peak).toMatchObject({ atMs: 0, arrivals: 3 });
    // The last acceptance came in second 1: what was due from second 2 on is after it.
    expect(result.afterSoldOut).toMatchObject({ fromMs: 2_000, latencyMs: { count: 3 } });
    expect(result.afterSoldOut?.latencyMs.max).toBeCloseTo(6, 6);
    expect(play(STORY.slice(0, 2)).afterSoldOut).toBeNull();
  });

  test("ends a second after the last that anything happened in", () => {
    expect(result.seconds.map(({ atMs }) => atMs)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
  });

  test("says what an answer cost, and how busy the generator was", () => {
    expect(result.cpu?.usPerAnswer["api"]).toBe(200_000);
    expect(result.generator.coresUsed).toBe(0.25);
    expect(play(STORY, { samples: null }).cpu).toBeNull();
  });
});

test("what is no decision stays out of the latencies of decisions", () => {
  const quick = ["internal", "status 502", "internal"].map((outcome) => ({ outcome, dueMs: 3_500, tookMs: 0.1 }));
  const [without, result] = [play(STORY), play([...STORY, ...quick])];
  expect(result.requests.errors).toBe(3);
  expect(result.latencyMs.refused).toEqual(without.latencyMs.refused);
  expect(result.afterSoldOut).toEqual(without.afterSoldOut);
  expect(result.seconds.map(({ latencyMs }) => latencyMs)).toEqual(without.seconds.map(({ latencyMs }) => latencyMs));
  expect(result.latencyMs.byPopulation["pairs"]?.count).toBe(9);
});

describe("what people read", () => {
  const stolen = play([...STORY, { population: 1, outcome: "held", dueMs: 3_000, tookMs: 1 }], { processes: 1 });
  const html = (result: SwarmResult): string => renderHtml(result);

  test("tells acceptances of buyers from those of others", () => {
    expect([stolen.buyers.accepted, stolen.requests.accepted]).toEqual([2, 3]);
    expect(renderText(stolen)).toContain("2 accepted (and 1 attempt of others), 4 of 4 units held or sold.");
    expect(renderText(play(STORY))).toContain("2 accepted, 4 of 4 units held or sold.");
    expect(html(stolen)).toContain('accepted, of others</th><td class="n">1</td>');
    expect(html(play(STORY))).not.toContain("accepted, of others");
  });

  test("has a line for payments where there were any, with the ends they came to", () => {
    const score = new Scoreboard({ names: new OutcomeNames(), populations: ["pairs"], startMs: 0, endMs: 1 });
    const ends: readonly (keyof PaymentCounts)[] = ["taken", "taken", "unanswered", "unsent"];
    for (const end of ends) {
      score.payment("begun");
      score.payment(end);
    }
    const half = JSON.parse(JSON.stringify(score.snapshot())) as ReturnType<typeof score.snapshot>;
    const line =
      "Payments: 8 begun, 4 taken by the page of the payment, 2 without an answer, 2 not over when the run ended.";
    const result = play(STORY, { score: sumScores([half, half]) });
    expect(renderText(result)).toContain(line);
    expect(html(result)).toContain(line);
    expect(renderText(stolen)).not.toContain("Payments");
  });

  test("is in the singular where there is one", () => {
    expect(renderText(stolen)).toContain("Generator: 1 process, ");
    expect(html(stolen)).toContain("1 generating process. ");
    expect(html(play(STORY))).toContain("2 generating processes. ");
  });

  test("calls what Redis has of the stock what everything else calls it", () => {
    expect(html(stolen)).toContain('<th scope="col" class="n">granted</th>');
  });
});

describe("a warning is", () => {
  /** A second of as many cores, in two processes, among seconds of none. */
  const busy = (cores: number): SwarmResult =>
    play(STORY, {
      samples: [0, 0, cores, cores, cores].map((used, second) => ({
        atMs: 1_000_000 + second * 1_000,
        cpuMs: { generator: used * 1_000, api: 0 },
      })),
    });

  test("a generator that had no more to give in its busiest second", () => {
    const result = busy(1.8);
    expect(result.generator).toMatchObject({ coresUsed: 0.45, coresUsedMax: 1.8 });
    expect(result.warnings).toEqual([expect.stringContaining("used 1.80 cores in its busiest second")]);
    expect(result.findings).toEqual([]);
  });

  test("a crowd that shares one address, and is throttled for it", () => {
    const throttled = Array.from({ length: 5 }, () => ({ outcome: "throttled", dueMs: 3_000, tookMs: 1 }));
    expect(play([...STORY, ...throttled]).warnings.join()).toContain("TRUSTED_PROXIES");
    expect(play(STORY).warnings).toEqual([]);
  });

  test("not one that had, nor what a clock makes of two samples side by side", () => {
    expect(busy(1.75).warnings).toEqual([]);
    const [atMs, cpuMs] = [1_001_000, { generator: 0, api: 0 }];
    const samples = [
      { atMs, cpuMs },
      { atMs: atMs + 100, cpuMs: { ...cpuMs, generator: 300 } },
    ];
    expect(play(STORY, { samples }).generator.coresUsedMax).toBe(0);
    expect(play(STORY, { samples: null }).warnings).toEqual([]);
  });
});

describe("a finding is", () => {
  const later = (outcome: string): Told => ({ outcome, dueMs: 3_000, tookMs: 1 });

  test.each([
    ["an error", play([...STORY, later("internal"), later("status 502")]), "2 errors: 1 status 502, 1 internal"],
    [
      "an error of what is no attempt",
      play([...STORY, later("look: status 500"), later("checkout: internal"), later("press: status 502")]),
      "3 errors: 1 checkout: internal, 1 look: status 500, 1 press: status 502",
    ],
    ["books that do not balance", play(STORY, { audit: auditOf(4, false) }), "the audit does not balance"],
    ["more than the stock", play([...STORY, later("held")], { audit: auditOf(6, true) }), "6 units are taken of 4"],
    ["a unit nobody was told of", play(STORY.slice(1)), "4 units are taken, and 2 were answered as accepted"],
    [
      "a unit that is not there",
      play(STORY, { audit: auditOf(2, true) }),
      "2 units are taken, and 4 were answered as accepted",
    ],
    [
      "a buyer whose session is not accepted: the load was not of this deployment's buyers",
      play([...STORY, later("session_invalid")]),
      "1 attempt of a buyer was refused as session_invalid",
    ],
  ])("%s", (_, result, words) => {
    expect(result.findings.join("\n")).toContain(words);
  });

  test("not a difference that silence explains, nor one of units that may have come back", () => {
    const silent = play([...STORY.slice(1), later("no answer: reset")]);
    expect(silent.findings).toEqual(["1 error: 1 no answer: reset"]);
    const lost = play([...STORY, later("no answer: reset")], { audit: auditOf(2, true) });
    expect(lost.findings.join("\n")).toContain("2 units are taken, and 4 were answered as accepted");
    expect(play(STORY, { audit: auditOf(2, true), keepsUnits: false }).findings).toEqual([]);
    const forged = { ...later("session_invalid"), population: 1 };
    expect(play([...STORY, forged]).findings).toEqual([]);
  });
});
