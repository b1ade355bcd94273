/**
 * T5: nobody learns a secret from how long its comparison takes.
 *
 * Two looks at it. The sources: no `===` on what is named like a secret. The clock: codes that differ early and codes that
 * differ late take the same time, by Welch's t-test; the same test must find the comparison that everybody writes first.
 */
import { describe, expect, test } from "bun:test";
import { isSameMac } from "../../src/funnel/3-identity/hmac.ts";
import { createOperatorCheck } from "../../src/http/operator/authenticate.ts";
import { codeOf, isTest, sourcesUnder } from "../tidy/repository.ts";

const SECRET_NAME = /(signature|mac|token|secret|password|digest)$/i;
const COMPARISON = /([\w.#?]+)\s*(?:===|!==|==|!=)\s*([\w.#?"'-]+)/g;
/** Absent or not, and of which kind, may be asked in any way. */
const HARMLESS = /^(null|undefined|true|false|""|\d+)$/;

/** Comparisons that decide nothing an outsider could aim at, each with why. */
const ALLOWED: Readonly<Record<string, string>> = {
  "src/config/check.ts": "compares the operator's own two settings at the start",
  "src/config/secrets.ts": "asks which of two files this process has just written itself",
  "src/http/operator/approval-routes.ts": "compares the digest of a request that the approver was shown in full",
};

/** Comparisons of secrets by operator: `path: text`. */
function comparisonsIn(path: string, code: string): readonly string[] {
  return [...code.matchAll(COMPARISON)]
    .filter(([, left = "", right = ""]) => {
      const isSecret = SECRET_NAME.test(left) || SECRET_NAME.test(right);
      return isSecret && !HARMLESS.test(left) && !HARMLESS.test(right);
    })
    .map(([text]) => `${path}: ${text}`);
}

describe("T5: secrets", () => {
  test("are compared by no operator", () => {
    const sources = sourcesUnder("src").filter((path) => !isTest(path) && ALLOWED[path] === undefined);
    expect(sources.flatMap((path) => comparisonsIn(path, codeOf(path)))).toEqual([]);
  });

  test("compared by an operator are found by this very look", () => {
    expect(comparisonsIn("x", "if (mac === expected) return")).toEqual(["x: mac === expected"]);
    expect(comparisonsIn("x", "request.signature !== made")).toHaveLength(1);
    expect(comparisonsIn("x", "if (token === null || signature.length === 43)")).toEqual([]);
  });

  test("that are allowed to be compared still are, so that the list does not outlive its reasons", () => {
    expect(Object.keys(ALLOWED).filter((path) => comparisonsIn(path, codeOf(path)).length === 0)).toEqual([]);
  });
});

const SAMPLES_PER_CLASS = 50_000;
/** Comparisons a sample: one takes less than the clock can tell. */
const COMPARISONS_PER_SAMPLE = 20;
/** Samples beyond this quantile were interrupted, and say nothing about the comparison. */
const KEPT_FRACTION = 0.9;
/** A machine that is busy all the while needs some patience. */
const LOOKS_MAX = 12;
const T_MAX = 4.5;

/** Welch's t between two kinds of input, measured in turns so that whatever else the machine does meets both. */
function welchT(compare: (text: string) => boolean, early: string, late: string): number {
  const times: [number[], number[]] = [[], []];
  const inputs = [early, late] as const;
  let seen = 0;
  for (let sample = 0; sample < SAMPLES_PER_CLASS * 2; sample += 1) {
    // Not in strict turns: a periodic disturbance would fall on one of them.
    const which = (((sample * 2_654_435_761) >>> 16) & 1) as 0 | 1;
    const startedAt = performance.now();
    for (let times = 0; times < COMPARISONS_PER_SAMPLE; times += 1) if (compare(inputs[which])) seen += 1;
    times[which].push(performance.now() - startedAt);
  }
  expect(seen).toBe(0);
  const [first, second] = times.map(momentsOf) as [Moments, Moments];
  return Math.abs(first.mean - second.mean) / Math.sqrt(first.variance / first.count + second.variance / second.count);
}

interface Moments {
  readonly mean: number;
  readonly variance: number;
  readonly count: number;
}

function momentsOf(samples: readonly number[]): Moments {
  const kept = [...samples].sort((left, right) => left - right).slice(0, Math.floor(samples.length * KEPT_FRACTION));
  const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length;
  const variance = kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (kept.length - 1);
  return { mean, variance, count: kept.length };
}

/** The least of several: a leak shows every time, a disturbance of the machine does not. */
function leastT(compare: (text: string) => boolean, early: string, late: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS_MAX && least >= T_MAX; look += 1) {
    least = Math.min(least, welchT(compare, early, late));
  }
  return least;
}

describe("T5: the time of a comparison", () => {
  const CODE = "q7Zk3_".repeat(8).slice(0, 43);
  const EARLY = `A${CODE.slice(1)}`;
  const LATE = `${CODE.slice(0, -1)}A`;

  test("of two codes does not tell where they differ", () => {
    expect(leastT((text) => isSameMac(CODE, text), EARLY, LATE)).toBeLessThan(T_MAX);
  });

  test("of an operator's token tells neither its place nor its length", () => {
    const token = "t0ken_".repeat(20);
    const isOperator = createOperatorCheck(token);
    const early = `Bearer A${token.slice(1)}`;
    expect(leastT(isOperator, early, `Bearer ${token.slice(0, -1)}A`)).toBeLessThan(T_MAX);
  });

  test("tells it at once where letters are compared one by one, so this test can fail", () => {
    const naive = (text: string): boolean => {
      for (let index = 0; index < CODE.length; index += 1) if (text[index] !== CODE[index]) return false;
      return true;
    };
    expect(leastT(naive, EARLY, LATE)).toBeGreaterThan(T_MAX);
  });
});
