/**
 * Stock figures for the public page that one node reads from the ledger for all: single-flight across the deployment.
 *
 * Whoever finds the figures missing or old and gets the turn asks the ledger and leaves the answer in the edge; the others
 * show what is there, or on a cold start wait a moment for it. An edge that is away, a maker that does not come back and
 * a text that is not ours all lead to the same place: this node asks the ledger itself, as it does without an edge.
 */
import { isFault } from "../../domain/faults.ts";
import type { Sale } from "../../domain/sale.ts";
import { hexOfWords, KeyedHash } from "../../funnel/keyed-hash.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EdgeState, SharedText } from "../../ports/edge-state.ts";
import type { Ledger, Stock } from "../../ports/ledger.ts";
import type { Log } from "../../ports/telemetry.ts";

/** Figures of this age need not be read again; half of what a node itself goes by. */
export const SHARED_FRESH_MS = 500;
/** A maker has this long before another takes its turn, and others wait this long for it. */
export const MAKE_MS_MAX = 500;
const LOOK_AGAIN_MS = 25;
/** How long a text outlives its use, for nodes that would rather show something. */
const KEPT_MS = 5_000;

/** Stock rows, and how long ago the ledger was asked for them. */
export interface AgedStock {
  readonly rows: readonly Stock[];
  readonly ageMs: number;
}

export interface SharedStockParts {
  readonly ledger: Pick<Ledger, "readStock">;
  readonly edge: Pick<EdgeState, "readShared" | "writeShared">;
  readonly hashKey: { readonly word0: number; readonly word1: number };
  readonly clock: Clock;
  readonly log: Log;
}

/** See the head of this file. */
export class SharedStock {
  readonly #parts: SharedStockParts;
  readonly #hash: KeyedHash;

  constructor(parts: SharedStockParts) {
    this.#parts = parts;
    this.#hash = new KeyedHash(parts.hashKey);
  }

  /** The rows of the sale's items. Throws what the ledger throws. */
  async read(sale: Sale): Promise<AgedStock> {
    const { clock } = this.#parts;
    const key = this.#keyOf(sale);
    const giveUpMs = clock.monotonicMs() + MAKE_MS_MAX;
    while (clock.monotonicMs() < giveUpMs) {
      const shared = await this.#look(key);
      if (shared === null) break;
      if (shared.isOursToMake) return await this.#make(key, sale);
      if (shared.text !== null) {
        const rows = parseRows(shared.text, sale);
        if (rows === null) break;
        return { rows, ageMs: shared.ageMs };
      }
      await new Promise<void>((resolve) => clock.setTimer(LOOK_AGAIN_MS, resolve));
    }
    return { rows: await this.#ask(sale), ageMs: 0 };
  }

  async #make(key: string, sale: Sale): Promise<AgedStock> {
    const { clock, edge, log } = this.#parts;
    const askedAtMs = clock.monotonicMs();
    const rows = await this.#ask(sale);
    const ageMs = clock.monotonicMs() - askedAtMs;
    // Nobody waits for this; a lost text is made anew by the next asker.
    edge.writeShared({ key, text: textOf(rows), ageMs, ttlMs: KEPT_MS }).catch((error: unknown) => {
      if (!isFault(error, "EDGE_UNAVAILABLE")) log.error({ error }, "shared figures could not be written by a bug");
    });
    return { rows, ageMs };
  }

  #ask(sale: Sale): Promise<readonly Stock[]> {
    return this.#parts.ledger.readStock(sale.items.map((item) => item.itemId));
  }

  /** Null: the edge is away. */
  async #look(key: string): Promise<SharedText | null> {
    try {
      return await this.#parts.edge.readShared({ key, freshMs: SHARED_FRESH_MS, makeMsMax: MAKE_MS_MAX });
    } catch (error) {
      if (isFault(error, "EDGE_UNAVAILABLE")) return null;
      throw error;
    }
  }

  #keyOf(sale: Sale): string {
    this.#hash.update(`stock ${sale.id}`);
    return hexOfWords(this.#hash);
  }
}

const MEMBERS = ["itemId", "total", "free", "granted", "held", "sold", "version", "seq", "epoch"] as const;

function textOf(rows: readonly Stock[]): string {
  return JSON.stringify(rows.map((row) => MEMBERS.map((member) => row[member])));
}

/** Null for anything that is not what {@link textOf} makes for the items of the sale. */
function parseRows(text: string, sale: Sale): readonly Stock[] | null {
  const lists = parseJson(text);
  if (!Array.isArray(lists)) return null;
  const rows: Stock[] = [];
  for (const list of lists) {
    if (!Array.isArray(list) || list.length !== MEMBERS.length || !list.every(Number.isSafeInteger)) return null;
    rows.push(Object.fromEntries(MEMBERS.map((member, index) => [member, list[index]])) as unknown as Stock);
  }
  const isComplete = sale.items.every((item) => rows.some((row) => row.itemId === item.itemId));
  return isComplete ? rows : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
