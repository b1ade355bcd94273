import { expect, test } from "bun:test";
import { settingsFingerprint } from "./fingerprint.ts";
import { readSettings } from "./load.ts";

const of = (env: Record<string, string>): string => settingsFingerprint(readSettings({ env }));
const BASE = { DATABASE_URL: "postgres://shop:hunter2@db/shop", SECRET: "a".repeat(43), ADMIN_TOKEN: "b".repeat(32) };

test("differs with what changes how much a deployment can do", () => {
  const all = [
    of({}),
    of(BASE),
    of({ ...BASE, REDIS_URL: "redis://one:6379" }),
    of({ ...BASE, RATE_TOTAL_PER_S: "500" }),
    of({ ...BASE, TRUSTED_PROXIES: "10.0.0.0/8" }),
    of({ ...BASE, DATABASE_URL: "postgres://shop:hunter2@other/shop" }),
  ];
  expect(new Set(all).size).toBe(all.length);
});

test("is the same on another port, under another secret and with another password: neither is in it", () => {
  const other = { SECRET: "c".repeat(43), ADMIN_TOKEN: "d".repeat(32), PORT: "9000", LOG_LEVEL: "warn" };
  expect(of({ ...BASE, ...other, DATABASE_URL: "postgres://shop:hunter3@db/shop" })).toBe(of(BASE));
});
