/**
 * Migrations are numbered 0001, 0002, … without a gap, and each number once.
 */
import { expect, test } from "bun:test";
import { basename } from "node:path";
import { filesUnder } from "./repository.ts";

test("migrations are numbered from 0001 without a gap", () => {
  const names = filesUnder("src/adapters/postgres/migrations").map((path) => basename(path));
  expect(names.length).toBeGreaterThan(0);
  names.forEach((name, index) => {
    expect(name).toMatch(/^\d{4}_[a-z0-9_]+\.sql$/);
    expect(name).toStartWith(String(index + 1).padStart(4, "0"));
  });
});
