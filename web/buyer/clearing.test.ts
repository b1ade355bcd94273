/**
 * The page solves ahead of the opening, once, says so, and keeps what it earned over a reload.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { ChallengeProgress } from "../../client/clearances.ts";
import type { Challenge, Clearance, SaleDocument } from "../../client/contract.ts";
import { Clearing, type ClearingParts } from "./clearing.ts";
import { recallClearance } from "./tab-memory.ts";

const NOW = 1_800_000_000_000;
const CLEARANCE: Clearance = { saleId: "spring", clearance: "k1.spring", expiresAt: NOW + 900_000 };
const CHALLENGE: Challenge = { kind: "pow", token: "c1.x", expiresAt: 0, alternatives: [], difficulty: 4, puzzles: 16 };

beforeEach(() => {
  const kept = new Map<string, string>();
  Object.assign(globalThis, {
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
      removeItem: (name: string) => kept.delete(name),
    },
  });
});
afterEach(() => Reflect.deleteProperty(globalThis, "sessionStorage"));

function saleOpening(inMs: number, changes: Partial<SaleDocument> = {}): SaleDocument {
  return {
    id: "spring",
    name: "Spring",
    state: "scheduled",
    opensAt: NOW + inMs,
    closesAt: NOW + 86_400_000,
    serverNow: NOW,
    challenge: "always",
    signature: "required",
    items: [],
    ...changes,
  };
}

/** A page whose shop clears when the test says so. */
class Page {
  readonly said: string[] = [];
  readonly kept = new Map<string, Clearance>();
  session: { token: string } = { token: "s2.one" };
  prepared = 0;
  earn: (report: (progress: ChallengeProgress) => void) => Promise<Clearance | null> = async () => CLEARANCE;
  readonly clearing: Clearing;

  constructor() {
    const shop = {
      session: this.session,
      clearanceOf: (saleId: string) => this.kept.get(saleId) ?? null,
      useClearance: (clearance: Clearance) => this.kept.set(clearance.saleId, clearance),
      prepare: async ({ onChallenge }: { onChallenge?: (progress: ChallengeProgress) => void }) => {
        this.prepared += 1;
        const clearance = await this.earn(onChallenge ?? (() => undefined));
        if (clearance !== null) this.kept.set(clearance.saleId, clearance);
        return clearance;
      },
    } as unknown as ClearingParts["shop"];
    this.clearing = new Clearing({
      shop,
      saleId: "spring",
      changed: () => undefined,
      say: (text) => this.said.push(text),
      chance: 0.5,
    });
  }
}

describe("clearing", () => {
  test("begins some minutes before the opening, not earlier, and not where the sale never asks or is over", async () => {
    const page = new Page();
    await page.clearing.prepare(saleOpening(600_000), NOW);
    await page.clearing.prepare(saleOpening(60_000, { challenge: "none" }), NOW);
    await page.clearing.prepare(saleOpening(-60_000, { state: "sold_out" }), NOW);
    await page.clearing.prepare(saleOpening(-60_000, { state: "closed" }), NOW);
    expect(page.prepared).toBe(0);
    await page.clearing.prepare(saleOpening(120_000), NOW);
    expect(page.prepared).toBe(1);
  });

  test("is done once, however often the page asks, and again when the clearance has ended", async () => {
    const page = new Page();
    await Promise.all([1, 2, 3].map(() => page.clearing.prepare(saleOpening(0), NOW)));
    await page.clearing.prepare(saleOpening(0), NOW);
    expect(page.prepared).toBe(1);
    page.kept.clear();
    await page.clearing.prepare(saleOpening(0), NOW);
    expect(page.prepared).toBe(2);
  });

  test("shows how far it is, and says its beginning and its end", async () => {
    const page = new Page();
    page.earn = async (report) => {
      report({ challenge: CHALLENGE, fraction: 0.25 });
      expect(page.clearing.progress?.fraction).toBe(0.25);
      report({ challenge: CHALLENGE, fraction: 0.75 });
      return CLEARANCE;
    };
    await page.clearing.prepare(saleOpening(0), NOW);
    expect(page.clearing.progress).toBeNull();
    expect(page.said.length).toBe(2);
  });

  test("a failure is tried again later and promises nothing", async () => {
    const page = new Page();
    page.earn = async (report) => {
      report({ challenge: CHALLENGE, fraction: 0 });
      throw new TypeError("no network");
    };
    await page.clearing.prepare(saleOpening(0), NOW);
    await page.clearing.prepare(saleOpening(0), NOW + 29_000);
    expect(page.prepared).toBe(1);
    expect(page.said).not.toContain("The check is done.");
    await page.clearing.prepare(saleOpening(0), NOW + 30_000);
    expect(page.prepared).toBe(2);
  });

  test("what was earned outlives a reload, in its own session only", async () => {
    const page = new Page();
    await page.clearing.prepare(saleOpening(0), NOW);
    expect(recallClearance("spring")?.clearance).toEqual(CLEARANCE);
    const reloaded = new Page();
    reloaded.clearing.recall();
    expect(reloaded.kept.get("spring")).toEqual(CLEARANCE);
    const stranger = new Page();
    stranger.session.token = "s2.two";
    stranger.clearing.recall();
    expect(stranger.kept.size).toBe(0);
  });
});
