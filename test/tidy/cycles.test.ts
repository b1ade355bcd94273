/**
 * No file imports itself, over however many others.
 */
import { expect, test } from "bun:test";
import { importsOf, sourcesUnder } from "./repository.ts";

test("there is no import cycle", () => {
  const imports = new Map(sourcesUnder("src", "client", "web", "lab", "test").map((path) => [path, importsOf(path)]));
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (trail.includes(path) || finished.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  expect(cycles).toEqual([]);
});
