import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SIMPLE_DESIGNS } from "./designs.ts";
import { renderSimpleDesigns, SIMPLE_DESIGNS_PATH, tryDesign } from "./table.ts";

test("what is right passes: one step, one server, keys remembered", () => {
  const control = SIMPLE_DESIGNS.find(({ id }) => id === "–");
  if (control === undefined) throw new Error("the table has no control");
  expect(tryDesign(control).failed).toBe(0);
});

test.each(SIMPLE_DESIGNS.filter(({ id }) => id !== "–"))("the design of $id is caught", (design) => {
  const { failed, first } = tryDesign(design);
  expect(failed).toBeGreaterThan(20);
  expect(first?.seed).toBeLessThan(100);
});

test("the page is current; `npm run sim -- --table --write` writes it again", () => {
  expect(readFileSync(SIMPLE_DESIGNS_PATH, "utf8")).toBe(renderSimpleDesigns());
});
