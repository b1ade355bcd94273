/**
 * Files have at most 400 lines and functions at most 70: one concern fits a screen or two. Tests' describe blocks may grow.
 */
import { expect, test } from "bun:test";
import { isTest, sourcesUnder, textOf } from "./repository.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const FUNCTION_START =
  /^(\s*)(?!(?:if|for|while|switch|try|class|return \{)\b).*(?:\bfunction\b.*|\)(?:: [^=]+)?|=>) \{$/;

const SOURCES = sourcesUnder("src", "client", "web", "lab", "test", "scripts");

test("no source file is longer than 400 lines", () => {
  const long = SOURCES.filter((path) => textOf(path).split("\n").length > FILE_LINES_MAX + 1);
  expect(long).toEqual([]);
});

test("no function is longer than 70 lines", () => {
  const long: string[] = [];
  for (const path of SOURCES.filter((file) => !isTest(file))) {
    const lines = textOf(path).split("\n");
    lines.forEach((line, start) => {
      const indent = FUNCTION_START.exec(line)?.[1];
      if (indent === undefined) return;
      const end = lines.findIndex((other, at) => at > start && other.startsWith(`${indent}}`));
      if (end - start + 1 > FUNCTION_LINES_MAX) long.push(`${path}:${start + 1} has ${end - start + 1} lines`);
    });
  }
  expect(long).toEqual([]);
});
