/**
 * Every source file opens with a block that says what it is for. A test beside its code may leave that to its neighbour.
 */
import { expect, test } from "bun:test";
import { filesUnder, sourcesUnder, textOf } from "./repository.ts";

const HEADER = /^(#![^\n]*\n)?\/\*\*(?:[^*]|\*(?!\/))+\*\//;
const HEADER_LINES_MAX = 20;

test("every source file opens with a header block of bounded length", () => {
  const scripts = filesUnder("bin").filter((path) => path.endsWith(".js"));
  const sources = [...sourcesUnder("src", "client", "web", "lab", "test", "scripts"), ...scripts];
  const wrong = sources.filter((path) => {
    if (!path.startsWith("test/") && /\.test\.tsx?$/.test(path)) return false;
    const header = HEADER.exec(textOf(path))?.[0];
    return header === undefined || header.split("\n").length > HEADER_LINES_MAX;
  });
  expect(wrong).toEqual([]);
});

test("every migration opens with a comment that says what it is for", () => {
  const migrations = filesUnder("src/adapters/postgres/migrations").filter((path) => path.endsWith(".sql"));
  expect(migrations.filter((path) => !/^(--|\/\*)/.test(textOf(path)))).toEqual([]);
});
