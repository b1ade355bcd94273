/**
 * The postgres ledger: a micro-batch is one call of `reserve_batch`, which is one transaction that writes the orders.
 *
 * This is the mode everybody starts with and the mode Redis degrades to. The decision itself is SQL
 * (migrations/0003_reserve.sql) because it must see what its locks protect; this file only carries it across.
 */
import { Fault, isFault } from "../../domain/faults.ts";
import type { ReservationStatus } from "../../domain/reservation.ts";
import type { Database } from "../../ports/database.ts";
import type {
  AttemptOutcome,
  BatchOutcome,
  HoldersPage,
  Ledger,
  LedgerRefusal,
  ReserveBatch,
  Stock,
} from "../../ports/ledger.ts";
import { arrayOfNumbers, arrayOfTexts } from "./array-text.ts";
import { rehearse } from "./rehearsal.ts";

const CONFLICT_TRIES_MAX = 5;

const RESERVE = {
  name: "reserve_batch",
  text: "SELECT * FROM reserve_batch($1, $2, $3, $4::text[], $5::text[], $6::integer[])",
};

const STOCK = {
  name: "read_stock",
  text: `SELECT k.item_id AS "itemId", k.total, k.free, k.granted, k.held, k.sold, k.version, k.seq, s.epoch
           FROM stock k JOIN item i ON i.item_id = k.item_id JOIN sale s ON s.id = i.sale_id
          WHERE k.item_id = ANY ($1::integer[])`,
};

const HOLDERS = {
  name: "read_holders",
  text: `SELECT buyer_id, epoch, bucket, seq FROM orders
          WHERE item_id = $1 AND (epoch, bucket, seq) > ($2, $3, $4) ORDER BY epoch, bucket, seq LIMIT $5`,
};

const REFUSED: Record<string, AttemptOutcome> = Object.fromEntries(
  Object.entries({
    K: "key_reused",
    X: "ended",
    Q: "bad_quantity",
    N: "not_open",
    P: "paused",
    C: "closed",
    L: "limit_reached",
    E: "empty",
    S: "sold_out",
  } satisfies Record<string, LedgerRefusal>).map(([verdict, reason]) => [
    verdict,
    Object.freeze({ kind: "refused" as const, reason }),
  ]),
);

interface ReserveRow extends Omit<Stock, "itemId"> {
  readonly fenced: boolean;
  readonly verdicts: string;
  readonly hold_until_ms: number;
  readonly known: readonly { status: ReservationStatus; holdUntil: number }[] | null;
}

/** `implements Ledger` over the tables of migrations/0001_ledger.sql. */
export class PostgresLedger implements Ledger {
  readonly #database: Database;
  #isRehearsed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const row = await this.#reserveRow(batch);
    if (row.fenced) throw new Fault("LEDGER_FENCED", { internal: `sale ${batch.saleId}, epoch ${batch.epoch}` });
    return { outcomes: readOutcomes(row), stock: stockOf(batch.itemId, row) };
  }

  /** Opens the connections and lets each plan the hot transaction, so that T0 finds them ready; see rehearsal.ts. */
  async warmUp(connections: number): Promise<void> {
    if (this.#database.kind === "pglite" && !this.#isRehearsed) {
      await rehearse(this.#database, RESERVE);
      this.#isRehearsed = true;
    }
    const nothing = ["", 0, 0, [], [], []];
    await Promise.all(Array.from({ length: connections }, () => this.#database.query(RESERVE, nothing)));
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    return this.#database.query<Stock>(STOCK, [itemIds]);
  }

  async readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage> {
    const [epoch, bucket, seq] = request.cursor === "" ? ["0", "0", "0"] : request.cursor.split(".");
    const rows = await this.#database.query<{ buyer_id: string; epoch: number; bucket: number; seq: number }>(HOLDERS, [
      request.itemId,
      epoch ?? "0",
      bucket ?? "0",
      seq ?? "0",
      request.rowsMax,
    ]);
    const last = rows.at(-1);
    return {
      buyerIds: rows.map((row) => row.buyer_id),
      cursor: last === undefined ? request.cursor : `${last.epoch}.${last.bucket}.${last.seq}`,
    };
  }

  /** Nothing is ever queued here: an acceptance is its commit. */
  findQueued(): Promise<null> {
    return Promise.resolve(null);
  }

  /** A conflict was rolled back for certain, so the same rids go again; anything else is the batcher's decision. */
  async #reserveRow(batch: ReserveBatch): Promise<ReserveRow> {
    const values = [
      batch.saleId,
      batch.itemId,
      batch.epoch,
      arrayOfTexts(batch.attempts.map((attempt) => attempt.rid)),
      arrayOfTexts(batch.attempts.map((attempt) => attempt.buyerId)),
      arrayOfNumbers(batch.attempts.map((attempt) => attempt.quantity)),
    ];
    for (let tries = 1; ; tries++) {
      try {
        const rows = await this.#database.query<ReserveRow>(RESERVE, values);
        const row = rows[0];
        if (row === undefined) throw new Fault("LEDGER_UNAVAILABLE", { internal: "reserve_batch answered no row" });
        return row;
      } catch (error) {
        if (isFault(error, "DATABASE_CONFLICT") && tries < CONFLICT_TRIES_MAX) continue;
        if (isFault(error, "DATABASE_REFUSED")) throw error;
        throw new Fault("LEDGER_UNAVAILABLE", { cause: error });
      }
    }
  }
}

function readOutcomes(row: ReserveRow): AttemptOutcome[] {
  const fresh: AttemptOutcome = { kind: "accepted", status: "held", holdUntil: row.hold_until_ms, replayed: false };
  // After the batch there is no more left than when one of its attempts came up empty.
  const empty: AttemptOutcome | null = row.free > 0 ? { kind: "refused", reason: "empty", left: row.free } : null;
  const outcomes: AttemptOutcome[] = [];
  let knownIndex = 0;
  for (const verdict of row.verdicts) {
    if (verdict === "H") {
      outcomes.push(fresh);
    } else if (verdict === "R") {
      const known = row.known?.[knownIndex++];
      if (known === undefined)
        throw new Fault("LEDGER_UNAVAILABLE", { internal: "a known reservation has no details" });
      outcomes.push({ kind: "accepted", status: known.status, holdUntil: known.holdUntil, replayed: true });
    } else if (verdict === "E" && empty !== null) {
      outcomes.push(empty);
    } else {
      const refused = REFUSED[verdict];
      if (refused === undefined) throw new Fault("LEDGER_UNAVAILABLE", { internal: `unknown verdict ${verdict}` });
      outcomes.push(refused);
    }
  }
  return outcomes;
}

function stockOf(itemId: number, row: ReserveRow): Stock {
  const { total, free, granted, held, sold, version, seq, epoch } = row;
  return { itemId, total, free, granted, held, sold, version, seq, epoch };
}
