/**
 * What the tidy tests look at: the repository's own files, by path from its root, without anything generated or ignored.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const IGNORED = new Set(["node_modules", ".git", ".doorbuster", "dist"]);

/** Paths of all files below a folder, sorted. */
export function filesUnder(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  return entries
    .filter((entry) => !IGNORED.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort();
}

/** The TypeScript sources below the folders. */
export function sourcesUnder(...folders: string[]): string[] {
  return folders.flatMap(filesUnder).filter((path) => /\.tsx?$/.test(path) && !path.endsWith(".d.ts"));
}

/** A file's text. */
export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** True for tests and the suites that tests share. */
export function isTest(path: string): boolean {
  return /\.(test|suite|bench)\.tsx?$/.test(path) || path.startsWith("test/");
}

/** Paths of the repository's own files that a source imports. */
export function importsOf(path: string): string[] {
  const found = textOf(path).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g);
  return [...found].map((match) => normalize(join(dirname(path), match[1] ?? "")));
}

/** The code without comments and string contents, so that words in prose do not count. Lines stay where they are. */
export function codeOf(path: string): string {
  return textOf(path)
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|\s)\/\/.*$/gm, "$1")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}
