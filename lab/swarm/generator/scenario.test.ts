/**
 * A scenario that is wrong is refused with the path of what is wrong and what would be accepted; those we ship are right.
 */
import { describe, expect, test } from "bun:test";
import { planOf } from "./plan.ts";
import { parseRecordedCurve } from "./recorded-curve.ts";
import { parseScenario, type Scenario, ScenarioError } from "./scenario.ts";
import { loadScenario, shippedScenarios } from "./scenario-files.ts";
import { Stream } from "./stream.ts";

const RIGHT = {
  name: "right",
  requests: 1_000,
  populations: {
    buyers: { kind: "buyer", share: 0.9, arrivals: { curve: "spike", durationMs: 1_000, halfLifeMs: 100 } },
    forgers: { kind: "forger", count: 100, arrivals: { curve: "poisson", durationMs: 1_000 } },
  },
};

function buyers(changes: Record<string, unknown>): Record<string, unknown> {
  return { populations: { buyers: { ...RIGHT.populations.buyers, ...changes } } };
}

function arrivals(changes: Record<string, unknown>): Record<string, unknown> {
  return buyers({ arrivals: { ...RIGHT.populations.buyers.arrivals, ...changes } });
}

function refusalOf(text: string): string {
  try {
    parseScenario(text, "file.yaml");
  } catch (error) {
    if (error instanceof ScenarioError) return error.message;
    throw error;
  }
  return "accepted";
}

const WRONG: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ["an unknown field", { speed: 3 }, 'the file has no "speed"; accepted: name, description'],
  ["no name", { name: undefined }, "name is missing; accepted: a name"],
  ["a name of other letters", { name: "On Sale" }, "name must be a name of 1 to 32"],
  ["a seed that is text", { seed: "x" }, "seed must be a whole number from 0"],
  ["stock of nothing", { sale: { stock: 0 } }, "sale.stock must be a whole number from 1"],
  ["holds of a moment", { sale: { holdMs: 10 } }, "sale.holdMs must be a whole number from 1000"],
  ["too many connections", { connections: { max: 20_001 } }, "connections.max must be a whole number from 1 to 20000"],
  ["another way to connect", { connections: { mode: "udp" } }, 'connections.mode must be "keep-alive" or "storm"'],
  ["endless patience", { patienceMs: 1e9 }, "patienceMs must be a whole number from 0 to 120000"],
  ["nobody", { populations: {} }, "populations must have at least one population"],
  ["a list of populations", { populations: [] }, "populations must be a list of populations by name"],
  ["another kind", buyers({ kind: "robot" }), "populations.buyers.kind must be buyer, forger, replayer"],
  [
    "neither count nor share",
    buyers({ share: undefined }),
    "populations.buyers must have exactly one of count, share and ratePerS",
  ],
  ["count and share", buyers({ count: 5 }), "populations.buyers must have exactly one of count, share and ratePerS"],
  ["a share of nothing", { ...buyers({}), requests: undefined }, "populations.buyers.share needs `requests`"],
  [
    "shares of more than everybody",
    { populations: { ...RIGHT.populations, more: { ...RIGHT.populations.buyers, share: 0.2 } } },
    "populations have shares that add up to 1.1",
  ],
  ["more than everybody", buyers({ share: 1.5 }), "populations.buyers.share must be a number from 0 to 1"],
  [
    "more than there may be",
    buyers({ share: undefined, count: 5_000_001 }),
    "populations.buyers.count must be a whole number from 1 to 5000000",
  ],
  [
    "a rate of a spike",
    buyers({ share: undefined, ratePerS: 5 }),
    "populations.buyers.ratePerS goes with the curves poisson and steady only",
  ],
  ["no arrivals", buyers({ arrivals: undefined }), "populations.buyers.arrivals must say when they come"],
  [
    "another curve",
    arrivals({ curve: "sine" }),
    "populations.buyers.arrivals.curve must be spike, poisson, steady, ramp or replay",
  ],
  [
    "a spike that never falls",
    arrivals({ halfLifeMs: undefined }),
    "populations.buyers.arrivals.halfLifeMs is missing",
  ],
  [
    "a rise longer than all",
    arrivals({ riseMs: 1_000 }),
    "populations.buyers.arrivals.riseMs must be shorter than durationMs",
  ],
  [
    "a day",
    arrivals({ durationMs: 86_400_000 }),
    "populations.buyers.arrivals.durationMs must be a whole number from 1 to 900000",
  ],
  [
    "long before the opening",
    arrivals({ startMs: -60_001 }),
    "populations.buyers.arrivals.startMs must be a whole number from -60000",
  ],
  [
    "an even ramp of nothing",
    buyers({ arrivals: { curve: "ramp", durationMs: 5, from: 0, to: 0 } }),
    "populations.buyers.arrivals.to must be above 0",
  ],
  [
    "thinking backwards",
    buyers({ pay: { share: 1, thinkMs: [5, 1] } }),
    "populations.buyers.pay.thinkMs must be two numbers, the smaller one first",
  ],
  [
    "thinking once",
    buyers({ look: { share: 1, thinkMs: [5] } }),
    "populations.buyers.look.thinkMs must be two numbers of milliseconds",
  ],
  [
    "a forger who pays",
    { populations: { f: { ...RIGHT.populations.forgers, pay: {} } } },
    'populations.f has no "pay"',
  ],
];

describe("a wrong scenario is refused:", () => {
  test.each(WRONG.map(([what, changes, words]) => [what, changes, words] as const))("%s", (_, changes, words) => {
    const message = refusalOf(JSON.stringify({ ...RIGHT, ...changes }));
    expect(message).toContain("file.yaml is no scenario:");
    expect(message).toContain(words);
  });

  test("text that is no YAML, with the line", () => {
    expect(refusalOf("name: [")).toContain("file.yaml is not YAML:");
    expect(refusalOf("name: a\nname: b\n")).toMatch(/is not YAML:.*line 2/s);
  });

  test("aliases, which could make a small file large", () => {
    expect(refusalOf("name: &a x\ndescription: *a\n")).toContain("file.yaml has aliases");
  });

  test("several things at once, a line each", () => {
    const message = refusalOf(JSON.stringify({ ...RIGHT, seed: -1, patienceMs: -1 }));
    expect(message.split("\n")).toHaveLength(3);
  });
});

describe("a right one", () => {
  const read = (changes: Record<string, unknown> = {}): Scenario =>
    parseScenario(JSON.stringify({ ...RIGHT, ...changes }), "f");

  test("becomes numbers: shares, rates, identities", () => {
    const steady = { kind: "scraper", ratePerS: 50, arrivals: { curve: "steady", startMs: -500, durationMs: 2_000 } };
    const plan = planOf(read({ populations: { ...RIGHT.populations, steady } }), {});
    expect(plan.streams.map(({ name, count, actors, firstNumber }) => [name, count, actors, firstNumber])).toEqual([
      ["buyers", 900, 900, 0],
      ["forgers", 100, 1, 900],
      ["steady", 100, 1, 901],
    ]);
    expect(plan).toMatchObject({
      requestCount: 1_100,
      buyerCount: 900,
      identityCount: 902,
      startMs: -500,
      endMs: 1_500,
    });
  });

  test("can be made larger or smaller as a whole, and not larger than a swarm may be", () => {
    expect(planOf(read(), {}, 100).streams.map(({ count }) => count)).toEqual([90, 10]);
    expect(() => planOf(read(), {}, 5_000_002)).toThrow("accepted: at most 5000000");
  });

  test("can be made of exactly so many, however few, the largest populations first", () => {
    const parts = [1_600, 160, 60, 60, 60, 60];
    const populations = Object.fromEntries(
      parts.map((count, index) => [
        `p${index}`,
        { kind: "forger", count, arrivals: { curve: "steady", durationMs: 1_000 } },
      ]),
    );
    const countsOf = (requests: number): readonly number[] =>
      planOf(read({ populations }), {}, requests).streams.map(({ count }) => count);
    expect(countsOf(5)).toEqual([1, 1, 1, 1, 1, 0]);
    expect(countsOf(2_000)).toEqual(parts);
    for (const requests of [1, 6, 7, 9, 10, 99, 1_000, 1_999, 12_345, 4_999_999]) {
      const counts = countsOf(requests);
      expect(counts.reduce((all, count) => all + count, 0)).toBe(requests);
      expect(counts.every((count) => count >= (requests < parts.length ? 0 : 1))).toBe(true);
      expect(Math.abs((counts[0] ?? 0) - requests * 0.8)).toBeLessThan(parts.length);
    }
  });

  test("has nobody of a population whose share is 0, and is none when nobody is left", () => {
    const nobody = { share: 0, arrivals: { curve: "steady", startMs: -9_000, durationMs: 60_000 } };
    const populations = {
      ...RIGHT.populations,
      bots: { kind: "forger", ...nobody },
      people: { kind: "buyer", ...nobody },
    };
    for (const requests of [null, 100]) {
      const { streams, ...plan } = planOf(read({ populations }), {}, requests);
      const { streams: _, ...without } = planOf(read(), {}, requests);
      expect(streams.slice(2).map(({ name, count, actors }) => [name, count, actors])).toEqual([
        ["bots", 0, 0],
        ["people", 0, 0],
      ]);
      expect(plan).toEqual(without);
      for (const one of streams.slice(2)) {
        const stream = new Stream(one, { part: 0, partCount: 2 }, 1);
        expect([stream.nextMs, stream.identities.block.count]).toEqual([Number.POSITIVE_INFINITY, 0]);
      }
      expect(() => planOf(read({ populations: { bots: populations.bots } }), {}, requests)).toThrow(
        "has no arrivals: the share of every population is 0",
      );
    }
  });

  test("has at least one of a population whose share is merely small", () => {
    const few = { kind: "forger", share: 0.000_1, arrivals: { curve: "steady", durationMs: 1_000 } };
    for (const requests of [null, 100]) {
      const { streams } = planOf(read({ populations: { few, ...RIGHT.populations } }), {}, requests);
      expect(streams[0]?.count).toBe(1);
    }
  });

  test.each(shippedScenarios().map((name) => [name] as const))("is shipped: %s", (name) => {
    const { scenario, recorded } = loadScenario(name);
    expect(scenario.name).toBe(name);
    expect(planOf(scenario, recorded).requestCount).toBeGreaterThan(0);
  });

  test("the million is a million buyers and ten thousand tickets", () => {
    const { scenario, recorded } = loadScenario("million");
    expect(planOf(scenario, recorded).buyerCount).toBe(1_000_000);
    expect(scenario.sale).toMatchObject({ stock: 10_000, perBuyerMax: 1 });
  });
});

describe("a recorded curve", () => {
  test("is read from CSV and from our own JSON lines alike", () => {
    const csv = parseRecordedCurve("milliseconds,arrivals\n# quiet\n0,5\n1000,20\n2000,0\n", "c");
    const lines = [0, 1_000, 2_000].map((atMs, index) =>
      JSON.stringify({ type: "second", atMs, arrivals: [5, 20, 0][index] }),
    );
    expect(parseRecordedCurve(['{"type":"progress"}', ...lines].join("\n"), "c")).toEqual(csv);
    expect(csv).toEqual([
      { fromMs: 0, untilMs: 1_000, count: 5 },
      { fromMs: 1_000, untilMs: 2_000, count: 20 },
      { fromMs: 2_000, untilMs: 3_000, count: 0 },
    ]);
  });

  test.each([
    ["0,1", "has 1 points"],
    ["0,1\n0,2", "point 2 is not after the one before it"],
    ["0,0\n1,0", "has no arrivals"],
    ["0,1\n5,-2", "line 2 must be two numbers"],
    ["0,1\n5", "line 2 must be milliseconds,arrivals"],
    ['{"atMs":0', "line 1 is not JSON"],
  ])("that is none is refused: %p", (text, words) => {
    expect(() => parseRecordedCurve(text, "c")).toThrow(words);
  });
});
