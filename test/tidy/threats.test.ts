/**
 * Every threat has a row of its own, defences that exist, and tests that bear exactly the names that stand there.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, textOf } from "./repository.ts";

const ROOT = join(import.meta.dirname, "../..");
const THREATS = 34;
const ROW = /^\| \*\*T(\d+)\*\* \| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm;

const ROWS = [...textOf("docs/security/threats.md").matchAll(ROW)].map(([, id = "", defences = "", tests = ""]) => ({
  id: Number(id),
  defences: [...defences.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""),
  tests: [...tests.matchAll(/`([^`]+)` “([^”]+)”/g)].map(([, path = "", name = ""]) => ({ path, name })),
}));

test("the table has every threat once, in order, each with a defence and a test", () => {
  expect(ROWS.map((row) => row.id)).toEqual(Array.from({ length: THREATS }, (_, index) => index + 1));
  expect(ROWS.filter(({ defences, tests }) => defences.length === 0 || tests.length === 0)).toEqual([]);
});

test("every defence is a file, and every test stands in the file that is named, under that name", () => {
  const isThere = (path: string): boolean => existsSync(join(ROOT, path));
  expect(ROWS.flatMap(({ defences }) => defences).filter((path) => !isThere(path))).toEqual([]);
  const missing = ROWS.flatMap(({ tests }) => tests).filter(({ path, name }) => {
    return !/\.(test|suite)\.tsx?$/.test(path) || !isThere(path) || !textOf(path).includes(name);
  });
  expect(missing).toEqual([]);
});

test("no test speaks of a threat that does not exist", () => {
  const files = filesUnder("test/security").filter((path) => path.endsWith(".ts"));
  const named = files.flatMap((path) => [...textOf(path).matchAll(/\bT(\d{1,2})\b/g)].map((match) => Number(match[1])));
  expect(named.filter((id) => id < 1 || id > THREATS)).toEqual([]);
});
