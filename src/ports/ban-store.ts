/**
 * Port: bans that nobody has to make by hand, and what nodes tell each other's operators about risk.
 *
 * Promises: each call is one transaction, announced on the change feed when it changed a ban; nothing here overrules an
 * operator: whom he exempted, and whose automatic ban he lifted, is left alone. Bans that operators make, and the list of
 * all that are in force, are in sale-store.ts.
 */
import type { Ban } from "./sale-store.ts";

/** A ban for a while: `banMs` the first time, four times as long each further time within `windowMs`, up to `banMsMax`. */
export interface AutomaticBan {
  readonly id: string;
  readonly kind: "buyer" | "device";
  readonly subject: string;
  /** A sentence an operator may read; says the figure. */
  readonly reason: string;
  readonly banMs: number;
  readonly banMsMax: number;
  readonly windowMs: number;
}

/** What one process reports. */
export interface StoredRiskReport {
  /** The process. */
  readonly runId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly report: unknown;
}

export interface BanStore {
  /** Null when nothing was done: exempt, banned already, or lifted by an operator within the window. */
  banAutomatically(ban: AutomaticBan): Promise<Ban | null>;
  /**
   * Turns holds that were left unpaid into cool-downs of their buyers, each as long as the hold, doubled with each further
   * one within `windowMs`, at most `coolDownMsMax`. Answers how many holds were looked at; `rowsMax` means that there may
   * be more. Several nodes share the work.
   */
  coolDown(request: { rowsMax: number; windowMs: number; coolDownMsMax: number }): Promise<number>;
  /** Deletes bans, dropped holds and reports that nobody asks about any more. */
  forget(request: { banAgeMsMin: number; dropAgeMsMin: number; reportAgeMsMin: number }): Promise<void>;

  /** Replaces what the process reported before: for operators, and for the other processes. Both must be JSON. */
  writeReport(report: { runId: string; report: unknown; counts: unknown }): Promise<void>;
  /** The counts of every other process that wrote within `ageMsMax`, as they were written. */
  readCounts<Counts>(request: { exceptRunId: string; ageMsMax: number }): Promise<readonly Counts[]>;
  /** Newest first, none older than `ageMsMax`. */
  readReports(request: { ageMsMax: number }): Promise<readonly StoredRiskReport[]>;
}
