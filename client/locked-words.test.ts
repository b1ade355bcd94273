import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { lockWords } from "../src/challenges/locked-words.ts";
import { LockedWords } from "./locked-words.ts";

const KEY = randomBytes(32);
const SENTENCES = [
  "What is three plus eight?",
  "What is three hundred and seventy-seven plus three hundred and seventy-eight minus nineteen?",
  "Wie viel ist fünf mal zwölf?",
  "x".repeat(32),
];

describe("locked words", () => {
  test("open to whoever tries all numbers, in steps of any length, as the server locked them", () => {
    for (const words of SENTENCES) {
      for (const step of [1, 7, 10_000]) {
        const seed = randomBytes(16).toString("base64url");
        const task = new LockedWords({ seed, ...lockWords({ key: KEY, seed, difficulty: 4, words }) });
        let found: string | null = null;
        let before = -1;
        while (found === null) {
          expect(task.fraction).toBeGreaterThan(before);
          before = task.fraction;
          found = task.work(step);
        }
        expect(found).toBe(words);
        expect(task.fraction).toBe(1);
      }
    }
  });

  test("say that they do not open when no number fits, and end", () => {
    const locked = lockWords({ key: KEY, seed: "s".repeat(22), difficulty: 4, words: "Never read." });
    const task = new LockedWords({ seed: "another".padEnd(22, "x"), ...locked });
    expect(() => task.work(2 ** 12)).toThrow("No number opens");
  });
});
