/** An operator is warned of what lasts and matters, and not of what passes by itself. */
import { expect, test } from "bun:test";
import type { LedgerMode } from "../../src/domain/sale.ts";
import type { Ledger } from "./documents.ts";
import { CHANGE_MS_MAX, ledgerNotice, modeTone, promiseOf } from "./ledger-words.ts";

const NOW_MS = 1_800_000_000_000;

function ledger(mode: LedgerMode, wanted: Ledger["wanted"], sinceMs = 0): Ledger {
  const rest = { epoch: 3, reason: "Redis is away", flips: 1, buckets: 1, durability: "always", backlog: 0 } as const;
  return { mode, wanted, sinceMs, ...rest, database: { kind: "server", weakness: null }, bucketStock: [] };
}

test("a sale where it belongs needs nobody's attention", () => {
  expect(ledgerNotice(ledger("redis", "redis"), NOW_MS)).toBeNull();
  expect(ledgerNotice(ledger("postgres", "postgres"), NOW_MS)).toBeNull();
  expect(modeTone(ledger("redis", "redis"))).toBe("good");
  expect(modeTone(ledger("postgres", "postgres"))).toBe("good");
});

test("a sale that fell back to PostgreSQL says so after a moment, and that buyers are served", () => {
  const fallen = ledger("postgres", "redis", NOW_MS - CHANGE_MS_MAX);
  expect(ledgerNotice(fallen, NOW_MS - 1)).toBeNull();
  expect(ledgerNotice(fallen, NOW_MS)).toMatchObject({
    tone: "warn",
    text: expect.stringContaining("Buyers are served"),
  });
  expect(modeTone(fallen)).toBe("warn");
});

test("a change of mode that hangs says that nothing is sold, or that the sale is going home", () => {
  for (const mode of ["warming", "draining"] as const) {
    expect(ledgerNotice(ledger(mode, "redis"), NOW_MS)?.text).toContain("sells nothing");
    expect(ledgerNotice(ledger(mode, "postgres"), NOW_MS)?.text).toContain("back to PostgreSQL");
    expect(modeTone(ledger(mode, "redis"))).toBe("warn");
  }
});

test("a ledger that stopped is bad at once", () => {
  expect(ledgerNotice(ledger("closed", "redis", NOW_MS), NOW_MS)).toMatchObject({ tone: "bad" });
  expect(modeTone(ledger("closed", "postgres"))).toBe("bad");
});

test("a weaker promise is named with what it costs", () => {
  const weak = { ...ledger("redis", "redis"), durability: "everysec" as const };
  expect(promiseOf(weak)).toContain("202");
  expect(promiseOf(ledger("redis", "redis"))).not.toContain("202");
  expect(promiseOf({ ...weak, durability: null })).toContain("PostgreSQL");
  const forgetful = { ...weak, durability: null, database: { kind: "server", weakness: "fsync is off" } as const };
  expect(promiseOf(forgetful)).toMatch(/power cut.*fsync is off/);
  expect(promiseOf({ ...forgetful, database: { kind: "embedded", weakness: null } })).not.toContain("on disk");
});
