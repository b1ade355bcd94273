/**
 * Every invariant of the specifications has an id of its own and names files that enforce it and exist.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, textOf } from "./repository.ts";

const ROOT = join(import.meta.dirname, "../..");
const ROW = /^\| \*\*([A-Z]+\d+)\*\* \|.*\| ([^|]+) \|$/gm;

const ROWS = filesUnder("docs/spec").flatMap((path) =>
  [...textOf(path).matchAll(ROW)].map((match) => ({ path, id: match[1] ?? "", enforcedBy: match[2] ?? "" })),
);

test("the specifications have invariants, each id once", () => {
  expect(ROWS.length).toBeGreaterThan(20);
  expect(new Set(ROWS.map((row) => row.id)).size).toBe(ROWS.length);
});

test("every invariant names at least one file that enforces it, and that file exists", () => {
  const wrong = ROWS.filter(({ enforcedBy }) => {
    const files = [...enforcedBy.matchAll(/`([^`]+\.(?:ts|sql|lua))`/g)].map((match) => match[1] ?? "");
    return files.length === 0 || files.some((file) => !existsSync(join(ROOT, file)));
  });
  expect(wrong).toEqual([]);
});
