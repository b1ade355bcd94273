/**
 * Allowlists in the tables of migrations/0012_allowlists.sql.
 *
 * A part is one row of text: a million buyers are two hundred rows, which are written, read and deleted in no time, also
 * on the embedded database whose one connection everybody waits for. Ids and names of tiers contain neither commas nor
 * line feeds, so the lines need no escaping.
 */
import type { BuyerId, SaleId } from "../../domain/ids.ts";
import type { AllowlistEntry, AllowlistStore, PublishedAllowlist } from "../../ports/allowlist-store.ts";
import type { Database } from "../../ports/database.ts";

/** A list that is still unpublished after this was given up by whoever wrote it. */
const ABANDONED_AFTER_MS = 3_600_000;

const BEGIN = {
  text: "INSERT INTO allowlist_list (sale_id) SELECT id FROM sale WHERE id = $1 RETURNING list_id",
};
const FORGET_ABANDONED = {
  text: "DELETE FROM allowlist_list WHERE sale_id = $1 AND buyers IS NULL AND created_at < now_ms() - $2",
};
const ADD_PART = { text: "INSERT INTO allowlist_part (list_id, part, lines) VALUES ($1, $2, $3)" };
const LOCK_SALE = { text: "SELECT id FROM sale WHERE id = $1 FOR UPDATE" };
const PUBLISH = {
  text: "UPDATE allowlist_list SET buyers = $2, parts = $3 WHERE list_id = $1 AND buyers IS NULL RETURNING list_id",
};
const POINT = { text: "UPDATE sale SET allowlist_id = $2, revision = revision + 1 WHERE id = $1" };
const FORGET_OTHERS = {
  text: "DELETE FROM allowlist_list WHERE sale_id = $1 AND list_id <> $2 AND buyers IS NOT NULL",
};
const ANNOUNCE = { text: "SELECT announce('catalogue')" };
const DISCARD = { text: "DELETE FROM allowlist_list WHERE list_id = $1 AND buyers IS NULL" };
const FIND = {
  name: "find_allowlist",
  text: `SELECT l.list_id, l.buyers, l.parts FROM sale s JOIN allowlist_list l ON l.list_id = s.allowlist_id
          WHERE s.id = $1`,
};
const READ_PART = {
  name: "read_allowlist_part",
  text: "SELECT lines FROM allowlist_part WHERE list_id = $1 AND part = $2",
};

/** `implements AllowlistStore`. */
export class PostgresAllowlistStore implements AllowlistStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async begin(saleId: SaleId): Promise<number | null> {
    await this.#database.query(FORGET_ABANDONED, [saleId, ABANDONED_AFTER_MS]);
    const [row] = await this.#database.query<{ list_id: number }>(BEGIN, [saleId]);
    return row?.list_id ?? null;
  }

  async addPart({ listId, part, entries }: Parameters<AllowlistStore["addPart"]>[0]): Promise<void> {
    const lines = entries.map(({ buyerId, tier }) => (tier === null ? buyerId : `${buyerId},${tier}`)).join("\n");
    await this.#database.query(ADD_PART, [listId, part, lines]);
  }

  async publish({ saleId, listId, buyers, parts }: PublishedAllowlist & { saleId: SaleId }): Promise<boolean> {
    return this.#database.transaction(async (connection) => {
      const sales = await connection.query(LOCK_SALE, [saleId]);
      const lists = await connection.query(PUBLISH, [listId, buyers, parts]);
      if (sales.length === 0 || lists.length === 0) return false;
      await connection.query(POINT, [saleId, listId]);
      await connection.query(FORGET_OTHERS, [saleId, listId]);
      await connection.query(ANNOUNCE);
      return true;
    });
  }

  async discard(listId: number): Promise<void> {
    await this.#database.query(DISCARD, [listId]);
  }

  async findPublished(saleId: SaleId): Promise<PublishedAllowlist | null> {
    const [row] = await this.#database.query<{ list_id: number; buyers: number; parts: number }>(FIND, [saleId]);
    return row === undefined ? null : { listId: row.list_id, buyers: row.buyers, parts: row.parts };
  }

  async readPart({ listId, part }: { listId: number; part: number }): Promise<readonly AllowlistEntry[] | null> {
    const [row] = await this.#database.query<{ lines: string }>(READ_PART, [listId, part]);
    if (row === undefined) return null;
    return row.lines === "" ? [] : row.lines.split("\n").map(toEntry);
  }
}

function toEntry(line: string): AllowlistEntry {
  const comma = line.indexOf(",");
  if (comma === -1) return { buyerId: line as BuyerId, tier: null };
  return { buyerId: line.slice(0, comma) as BuyerId, tier: line.slice(comma + 1) };
}
