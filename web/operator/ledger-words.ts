/**
 * What the console says about a sale's ledger: the mode in words, and whether somebody should look.
 *
 * A mode that is not the wanted one is normal for a moment whenever a sale moves, so the warning waits; a ledger that is
 * closed is never normal. Buyers are unharmed in postgres mode, and the words say so.
 */
import type { LedgerMode } from "../../src/domain/sale.ts";
import type { Ledger } from "./documents.ts";

/** A change of mode that takes longer than this is worth a warning. */
export const CHANGE_MS_MAX = 5_000;

export const MODES: Record<LedgerMode, { readonly text: string; readonly tone: string; readonly meaning: string }> = {
  postgres: { text: "PostgreSQL", tone: "", meaning: "PostgreSQL decides about every unit itself." },
  redis: { text: "Redis", tone: "good", meaning: "Redis decides, PostgreSQL follows." },
  warming: { text: "Moving to Redis", tone: "warn", meaning: "Nobody sells for a moment while buckets are filled." },
  draining: { text: "Leaving Redis", tone: "warn", meaning: "Nobody sells for a moment while Redis is emptied." },
  closed: { text: "Stopped", tone: "bad", meaning: "Nobody sells until an operator decides." },
};

/** A chip for the mode; one that is not the wanted one is never green. */
export function modeTone(ledger: Ledger): string {
  if (ledger.mode === ledger.wanted) return "good";
  return ledger.mode === "postgres" ? "warn" : MODES[ledger.mode].tone;
}

/** What an operator must see of the ledger at the top of the page; null when all is as it should be. */
export function ledgerNotice(ledger: Ledger, nowMs: number): { readonly tone: string; readonly text: string } | null {
  if (ledger.mode === "closed") return { tone: "bad", text: "The ledger is stopped and nothing is sold." };
  if (ledger.mode === ledger.wanted || nowMs - ledger.sinceMs < CHANGE_MS_MAX) return null;
  if (ledger.mode === "postgres") {
    return {
      tone: "warn",
      text: "The sale runs on PostgreSQL instead of Redis. Buyers are served; the pace is lower.",
    };
  }
  const isHome = ledger.wanted === "postgres";
  return isHome
    ? { tone: "warn", text: "The sale is on its way back to PostgreSQL." }
    : { tone: "warn", text: "The sale is between PostgreSQL and Redis and sells nothing." };
}

/** What an acceptance survives. */
export function promiseOf({ durability, database }: Ledger): string {
  if (database.kind === "embedded") return "kept when this process ends, not when the power fails";
  if (database.weakness !== null) return `everysec: a power cut may lose orders (PostgreSQL: ${database.weakness})`;
  if (durability === null) return "on disk in PostgreSQL before any answer";
  if (durability === "always") return "on disk before any answer";
  return "everysec: a power cut may lose the last second of 202 answers";
}
