import { expect, test } from "bun:test";
import { argon2Sync } from "node:crypto";
import { evenRandom } from "../../../test/support/recording-log.ts";
import { Passwords, PasswordsBusy, weaknessOf } from "./password.ts";

const GOOD = "stapled horse battery";

test("a password is kept as argon2id with OWASP's cost, and only it fits", async () => {
  const passwords = new Passwords(evenRandom());
  const kept = await passwords.hash(GOOD);
  expect(kept).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(await passwords.verify(GOOD, kept)).toBe(true);
  for (const wrong of ["", GOOD.toUpperCase(), `${GOOD} `, GOOD.slice(1)]) {
    expect(await passwords.verify(wrong, kept)).toBe(false);
  }
});

test("nobody's password is right, whatever is tried", async () => {
  const passwords = new Passwords(evenRandom());
  for (const guess of ["", GOOD]) expect(await passwords.verify(guess, null)).toBe(false);
  for (const stored of ["", "plain", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA"]) {
    expect(await passwords.verify(GOOD, stored)).toBe(false);
  }
});

test("a hash made with another cost is still checked by its own", async () => {
  const nonce = Buffer.alloc(16, 7);
  const cost = { memory: 64, passes: 3, parallelism: 2 };
  const digest = argon2Sync("argon2id", { message: GOOD, nonce, tagLength: 32, ...cost }).toString("base64");
  const stored = `$argon2id$v=19$m=64,t=3,p=2$${nonce.toString("base64").replace(/=+$/, "")}$${digest.replace(/=+$/, "")}`;
  expect(await new Passwords(evenRandom()).verify(GOOD, stored)).toBe(true);
});

test("letters that look alike and are written otherwise are the same password", async () => {
  const passwords = new Passwords(evenRandom());
  const kept = await passwords.hash("Zürich am Abend".normalize("NFC"));
  expect(await passwords.verify("Zürich am Abend".normalize("NFD"), kept)).toBe(true);
});

test("only a few are checked at once; the rest are told to come back", async () => {
  const passwords = new Passwords(evenRandom());
  const tries = await Promise.allSettled(Array.from({ length: 7 }, () => passwords.verify(GOOD, null)));
  const refused = tries.filter((one) => one.status === "rejected" && one.reason instanceof PasswordsBusy);
  expect(refused).toHaveLength(3);
  expect(await passwords.verify(GOOD, null)).toBe(false);
});

test("weak passwords are told why", () => {
  expect(weaknessOf(GOOD, "Ann")).toBeNull();
  for (const weak of [
    "short",
    "aaaaaaaaaaaaa",
    "abcdefghijklmnop",
    "MyPassword2026!",
    "ann lives in berlin",
    "x".repeat(257),
  ]) {
    expect(weaknessOf(weak, "Ann")).toBeString();
  }
});
