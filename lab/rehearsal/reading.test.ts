import { describe, expect, test } from "bun:test";
import type { SwarmResult } from "../swarm/generator/result.ts";
import { limitOf, readTrial, type TrialReading } from "./reading.ts";

interface Told {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly p99?: number;
  readonly errors?: number;
}

/** A thousand came. */
function resultOf({ outcomes, p99 = 20, errors = 0 }: Told): SwarmResult {
  const samples = [
    { atMs: 0, cpuMs: { api: 0, generator: 0 } },
    { atMs: 1_000, cpuMs: { api: 300, generator: 100 } },
    { atMs: 2_000, cpuMs: { api: 1_250, generator: 250 } },
    { atMs: 2_100, cpuMs: { api: 1_450, generator: 260 } },
  ];
  return {
    requests: { scheduled: 1_000, errors },
    matrix: { buyers: outcomes },
    latencyMs: { byPopulation: { buyers: { p99 } } },
    generator: { latenessMs: { p99: 3.4 } },
    cpu: { samples, usPerAnswer: { api: 812.4, generator: 100 } },
  } as unknown as SwarmResult;
}

describe("a trial", () => {
  test.each([
    ["accepted", { outcomes: { held: 900, queued: 100 } }, "kept"],
    ["accepted", { outcomes: { held: 1_000 }, p99: 250 }, "kept"],
    ["accepted", { outcomes: { held: 1_000 }, p99: 251 }, "missed"],
    ["accepted", { outcomes: { held: 1_000 }, p99: 1_001 }, "far off"],
    ["accepted", { outcomes: { held: 999, busy: 1 } }, "missed"],
    ["accepted", { outcomes: { held: 700, busy: 300 } }, "far off"],
    ["accepted", { outcomes: { held: 999, internal: 1 }, errors: 1 }, "far off"],
    ["accepted", { outcomes: { held: 900, empty: 100 } }, "missed"],
    ["refused", { outcomes: { held: 1, empty: 999 } }, "kept"],
    ["refused", { outcomes: { sold_out: 1_000 } }, "kept"],
    ["refused", { outcomes: { empty: 990, throttled: 10 } }, "missed"],
    ["refused", { outcomes: {} }, "far off"],
  ] as const)("where everybody is to be %s with %p is %s", (wanted, told, verdict) => {
    const reading = readTrial(resultOf(told), { ratePerS: 500, wanted, latencyMsMax: 250 });
    expect(reading.verdict).toBe(verdict);
  });

  test("says what its busiest second took, and what a decision cost everybody but the load", () => {
    const reading = readTrial(resultOf({ outcomes: { held: 1_000 } }), {
      ratePerS: 500,
      wanted: "accepted",
      latencyMsMax: 250,
    });
    expect(reading.cores).toEqual({ api: 0.95, generator: 0.15 });
    expect(reading.cpuUsPerDecision).toEqual({ api: 812 });
  });
});

test("a decision costs what all processes of a part spend on it", () => {
  const result = resultOf({ outcomes: { held: 1_000 } });
  const usPerAnswer = { "api 1": 300.3, "api 2": 300.3, postgres: 90, generator: 50 };
  const reading = readTrial({ ...result, cpu: { ...result.cpu, usPerAnswer } } as SwarmResult, {
    ...{ ratePerS: 500, wanted: "accepted", latencyMsMax: 250 },
  });
  expect(reading.cpuUsPerDecision).toEqual({ api: 601, postgres: 90 });
});

describe("what was in the way", () => {
  const MISSED: TrialReading = {
    ...{ ratePerS: 800, verdict: "missed", latencyMsP99: 300, decisions: 2_000, cpuUsPerDecision: null },
    ...{ generatorLatenessMs: 2, throttled: 0, errors: 0, cores: {} },
  };
  const machine = { cores: 4, generatorProcesses: 1 };
  test.each<[string, Partial<TrialReading>, string, string]>([
    ["a setting", { throttled: 3, cores: { api: 1 } }, "limits", "RATE_"],
    ["the load that was late", { generatorLatenessMs: 80, cores: { api: 1 } }, "generator", "may be able to do more"],
    ["the load that had no more processor", { cores: { generator: 0.95, api: 0.95 } }, "generator", "0.95 cores"],
    ["the node", { cores: { api: 0.95, redis: 0.5, postgres: 1.2 } }, "api processor", "0.95 cores"],
    ["Redis", { cores: { api: 0.5, redis: 0.97 } }, "redis", "0.97 cores"],
    [
      "the machine, PostgreSQL first",
      { cores: { api: 0.8, postgres: 2.4, generator: 0.6 } },
      "postgres",
      "all 4 processors",
    ],
    ["a disk or a network", { cores: { api: 0.3, postgres: 0.4 } }, "unknown", "a disk, a network"],
    ["one node of several", { cores: { "api 1": 0.4, "api 2": 0.93 } }, "api processor", "api 2 used 0.93 cores"],
    [
      "nobody, where several nodes are half busy each",
      { cores: { "api 1": 0.5, "api 2": 0.55 } },
      "unknown",
      "1.05 of 4",
    ],
    ["one Redis of several", { cores: { "redis 1": 0.1, "redis 2": 0.96 } }, "redis", "redis 2 used 0.96 cores"],
    [
      "the machine, several nodes together first",
      { cores: { "api 1": 0.8, "api 2": 0.8, postgres: 1.2, generator: 0.85 } },
      "api processor",
      "api 1.60, postgres 1.20, generator 0.85",
    ],
    ["nobody knows", {}, "unknown", "no process could be looked at"],
  ])("%s", (_, overrides, limitedBy, words) => {
    expect(limitOf({ ...MISSED, ...overrides }, machine)).toEqual({
      limitedBy,
      because: expect.stringContaining(words),
    } as never);
  });

  test("nothing, where no rate was missed", () => {
    expect(limitOf(null, machine)).toEqual({ limitedBy: "time", because: expect.stringContaining("may be more") });
  });
});
