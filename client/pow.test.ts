/**
 * The numbers that are found do what the server will check, for texts of every length.
 */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { ProofOfWork } from "./pow.ts";

function zeroBitsOf(text: string): number {
  const digest = createHash("sha256").update(text).digest();
  let bits = 0;
  for (const byte of digest) {
    bits += Math.clz32(byte) - 24;
    if (byte !== 0) break;
  }
  return bits;
}

test("every number found has the zero bits asked for, wherever the text ends in a block", () => {
  for (let length = 1; length <= 140; length += 1) {
    const token = "t".repeat(length);
    const work = new ProofOfWork({ token, difficulty: 5, puzzles: 3 });
    work.work(1_000_000);
    const numbers = work.solution.split(".");
    expect(numbers.length).toBe(3);
    numbers.forEach((number, index) => {
      expect(zeroBitsOf(`${token}.${index}.${number}`)).toBeGreaterThanOrEqual(5);
    });
  }
});

test("the first number that fits is found, so none was skipped and none hashed wrongly", () => {
  const work = new ProofOfWork({ token: "c1.pow.sale", difficulty: 12, puzzles: 1 });
  work.work(1_000_000);
  let first = 0;
  while (zeroBitsOf(`c1.pow.sale.0.${first.toString(36)}`) < 12) first += 1;
  expect(work.solution).toBe(first.toString(36));
});

test("work is done in steps, and the progress only grows", () => {
  const work = new ProofOfWork({ token: "steps", difficulty: 6, puzzles: 16 });
  expect(work.work(0)).toBe(false);
  let last = 0;
  let steps = 0;
  while (!work.work(50)) {
    expect(work.fraction).toBeGreaterThanOrEqual(last);
    last = work.fraction;
    steps += 1;
  }
  expect(steps).toBeGreaterThan(3);
  expect(work.fraction).toBe(1);
  expect(work.work(50)).toBe(true);
  expect(work.solution.split(".").length).toBe(16);
});
