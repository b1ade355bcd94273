/**
 * Sales, items and who may buy, in the tables of migrations/0001_ledger.sql.
 *
 * Rules that protect promises are checked on the locked row inside the transaction of the change, so two operators
 * cannot break together what neither could alone.
 */
import { Fault } from "../../domain/faults.ts";
import type { SaleId, Sku } from "../../domain/ids.ts";
import { firstOpensAt, type Item, type Sale } from "../../domain/sale.ts";
import type { Database, SqlConnection } from "../../ports/database.ts";
import type { Stock } from "../../ports/ledger.ts";
import type { Ban, NewBan, NewSale, SaleCommand, SalePatch, SaleStore } from "../../ports/sale-store.ts";
import { sqlFailure } from "./database-errors.ts";
import { PostgresBanStore } from "./postgres-ban-store.ts";
import { PostgresLedger } from "./postgres-ledger.ts";

const SELECT_SALE = `SELECT s.*, (SELECT coalesce(json_agg(json_build_object('itemId', i.item_id, 'sku', i.sku,
      'name', i.name, 'price', json_build_object('amount', i.price_amount, 'currency', i.price_currency),
      'perBuyerMax', i.per_buyer_max) ORDER BY i.position), '[]')
    FROM item i WHERE i.sale_id = s.id) AS items FROM sale s`;

const FIND = { name: "find_sale", text: `${SELECT_SALE} WHERE s.id = $1` };
const LIST = { name: "list_sales", text: `${SELECT_SALE} ORDER BY s.created_at DESC, s.id LIMIT $1` };
const LOCK = { text: `${SELECT_SALE} WHERE s.id = $1 FOR UPDATE OF s` };
const ANNOUNCE = { text: "SELECT announce('catalogue')" };

const INSERT_SALE = {
  text: `INSERT INTO sale (id, name, description, image_url, opens_at, closes_at, hold_ms, per_buyer_max, challenge,
           signature, eligibility, buckets, opens_to_all_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12, nullif($13::bigint, $5))`,
};
/** Of each sale its own: sums of revisions would be the same again when a restored database lost one change and saw another. */
const VERSION = {
  name: "sales_version",
  text: `SELECT concat_ws('.', count(*), sum(hashtextextended(concat_ws('.', id, revision, epoch), 0))) AS version FROM sale`,
};
const INSERT_ITEM = {
  text: `WITH made AS (
           INSERT INTO item (sale_id, sku, name, price_amount, price_currency, per_buyer_max, position)
           VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING item_id
         ) INSERT INTO stock (item_id, total, free) SELECT item_id, $8, $8 FROM made`,
};
const UPDATE_SALE = {
  text: `UPDATE sale SET name = $2, description = $3, image_url = $4, opens_at = $5, closes_at = $6, hold_ms = $7,
           per_buyer_max = $8, signature = $9, eligibility = $10::jsonb, phase = $11, closed_at = $12, challenge = $13,
           opens_to_all_at = nullif($14::bigint, $5), revision = revision + 1 WHERE id = $1`,
};
const RAISE_ITEM_LIMITS = { text: "UPDATE item SET per_buyer_max = $2 WHERE sale_id = $1 AND per_buyer_max = $3" };
const ADJUST = { text: "SELECT adjust_stock($1, $2, $3, $4) AS item_id" };
const CHANGE_PRICE = { text: "SELECT change_price($1, $2, $3) AS verdict" };
const PRICE_CONFLICTS: Readonly<Record<string, string>> = {
  has_orders: "there are orders at the old price",
  in_redis: "the sale has opened and Redis decides about it: acceptances at the old price may be on their way",
};

interface SaleRow {
  readonly id: SaleId;
  readonly name: string;
  readonly description: string | null;
  readonly image_url: string | null;
  readonly phase: Sale["phase"];
  /** When the ledger lets the first buyers in. */
  readonly opens_at: number;
  /** When everybody may buy; null = at the same instant. */
  readonly opens_to_all_at: number | null;
  readonly closes_at: number;
  readonly closed_at: number | null;
  readonly hold_ms: number;
  readonly per_buyer_max: number;
  readonly challenge: Sale["challenge"];
  readonly signature: Sale["signature"];
  readonly eligibility: Sale["eligibility"];
  readonly mode: Sale["mode"];
  readonly buckets: number;
  readonly epoch: number;
  readonly revision: number;
  readonly created_at: number;
  readonly items: readonly Item[];
}

/** `implements SaleStore`. */
export class PostgresSaleStore implements SaleStore {
  readonly #database: Database;
  readonly #stock: PostgresLedger;
  readonly #bans: PostgresBanStore;

  constructor(database: Database) {
    this.#database = database;
    this.#stock = new PostgresLedger(database);
    this.#bans = new PostgresBanStore(database);
  }

  async createSale(sale: NewSale): Promise<Sale> {
    try {
      await this.#database.transaction(async (connection) => {
        await insertSale(connection, sale);
        await connection.query(ANNOUNCE);
      });
    } catch (error) {
      if (sqlFailure(error)?.constraint === "sale_pkey") throw conflict(`there is already a sale ${sale.id}`);
      throw error;
    }
    const created = await this.findSale(sale.id);
    if (created === null) throw new Fault("DATABASE_REFUSED", { internal: `sale ${sale.id} vanished after creation` });
    return created;
  }

  async findSale(saleId: SaleId): Promise<Sale | null> {
    const [row] = await this.#database.query<SaleRow>(FIND, [saleId]);
    return row === undefined ? null : toSale(row);
  }

  async listSales(request: { rowsMax: number }): Promise<readonly Sale[]> {
    return (await this.#database.query<SaleRow>(LIST, [request.rowsMax])).map(toSale);
  }

  async salesVersion(): Promise<string> {
    const [row] = await this.#database.query<{ version: string }>(VERSION);
    return row?.version ?? "";
  }

  async patchSale(saleId: SaleId, patch: SalePatch): Promise<Sale | null> {
    return this.#change(saleId, (sale, nowMs) => {
      checkPatch(sale, patch, nowMs);
      return { ...sale, ...withoutUndefined(patch) };
    });
  }

  async commandSale(saleId: SaleId, command: SaleCommand): Promise<Sale | null> {
    return this.#change(saleId, (sale, nowMs) => afterCommand(sale, command, nowMs));
  }

  async adjustStock(request: { saleId: SaleId; sku: Sku; delta: number; reason: string }): Promise<Stock | null> {
    const { saleId, sku, delta, reason } = request;
    try {
      const [row] = await this.#database.query<{ item_id: number | null }>(ADJUST, [saleId, sku, delta, reason]);
      if (row?.item_id == null) return null;
      return (await this.#stock.readStock([row.item_id]))[0] ?? null;
    } catch (error) {
      const constraint = sqlFailure(error)?.constraint;
      if (constraint === "nonneg" || constraint === "conserve") {
        throw conflict("fewer units are free than you want to take away");
      }
      throw error;
    }
  }

  async changePrice(request: { saleId: SaleId; sku: Sku; amount: number }): Promise<Sale | null> {
    const { saleId, sku, amount } = request;
    const [row] = await this.#database.query<{ verdict: string }>(CHANGE_PRICE, [saleId, sku, amount]);
    const rule = PRICE_CONFLICTS[row?.verdict ?? ""];
    if (rule !== undefined) throw conflict(rule);
    return row?.verdict === "changed" ? this.findSale(saleId) : null;
  }

  createBan(ban: NewBan): Promise<Ban> {
    return this.#bans.createBan(ban);
  }

  listBans(): Promise<readonly Ban[]> {
    return this.#bans.listBans();
  }

  banRevision(): Promise<number> {
    return this.#bans.banRevision();
  }

  deleteBan(id: string): Promise<boolean> {
    return this.#bans.deleteBan(id);
  }

  /** Applies a change to the locked sale; writes and announces only when something differs. */
  async #change(saleId: SaleId, change: (sale: Sale, nowMs: number) => Sale): Promise<Sale | null> {
    return this.#database.transaction(async (connection) => {
      const [row] = await connection.query<SaleRow>(LOCK, [saleId]);
      if (row === undefined) return null;
      const [clock] = await connection.query<{ now: number }>({ text: "SELECT now_ms() AS now" });
      const before = toSale(row);
      const after = change(before, clock?.now ?? 0);
      if (JSON.stringify(after) === JSON.stringify(before)) return before;
      await updateSale(connection, before, after);
      await connection.query(ANNOUNCE);
      const [changed] = await connection.query<SaleRow>(FIND, [saleId]);
      return changed === undefined ? null : toSale(changed);
    });
  }
}

async function insertSale(connection: SqlConnection, sale: NewSale): Promise<void> {
  await connection.query(INSERT_SALE, [
    sale.id,
    sale.name,
    sale.description,
    sale.imageUrl,
    firstOpensAt(sale),
    sale.closesAt,
    sale.holdMs,
    sale.perBuyerMax,
    sale.challenge,
    sale.signature,
    JSON.stringify(sale.eligibility),
    sale.buckets,
    sale.opensAt,
  ]);
  for (const [position, item] of sale.items.entries()) {
    await connection.query(INSERT_ITEM, [
      sale.id,
      item.sku,
      item.name,
      item.price.amount,
      item.price.currency,
      item.perBuyerMax,
      position,
      item.stock,
    ]);
  }
}

async function updateSale(connection: SqlConnection, before: Sale, after: Sale): Promise<void> {
  await connection.query(UPDATE_SALE, [
    after.id,
    after.name,
    after.description,
    after.imageUrl,
    firstOpensAt(after),
    after.closesAt,
    after.holdMs,
    after.perBuyerMax,
    after.signature,
    JSON.stringify(after.eligibility),
    after.phase,
    after.closedAt,
    after.challenge,
    after.opensAt,
  ]);
  if (after.perBuyerMax !== before.perBuyerMax) {
    await connection.query(RAISE_ITEM_LIMITS, [after.id, after.perBuyerMax, before.perBuyerMax]);
  }
}

/** Refuses what buyers were already promised otherwise. */
function checkPatch(sale: Sale, patch: SalePatch, nowMs: number): void {
  if (sale.phase === "closed" || nowMs >= sale.closesAt) throw conflict("the sale is over");
  const opened = nowMs >= firstOpensAt(sale);
  if (nowMs >= sale.opensAt && patch.opensAt !== undefined && patch.opensAt !== sale.opensAt) {
    throw conflict("the sale has opened; its opening time is history");
  }
  if (opened && patch.perBuyerMax !== undefined && patch.perBuyerMax < sale.perBuyerMax) {
    throw conflict("the sale has opened; the limit per buyer can only be raised");
  }
  if (opened && patch.signature === "required" && sale.signature === "optional") {
    throw conflict("the sale has opened; pages already out would stop working if signatures became required");
  }
  const opensAt = patch.opensAt ?? sale.opensAt;
  const closesAt = patch.closesAt ?? sale.closesAt;
  if (opensAt >= closesAt) throw conflict("opensAt must be before closesAt");
  checkTiers(sale, patch, opensAt);
  if (patch.closesAt !== undefined && patch.closesAt <= nowMs) throw conflict("closesAt is in the past; use close");
}

/** A tier that opens with the sale or after it would be none. A sale that was opened by hand before its tiers may be. */
function checkTiers(sale: Sale, patch: SalePatch, opensAt: number): void {
  if (patch.opensAt === undefined && patch.eligibility === undefined) return;
  const tiers = (patch.eligibility ?? sale.eligibility).tiers ?? [];
  const late = tiers.find((tier) => tier.opensAt >= opensAt);
  if (late !== undefined) throw conflict(`the tier ${late.name} must open before the sale does`);
}

function afterCommand(sale: Sale, command: SaleCommand, nowMs: number): Sale {
  const over = sale.phase === "closed" || nowMs >= sale.closesAt;
  if (command === "close") return sale.phase === "closed" ? sale : { ...sale, phase: "closed", closedAt: nowMs };
  if (over) throw conflict("the sale is over; it can't be opened, paused or resumed");
  if (command === "pause") return { ...sale, phase: "paused" };
  if (command === "resume") return { ...sale, phase: "scheduled" };
  return { ...sale, phase: "scheduled", opensAt: Math.min(sale.opensAt, nowMs) };
}

function conflict(rule: string): Fault {
  return new Fault("SALE_CONFLICT", { internal: rule });
}

function withoutUndefined(patch: SalePatch): Partial<Sale> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function toSale(row: SaleRow): Sale {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    imageUrl: row.image_url,
    phase: row.phase,
    opensAt: row.opens_to_all_at ?? row.opens_at,
    closesAt: row.closes_at,
    closedAt: row.closed_at,
    holdMs: row.hold_ms,
    perBuyerMax: row.per_buyer_max,
    challenge: row.challenge,
    signature: row.signature,
    eligibility: row.eligibility,
    mode: row.mode,
    buckets: row.buckets,
    epoch: row.epoch,
    revision: row.revision,
    createdAt: row.created_at,
    items: row.items,
  };
}
