import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { SCRIPT_ERRORS, SCRIPTS } from "./scripts.ts";

const FOLDER = new URL("./scripts/", import.meta.url);
/** Put in front of the others; no script of its own. */
const INCLUDED = "guard.lua";
const LINES_MAX = 120;

const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".lua") && name !== INCLUDED);
const textOf = (file: string): string => readFileSync(new URL(file, FOLDER), "utf8");

/** The words after `-- Name:` in a header; [] for a line that says nothing, null when there is no such line. */
function headerWords(text: string, name: string): string[] | null {
  const line = new RegExp(`^-- ${name}:(.*)$`, "m").exec(text)?.[1];
  return line === undefined
    ? null
    : line
        .replace(/\(.*\)/, "")
        .split(" ")
        .filter(Boolean);
}

test("every script is in the table and the other way round", () => {
  expect(
    Object.values(SCRIPTS)
      .map((spec) => spec.file)
      .sort(),
  ).toEqual([...FILES].sort() as never);
});

test("every refusal of a script means a fault, and every fault is some script's", () => {
  const words = [...FILES, INCLUDED].flatMap((file) =>
    [...textOf(file).matchAll(/error_reply\('([A-Z_]+) /g)].map((match) => match[1] ?? ""),
  );
  expect([...new Set(words)].sort()).toEqual(Object.keys(SCRIPT_ERRORS).sort());
});

describe.each(Object.entries(SCRIPTS))("%s", (name, spec) => {
  const text = textOf(spec.file);
  const code = text.replace(/--.*$/gm, "");

  test("has the header that its callers rely on", () => {
    expect(text).toStartWith("#!lua");
    expect(text.split("\n")[1]).toStartWith(`-- ${name}: `);
    expect(headerWords(text, "KEYS")).toEqual([...spec.keys]);
    expect(headerWords(text, "ARGV")).toEqual([...spec.args]);
    expect(headerWords(text, "ROWS") ?? []).toEqual([...spec.rows]);
    expect(headerWords(text, "Returns")).not.toBeNull();
    expect(text).toContain("Cost: ");
    const errors = headerWords(text, "Errors")?.filter((word) => word !== "none");
    expect(errors).toEqual([...spec.errors] as string[]);
  });

  test("uses all of its keys and arguments and no others", () => {
    const usesAll = (list: "KEYS" | "ARGV", count: number): void => {
      const used = [...code.matchAll(new RegExp(`${list}\\[(\\d+)\\]`, "g"))].map((match) => Number(match[1]));
      expect(Math.max(0, ...used)).toBeLessThanOrEqual(count);
      if (!code.includes(`unpack(${list})`)) expect(new Set(used).size).toBe(count);
    };
    usesAll("KEYS", spec.keys.length);
    usesAll("ARGV", spec.args.length);
  });

  test("gives only errors that mean a fault, and fits the page", () => {
    const words = [...code.matchAll(/error_reply\('([A-Z_]+)/g)].map((match) => match[1] ?? "");
    const own: readonly string[] = spec.errors;
    expect(words.filter((word) => !own.includes(word))).toEqual([]);
    expect(text.split("\n").length).toBeLessThanOrEqual(LINES_MAX);
  });
});
