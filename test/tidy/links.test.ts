/**
 * Links between documents lead somewhere: to a file that exists, and to a heading that it has.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { filesUnder, textOf } from "./repository.ts";

const ROOT = join(import.meta.dirname, "../..");
const LINK = /\]\(([^)\s]+)\)/g;

const anchorsOf = (path: string): string[] =>
  [...textOf(path).matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test("every relative link and anchor in a Markdown file resolves", () => {
  const broken: string[] = [];
  for (const path of filesUnder(".").filter((file) => file.endsWith(".md"))) {
    for (const [, link = ""] of textOf(path)
      .replace(/```[\s\S]*?```/g, "")
      .matchAll(LINK)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : normalize(join(dirname(path), file));
      const isThere = existsSync(join(ROOT, target)) && (anchor === undefined || anchorsOf(target).includes(anchor));
      if (!isThere) broken.push(`${path}: ${link}`);
    }
  }
  expect(broken).toEqual([]);
});
