/**
 * The generated documents are what the tables say now, and every setting is read by somebody.
 */
import { expect, test } from "bun:test";
import { DOCUMENTS } from "../../scripts/generate-docs.ts";
import { fieldOf, SETTINGS } from "../../src/config/settings.ts";
import { filesUnder, sourcesUnder, textOf } from "./repository.ts";

/** Of the contract, but without effect on a ledger that always commits before it answers. */
const WITHOUT_EFFECT = ["ACK_WAIT_MS"];

test.each(Object.keys(DOCUMENTS))("%s is current; `npm run docs` writes it again", (path) => {
  expect(textOf(path)).toBe(DOCUMENTS[path]?.() ?? "");
});

test("every setting is read by the program", () => {
  const readers = sourcesUnder("src/app", "src/cli")
    .filter((path) => !path.includes(".test."))
    .map(textOf);
  const launcher = filesUnder("bin").map(textOf);
  const unread = Object.keys(SETTINGS).filter((name) => {
    if (WITHOUT_EFFECT.includes(name)) return false;
    const read = new RegExp(`\\.${fieldOf(name)}\\b|\\b${fieldOf(name)}[,} ]`);
    return !readers.some((text) => read.test(text)) && !launcher.some((text) => text.includes(`env.${name}`));
  });
  expect(unread).toEqual([]);
});
