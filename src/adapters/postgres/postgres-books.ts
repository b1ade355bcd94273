/**
 * The books of the redis ledger over the SQL functions of migrations/0006–0011: each call is one statement, so one
 * transaction, and idempotent.
 *
 * A conflict with another transaction was rolled back for certain and is repeated here; an unknown outcome is the
 * caller's to repeat. What only reads is in booked-sales.ts and remembered-reservations.ts.
 */
import assert from "node:assert/strict";
import { Fault, isFault } from "../../domain/faults.ts";
import { isId, type SaleId } from "../../domain/ids.ts";
import type { LedgerMode } from "../../domain/sale.ts";
import {
  type BookedSale,
  type Books,
  COMMIT_ROWS_MAX,
  type CommitBatch,
  type CommitOutcome,
  type CommitRow,
  type CommitVerdict,
  type Grant,
  type GrantedItem,
  type LedgerState,
  type NodeReport,
  type PendingNote,
  type VoidReason,
} from "../../ports/books.ts";
import type { BucketEpoch } from "../../ports/bucket-store.ts";
import type { Database, SqlValue, Statement } from "../../ports/database.ts";
import { arrayOfNumbers, arrayOfTexts } from "./array-text.ts";
import { BookedSales, missingSeqs, readGrantedItems, sumOrders } from "./booked-sales.ts";
import { type Page, readReservations } from "./remembered-reservations.ts";

const CONFLICT_TRIES_MAX = 5;
const DEAD_TEXT_LENGTH_MAX = 10_000;
/** Nodes that said nothing for this long are left out; rows this much older still are deleted. */
const REPORT_AGE_MS_MAX = 30_000;
const REPORT_KEPT_MS = 600_000;

const COMMIT = {
  name: "commit_batch",
  text: `SELECT * FROM commit_batch($1, $2, $3, $4, $5::text[], $6::text[], $7::integer[], $8::bigint[], $9::bigint[])`,
};
const VOID_ROW = { name: "void_row", text: "SELECT void_row($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)" };
const VOID_SEQ = { name: "void_seq", text: "SELECT void_seq($1, $2, $3, $4, $5, $6)" };
const RECORD_LOST = {
  name: "record_lost",
  text: "SELECT record_lost($1, $2, $3, $4::text[], $5::text[], $6::integer[], $7::bigint[]) AS recorded",
};
const DEAD_LETTER = {
  text: "INSERT INTO dead_letter (item_id, epoch, bucket, seq, body, error) VALUES ($1, $2, $3, $4, $5, $6)",
};
const PLACE_GRANT = { name: "place_grant", text: "SELECT place_grant($1, $2, $3, $4, $5, $6) AS units" };
const ASK_BACK = { name: "ask_back", text: "SELECT ask_back($1, $2, $3, $4, $5, $6) AS units" };
const SETTLE_GRANT = { name: "settle_grant", text: "SELECT settle_grant($1, $2)" };
const OPEN_GRANTS = {
  name: "open_grants",
  text: `SELECT grant_id AS "grantId", sale_id AS "saleId", item_id AS "itemId", bucket, epoch, units FROM grant_log
          WHERE sale_id = $1 AND epoch = $2 AND state = 'open' ORDER BY number`,
};
const NOTES = {
  name: "bucket_notes",
  text: `SELECT note_id AS "noteId", item_id AS "itemId", epoch, kind, rid, buyer_id AS "buyerId", quantity
           FROM bucket_note WHERE sale_id = $1 AND epoch = $2 ORDER BY note_id LIMIT $3`,
};
const DELETE_NOTES = { name: "delete_notes", text: "DELETE FROM bucket_note WHERE note_id = ANY ($1::bigint[])" };
const FENCE = { text: "SELECT fence_sale($1, $2, $3, $4, $5::text[]) AS done" };
const CHANGE_MODE = { text: "SELECT change_mode($1, $2, $3, $4, $5) AS done" };
/** Units under way or free, or notes: what a relay has to do for a sale in redis mode. */
const IS_RELAY_DUE = `s.mode = 'redis' AND (
                  EXISTS (SELECT FROM grant_log g WHERE g.sale_id = s.id AND g.epoch = s.epoch AND g.state = 'open')
                  OR EXISTS (SELECT FROM bucket_note n WHERE n.sale_id = s.id AND n.epoch = s.epoch)
                  OR s.id IN (SELECT i.sale_id FROM stock k JOIN item i ON i.item_id = k.item_id WHERE k.free > 0))`;
const SELECT_STATE = `SELECT s.id AS "saleId", s.mode, s.epoch, s.buckets, s.flips, s.mode_since AS "modeSinceMs",
                s.mode_reason AS "modeReason", now_ms() AS "nowMs", ${IS_RELAY_DUE} AS "isRelayDue" FROM sale s`;
const STATES = { name: "ledger_states", text: `${SELECT_STATE} WHERE s.id = ANY ($1::text[])` };
const STATES_DUE = {
  name: "ledgers_due",
  text: `${SELECT_STATE} WHERE s.mode IN ('warming', 'draining') OR (${IS_RELAY_DUE})`,
};
const HINT = { name: "hint_events", text: "SELECT announce('events')" };
const REPORT = {
  name: "report_node",
  text: `WITH gone AS (
           DELETE FROM node_report WHERE node_id IN (
             SELECT node_id FROM node_report WHERE at < now_ms() - ${REPORT_KEPT_MS} FOR UPDATE SKIP LOCKED)
         )
         INSERT INTO node_report (node_id, roles, can_reach_redis, at) VALUES ($1, $2::text[], $3, now_ms())
         ON CONFLICT (node_id) DO UPDATE SET roles = EXCLUDED.roles, can_reach_redis = EXCLUDED.can_reach_redis,
           at = EXCLUDED.at`,
};
const REPORTS = {
  name: "node_reports",
  text: `SELECT node_id AS "nodeId", roles, can_reach_redis AS "canReachRedis",
                greatest(0, now_ms() - at) AS "ageMs" FROM node_report
          WHERE at >= now_ms() - ${REPORT_AGE_MS_MAX} ORDER BY node_id`,
};

interface CommitAnswer {
  readonly fenced: boolean;
  readonly verdicts: string | null;
  readonly late_until: number | null;
  readonly known_until: readonly number[] | null;
}

/** `implements Books`. */
export class PostgresBooks implements Books {
  readonly #database: Database;
  readonly #bookedSales: BookedSales;

  constructor(database: Database) {
    this.#database = database;
    this.#bookedSales = new BookedSales(database);
  }

  async commitBatch(batch: CommitBatch): Promise<CommitOutcome> {
    const { saleId, itemId, epoch, bucket, rows } = batch;
    assert(rows.length <= COMMIT_ROWS_MAX, "a batch of commits is bounded");
    const [answer] = await this.#move<CommitAnswer>(COMMIT, [
      saleId,
      itemId,
      epoch,
      bucket,
      arrayOfTexts(rows.map((row) => row.rid)),
      arrayOfTexts(rows.map((row) => row.buyerId)),
      arrayOfNumbers(rows.map((row) => row.quantity)),
      arrayOfNumbers(rows.map((row) => row.seq)),
      arrayOfNumbers(rows.map((row) => row.promisedUntil)),
    ]);
    if (answer === undefined) throw new Fault("DATABASE_REFUSED", { internal: "commit_batch answered no row" });
    return answer.fenced ? { kind: "fenced" } : readVerdicts(rows, answer);
  }

  async voidRow(
    request: BucketEpoch & { readonly saleId: SaleId; readonly row: CommitRow; readonly reason: VoidReason },
  ): Promise<void> {
    const { saleId, itemId, epoch, bucket, reason } = request;
    const row = storable(request, request.row);
    if (reason === "lost") {
      await this.recordLost({ ...request, rows: [row] });
      return;
    }
    const { rid, buyerId, quantity, seq, promisedUntil } = row;
    const values = [saleId, itemId, epoch, bucket, rid, buyerId, quantity, seq, promisedUntil, reason];
    await this.#move(VOID_ROW, values);
  }

  async voidSeq(
    request: BucketEpoch & { readonly saleId: SaleId; readonly seq: number; readonly quantity: number },
  ): Promise<void> {
    const { saleId, itemId, epoch, bucket, seq, quantity } = request;
    await this.#move(VOID_SEQ, [saleId, itemId, epoch, bucket, seq, quantity]);
  }

  async recordLost(
    request: BucketEpoch & { readonly saleId: SaleId; readonly rows: readonly CommitRow[] },
  ): Promise<number> {
    const rows = request.rows.map((row) => storable(request, row));
    const [answer] = await this.#move<{ recorded: number }>(RECORD_LOST, [
      request.saleId,
      request.itemId,
      request.bucket,
      rows.map((row) => row.rid),
      rows.map((row) => row.buyerId),
      rows.map((row) => row.quantity),
      rows.map((row) => row.promisedUntil),
    ]);
    return answer?.recorded ?? 0;
  }

  async recordDeadLetter(
    request: BucketEpoch & { readonly seq: number | null; readonly text: string; readonly error: string },
  ): Promise<void> {
    const { itemId, epoch, bucket, seq, text, error } = request;
    await this.#move(DEAD_LETTER, [itemId, epoch, bucket, seq, legible(text), legible(error)]);
  }

  async placeGrant(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null> {
    const units = await this.#transfer(PLACE_GRANT, request);
    return units === null ? null : grantOf(request, units);
  }

  async askBack(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null> {
    const units = await this.#transfer(ASK_BACK, request);
    return units === null ? null : grantOf(request, -units);
  }

  async listUnsettledGrants(request: { readonly saleId: SaleId; readonly epoch: number }): Promise<readonly Grant[]> {
    return this.#database.query<Grant>(OPEN_GRANTS, [request.saleId, request.epoch]);
  }

  async settleGrant(request: { readonly grantId: string; readonly movedUnits: number }): Promise<void> {
    await this.#move(SETTLE_GRANT, [request.grantId, request.movedUnits]);
  }

  async listNotes(request: {
    readonly saleId: SaleId;
    readonly epoch: number;
    readonly rowsMax: number;
  }): Promise<readonly PendingNote[]> {
    return this.#database.query<PendingNote>(NOTES, [request.saleId, request.epoch, request.rowsMax]);
  }

  async deleteNotes(noteIds: readonly number[]): Promise<void> {
    await this.#move(DELETE_NOTES, [noteIds]);
  }

  /** Not repeated after a conflict: it waited for three seconds already, and everybody behind it with it. */
  async fence(request: {
    readonly saleId: SaleId;
    readonly seenEpoch: number;
    readonly from?: readonly LedgerMode[];
    readonly mode: LedgerMode;
    readonly reason: string;
  }): Promise<boolean> {
    const { saleId, seenEpoch, mode, reason, from } = request;
    const values = [saleId, seenEpoch, mode, legible(reason), from ?? null];
    const [row] = await this.#database.query<{ done: boolean }>(FENCE, values);
    return row?.done === true;
  }

  async changeMode(request: {
    readonly saleId: SaleId;
    readonly epoch: number;
    readonly from: LedgerMode;
    readonly to: LedgerMode;
    readonly reason: string;
  }): Promise<boolean> {
    const { saleId, epoch, from, to, reason } = request;
    const [row] = await this.#move<{ done: boolean }>(CHANGE_MODE, [saleId, epoch, from, to, legible(reason)]);
    return row?.done === true;
  }

  async readLedgerStates(saleIds: readonly SaleId[]): Promise<readonly LedgerState[]> {
    return this.#database.query<LedgerState>(STATES, [saleIds]);
  }

  async listLedgersDue(): Promise<readonly LedgerState[]> {
    return this.#database.query<LedgerState>(STATES_DUE);
  }

  readReservations(request: Page): ReturnType<Books["readReservations"]> {
    return readReservations(this.#database, request);
  }

  readGrantedItems(request: Parameters<Books["readGrantedItems"]>[0]): Promise<readonly GrantedItem[]> {
    return readGrantedItems(this.#database, request);
  }

  readBooks(request: Parameters<Books["readBooks"]>[0]): Promise<BookedSale | null> {
    return this.#bookedSales.read(request);
  }

  sumOrders(request: Parameters<Books["sumOrders"]>[0]): ReturnType<Books["sumOrders"]> {
    return sumOrders(this.#database, request);
  }

  missingSeqs(request: Parameters<Books["missingSeqs"]>[0]): Promise<readonly number[]> {
    return missingSeqs(this.#database, request);
  }

  async hintEvents(): Promise<void> {
    await this.#database.query(HINT);
  }

  async reportNode(report: Omit<NodeReport, "ageMs">): Promise<void> {
    await this.#move(REPORT, [report.nodeId, report.roles, report.canReachRedis]);
  }

  async listNodeReports(): Promise<readonly NodeReport[]> {
    return this.#database.query<NodeReport>(REPORTS);
  }

  async #transfer(
    statement: Statement,
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<number | null> {
    const { saleId, itemId, epoch, bucket, grantId, units } = request;
    assert(units > 0, "a transfer moves at least one unit");
    const values = [saleId, itemId, epoch, bucket, grantId, units];
    const [row] = await this.#move<{ units: number | null }>(statement, values);
    return row?.units ?? null;
  }

  /** Runs a move, again when it lost against another transaction. */
  async #move<Row>(statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#database.query<Row>(statement, values);
      } catch (error) {
        if (!isFault(error, "DATABASE_CONFLICT") || tries >= CONFLICT_TRIES_MAX) throw error;
      }
    }
  }
}

function readVerdicts(rows: readonly CommitRow[], answer: CommitAnswer): CommitOutcome {
  const verdicts: CommitVerdict[] = [];
  const holdUntil: number[] = [];
  let knownIndex = 0;
  for (const [index, row] of rows.entries()) {
    const letter = answer.verdicts?.[index];
    if (letter === "C" || letter === "L") {
      verdicts.push("committed");
      holdUntil.push(letter === "C" ? row.promisedUntil : (answer.late_until ?? row.promisedUntil));
    } else if (letter === "K") {
      verdicts.push("known");
      holdUntil.push(answer.known_until?.[knownIndex++] ?? 0);
    } else if (letter === "S") {
      verdicts.push("seq_taken");
      holdUntil.push(0);
    } else {
      throw new Fault("DATABASE_REFUSED", { internal: `commit_batch answered ${answer.verdicts} for row ${index}` });
    }
  }
  return { kind: "done", verdicts, holdUntil };
}

/** A row whose texts can be stored: one without a readable rid gets a name with dots, which no buyer can have. */
function storable(address: BucketEpoch, row: CommitRow): CommitRow {
  const { itemId, epoch, bucket } = address;
  return {
    ...row,
    rid: isId(row.rid) ? row.rid : ["void", itemId, epoch, bucket, row.seq].join("."),
    buyerId: isId(row.buyerId) ? row.buyerId : "",
  };
}

/** Text as PostgreSQL can store it: no zero bytes, no broken surrogates, bounded. */
function legible(text: string): string {
  return text.slice(0, DEAD_TEXT_LENGTH_MAX).toWellFormed().replaceAll("\u0000", "\ufffd");
}

function grantOf(request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string }, units: number): Grant {
  const { grantId, saleId, itemId, bucket, epoch } = request;
  return { grantId, saleId, itemId, bucket, epoch, units };
}
