/** Which values of flags are accepted, and what the measuring programs say of others. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { FlagError, numberOf, oneOf, severalOf, wholeNumberOf } from "./flags.ts";

const LAB = join(import.meta.dirname, "..");

/** The program with these flags; it must end before it starts anything. */
function run(program: string, ...flags: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ["--no-orphans", join(LAB, program), ...flags], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stderr };
}

test("a name is one of those that are accepted, several are each once", () => {
  expect(oneOf("--runtime", "node", ["bun", "node"])).toBe("node");
  expect(() => oneOf("--runtime", "nodee", ["bun", "node"])).toThrow("--runtime nodee: accepted are bun, node");
  expect(severalOf("--only", "http,commit,http", ["http", "commit"])).toEqual(["http", "commit"]);
  expect(() => severalOf("--only", "http,", ["http", "commit"])).toThrow(FlagError);
});

test.each(["", "x", "-1", "1e3", "0x10", " 1", "Infinity", "NaN", "101", "1,000"])("%p is no number", (text) => {
  expect(() => numberOf("--factor", text, { min: 0, max: 100 })).toThrow(
    `--factor ${text}: accepted is a number from 0 to 100`,
  );
  expect(() => wholeNumberOf("--processes", text, { min: 0, max: 100 })).toThrow(FlagError);
});

test("a number may have a fraction, a whole number may not", () => {
  expect(numberOf("--minutes", "0.5", { min: 0, max: 100 })).toBe(0.5);
  expect(wholeNumberOf("--processes", "7", { min: 0, max: 100 })).toBe(7);
  expect(() => wholeNumberOf("--processes", "0.5", { min: 0, max: 100 })).toThrow("a whole number from 0 to 100");
});

describe("before anything is measured", () => {
  test.each([
    ["growth/soak.ts", "--runtime", "nodee", "accepted are bun, node"],
    ["growth/soak.ts", "--accepted-per-s", "x", "accepted is a number from 0 to"],
    ["growth/soak.ts", "--minutes", "", "accepted is a number from 0.2 to"],
    ["growth/growth.ts", "--runtime", "nodee", "accepted are bun, node"],
    ["growth/growth.ts", "--ledger", "mysql", "accepted are embedded, postgres, redis"],
    ["growth/growth.ts", "--axis", "buyer", "accepted are buyers, items"],
    ["bench/bench.ts", "--runtime", "deno", "accepted are bun, node"],
    ["bench/bench.ts", "--processes", "two", "accepted is a whole number from 1 to"],
    ["bench/bench.ts", "--only", "htpp", "accepted are http, accepted"],
    ["bench/overload.ts", "--runtime", "nodee", "accepted are bun, node"],
    ["bench/overload.ts", "--factor", "five", "accepted is a number from"],
    ["bench/overload.ts", "--ledger-bytes-per-s", "-1", "accepted is a whole number from 0 to"],
  ])("%s refuses %s %p", (program, flag, value, accepted) => {
    const { status, stderr } = run(program, `${flag}=${value}`);
    expect(stderr.split("\n")[0]).toContain(`${flag} ${value}: ${accepted}`);
    expect(status).toBe(2);
  });

  test("a flag that is not known is named", () => {
    const { status, stderr } = run("growth/soak.ts", "--minuets", "5");
    expect(stderr).toContain("--minuets");
    expect(status).toBe(2);
  });
});
