/**
 * The seven stages have the same names, in the same order, wherever they appear: table, folders, documents.
 */
import { expect, test } from "bun:test";
import { REFUSALS, STAGES } from "../../src/domain/refusals.ts";
import { filesUnder, textOf } from "./repository.ts";

const NUMBERED = STAGES.map((stage, index) => `${index + 1}-${stage}`);

test("the folders of the funnel are the stages", () => {
  const folders = new Set(filesUnder("src/funnel").map((path) => path.split("/")[2] ?? ""));
  expect([...folders].filter((name) => /^\d/.test(name)).sort()).toEqual(NUMBERED);
});

test.each(["docs/spec/funnel.md", "docs/errors.md", "src/funnel/README.md"])(
  "the headings of %s are the stages, in order",
  (path) => {
    const headings = [...textOf(path).matchAll(/^## (?:Stage )?\d[ .:-]*([a-z-]+)$/gm)].map((match) => match[1]);
    expect(headings).toEqual([...STAGES]);
  },
);

test.each(["ARCHITECTURE.md", "README.md"])("the table or picture of %s names the stages in order", (path) => {
  const found = NUMBERED.map((name) => textOf(path).indexOf(name.replace("-", " ")));
  expect(found).not.toContain(-1);
  expect(found).toEqual([...found].sort((left, right) => left - right));
});

test("every stage can refuse, and every refusal belongs to a stage or says that it belongs to none", () => {
  const used = new Set<string>(Object.values(REFUSALS).map((row) => row.stage));
  for (const stage of STAGES) expect(used).toContain(stage);
  used.delete("none");
  expect([...used].every((stage) => STAGES.some((known) => known === stage))).toBe(true);
});
