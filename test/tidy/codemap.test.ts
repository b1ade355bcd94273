/**
 * ARCHITECTURE's codemap and the folders are the same: none described that does not exist, none that nobody describes.
 */
import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { filesUnder, textOf } from "./repository.ts";

const UNMAPPED = /^(\.|\.ci|src)$/;

test("every folder of the codemap exists, and every folder with files is in it", () => {
  const codemap = /^## Codemap$([\s\S]*?)^## /m.exec(textOf("ARCHITECTURE.md"))?.[1] ?? "";
  const mapped = [...codemap.matchAll(/^\| `([^`]+)\/` \|/gm)].map((match) => match[1] ?? "");
  const folders = [...new Set(filesUnder(".").map(dirname))].filter((folder) => !UNMAPPED.test(folder));
  const isCovered = (folder: string): boolean =>
    mapped.some((name) => folder === name || folder.startsWith(`${name}/`));
  const isThere = (name: string): boolean => folders.some((folder) => folder === name || folder.startsWith(`${name}/`));
  expect(mapped.length).toBeGreaterThan(0);
  expect(mapped.filter((name) => !isThere(name))).toEqual([]);
  expect(folders.filter((folder) => !isCovered(folder))).toEqual([]);
});
