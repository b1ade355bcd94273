/**
 * The operators' log as a chain, and how anybody who has its entries proves that none was touched.
 *
 * `hash = SHA-256(previous \n seq \n at \n entry)`, the entry's text as it stands. The database computes it when it
 * writes (0015_operator_log.sql); this is the other, independent statement of the same rule. A chain that was rewritten
 * as a whole is consistent in itself: only a hash that was noted elsewhere before finds that out.
 */
import { hash } from "node:crypto";

/** The hash before the first entry. */
export const FIRST_PREVIOUS = "0".repeat(64);

/** An entry as it is stored. `at` in milliseconds since the epoch, by the database's clock. */
export interface LogEntry {
  readonly seq: number;
  readonly at: number;
  /** JSON, never parsed for the proof. */
  readonly entry: string;
  readonly previous: string;
  readonly hash: string;
}

/** Where a chain ends. */
export interface LogHead {
  readonly seq: number;
  readonly hash: string;
}

/** What the hash of an entry must be. */
export function hashOfEntry(facts: Omit<LogEntry, "hash">): string {
  return hash("sha256", `${facts.previous}\n${facts.seq}\n${facts.at}\n${facts.entry}`, "hex");
}

/** Walks a chain from its first entry, page by page; says what is wrong at the first place that is. */
export class ChainCheck {
  readonly #expected: LogHead | null;
  #head: LogHead = { seq: 0, hash: FIRST_PREVIOUS };

  /** `expected`: an end that was noted before; the chain must still have that hash at that number. */
  constructor(expected: LogHead | null = null) {
    this.#expected = expected;
  }

  /** The last entry that was good. */
  get head(): LogHead {
    return this.#head;
  }

  /** Null when the next entries continue the chain, else what is wrong with them. */
  follow(entries: readonly LogEntry[]): string | null {
    for (const entry of entries) {
      const next = this.#head.seq + 1;
      if (entry.seq !== next) return `entry ${next} is missing; the next one there is ${entry.seq}`;
      if (entry.previous !== this.#head.hash) return `entry ${next} does not continue entry ${this.#head.seq}`;
      if (hashOfEntry(entry) !== entry.hash) return `entry ${next} was changed`;
      if (entry.seq === this.#expected?.seq && entry.hash !== this.#expected.hash) {
        return `entry ${next} has another hash than the one that was noted: the chain was written anew`;
      }
      this.#head = { seq: entry.seq, hash: entry.hash };
    }
    return null;
  }

  /** Null when the chain ends where the database says it does and reaches what was noted. */
  finish(stored: LogHead): string | null {
    if (this.#expected !== null && this.#expected.seq > this.#head.seq) {
      return `the chain ends at entry ${this.#head.seq}; entry ${this.#expected.seq} was noted before`;
    }
    if (stored.seq !== this.#head.seq || stored.hash !== this.#head.hash) {
      return `the chain ends at entry ${this.#head.seq}, but its head is entry ${stored.seq}: the end was cut off`;
    }
    return null;
  }
}
