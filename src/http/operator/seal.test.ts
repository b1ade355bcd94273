import { expect, test } from "bun:test";
import { createSystemRandom } from "../../adapters/local/system-random.ts";
import { Seal } from "./seal.ts";

const random = createSystemRandom();
const [OLD, NEW] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const before = new Seal({ current: OLD, previous: null }, random);
const after = new Seal({ current: NEW, previous: OLD }, random);

test("what is sealed opens for its purpose alone, and never looks the same twice", () => {
  const sealed = before.seal("a secret ü", "codes of ann");
  expect(before.open(sealed, "codes of ann")).toEqual({ text: "a secret ü", isCurrent: true });
  expect(before.open(sealed, "codes of bob")).toBeNull();
  expect(before.seal("a secret ü", "codes of ann")).not.toBe(sealed);
  expect(sealed).not.toContain(Buffer.from("a secret").toString("base64url").slice(0, 8));
});

test("one changed bit anywhere opens nothing, and neither does half of it", () => {
  const sealed = Buffer.from(before.seal("text", "x"), "base64url");
  for (let index = 0; index < sealed.length; index += 1) {
    const bent = Buffer.from(sealed);
    bent[index] = (bent[index] ?? 0) ^ 1;
    expect(before.open(bent.toString("base64url"), "x")).toBeNull();
  }
  for (const length of [0, 1, 12, 27, sealed.length - 1]) {
    expect(before.open(sealed.subarray(0, length).toString("base64url"), "x")).toBeNull();
  }
});

test("while the secret changes, what the old one sealed opens and says so; afterwards it does not", () => {
  const sealed = before.seal("text", "x");
  expect(after.open(sealed, "x")).toEqual({ text: "text", isCurrent: false });
  expect(new Seal({ current: NEW, previous: null }, random).open(sealed, "x")).toBeNull();
  expect(before.open(after.seal("text", "x"), "x")).toBeNull();
});
