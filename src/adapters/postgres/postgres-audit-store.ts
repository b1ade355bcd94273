/**
 * Gathers the evidence of an audit from PostgreSQL: implements AuditStore.
 *
 * One REPEATABLE READ, READ ONLY transaction on the primary, so that every figure belongs to the same committed state
 * and no writer waits. Orders are grouped by the database, never shipped; differences are found there too and come back
 * as counts with a small sample. The stock row is read as it stands and enters no sum.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { LedgerMode } from "../../domain/sale.ts";
import type { AuditEvidence, AuditStore, Findings, ItemEvidence, StockRow } from "../../ports/audit-store.ts";
import type { Database, SqlConnection, Statement } from "../../ports/database.ts";

/** Ids that a violation's text may name. */
const SAMPLE_MAX = 5;

const SALE: Statement = { text: `SELECT mode, epoch, now_ms() AS "takenAt" FROM sale WHERE id = $1` };

const ITEMS: Statement = {
  text: `SELECT i.item_id AS "itemId", i.sku, k.item_id IS NOT NULL AS "hasStock",
                k.total, k.free, k.granted, k.held, k.sold, k.seq,
                coalesce((SELECT sum(a.delta) FROM stock_adjustment a WHERE a.item_id = i.item_id), 0)::bigint
                  AS "adjustedUnits"
           FROM item i LEFT JOIN stock k ON k.item_id = i.item_id
          WHERE i.sale_id = $1 ORDER BY i.position, i.item_id`,
};

const STATUSES: Statement = {
  text: `SELECT item_id AS "itemId", status, count(*) AS orders, sum(quantity) AS units
           FROM orders WHERE item_id = ANY ($1::integer[]) GROUP BY item_id, status ORDER BY item_id, status`,
};

/** Epoch 0 is where acceptances are written off: they keep no number of their own. */
const SEQUENCES: Statement = {
  text: `WITH numbered AS (
           SELECT item_id, epoch, bucket, count(*) AS orders, count(DISTINCT seq) AS "distinct",
                  min(seq) AS lowest, max(seq) AS highest
             FROM orders WHERE item_id = ANY ($1::integer[]) AND epoch > 0 GROUP BY item_id, epoch, bucket
         ), granted AS (
           SELECT DISTINCT item_id, epoch, true AS "isGranted" FROM grant_log WHERE item_id = ANY ($1::integer[])
         )
         SELECT item_id AS "itemId", epoch, bucket, orders, "distinct", lowest, highest,
                coalesce("isGranted", false) AS "isGranted"
           FROM numbered LEFT JOIN granted USING (item_id, epoch) ORDER BY 1, 2, 3`,
};

/** Every buyer with active orders or a recorded hold, the two sides compared. */
const BUYERS: Statement = {
  text: `WITH owned AS (
           SELECT item_id, buyer_id, sum(quantity) AS units FROM orders
            WHERE item_id = ANY ($1::integer[]) AND status IN ('held', 'expiring', 'paid') GROUP BY item_id, buyer_id
         ), recorded AS (
           SELECT item_id, buyer_id, quantity, per_buyer_max FROM buyer_hold WHERE item_id = ANY ($1::integer[])
         ), compared AS (
           SELECT item_id, buyer_id, coalesce(o.units, 0) <> coalesce(r.quantity, 0) AS mismatch,
                  coalesce(o.units, 0) > coalesce(r.per_buyer_max, i.per_buyer_max) AS over
             FROM owned o FULL JOIN recorded r USING (item_id, buyer_id) JOIN item i USING (item_id)
         )
         SELECT item_id AS "itemId",
                count(*) FILTER (WHERE mismatch) AS mismatches,
                (array_agg(buyer_id ORDER BY buyer_id) FILTER (WHERE mismatch))[1:$2] AS "mismatchSample",
                count(*) FILTER (WHERE over) AS overs,
                (array_agg(buyer_id ORDER BY buyer_id) FILTER (WHERE over))[1:$2] AS "overSample"
           FROM compared WHERE mismatch OR over GROUP BY item_id`,
};

/** Orders that contradict themselves or their item. */
const ODD_ORDERS: Statement = {
  text: `WITH judged AS (
           SELECT o.item_id, o.rid, o.sale_id <> i.sale_id AS misfiled,
                  o.payment_id IS NULL AND o.status IN ('paid', 'refund_due', 'refunded') AS unpaid,
                  o.amount <> i.price_amount * o.quantity AS wrong
             FROM orders o JOIN item i USING (item_id) WHERE o.item_id = ANY ($1::integer[])
         )
         SELECT item_id AS "itemId",
                count(*) FILTER (WHERE misfiled) AS misfiled,
                (array_agg(rid ORDER BY rid) FILTER (WHERE misfiled))[1:$2] AS "misfiledSample",
                count(*) FILTER (WHERE unpaid) AS unpaid,
                (array_agg(rid ORDER BY rid) FILTER (WHERE unpaid))[1:$2] AS "unpaidSample",
                count(*) FILTER (WHERE wrong) AS wrong,
                (array_agg(rid ORDER BY rid) FILTER (WHERE wrong))[1:$2] AS "wrongSample"
           FROM judged WHERE misfiled OR unpaid OR wrong GROUP BY item_id`,
};

interface SaleRow {
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly takenAt: number;
}

interface ItemRow extends StockRow {
  readonly itemId: number;
  readonly sku: string;
  readonly hasStock: boolean;
  readonly adjustedUnits: number;
}

interface StatusRow {
  readonly itemId: number;
  readonly status: string;
  readonly orders: number;
  readonly units: number;
}

interface SequenceRow {
  readonly itemId: number;
  readonly epoch: number;
  readonly bucket: number;
  readonly orders: number;
  readonly distinct: number;
  readonly lowest: number;
  readonly highest: number;
  readonly isGranted: boolean;
}

type Sample = readonly string[] | null;

interface BuyersRow {
  readonly itemId: number;
  readonly mismatches: number;
  readonly mismatchSample: Sample;
  readonly overs: number;
  readonly overSample: Sample;
}

interface OddOrdersRow {
  readonly itemId: number;
  readonly misfiled: number;
  readonly misfiledSample: Sample;
  readonly unpaid: number;
  readonly unpaidSample: Sample;
  readonly wrong: number;
  readonly wrongSample: Sample;
}

/** Everything about the items of a sale, row by row as the statements answered. */
interface Rows {
  readonly statuses: readonly StatusRow[];
  readonly sequences: readonly SequenceRow[];
  readonly buyers: readonly BuyersRow[];
  readonly oddOrders: readonly OddOrdersRow[];
}

/** `implements AuditStore`. */
export function createPostgresAuditStore(database: Database): AuditStore {
  return {
    gather: (saleId) =>
      database.transaction(async (connection) => {
        await connection.query({ text: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY" });
        return gatherIn(connection, saleId);
      }),
  };
}

async function gatherIn(connection: SqlConnection, saleId: SaleId): Promise<AuditEvidence | null> {
  const [sale] = await connection.query<SaleRow>(SALE, [saleId]);
  if (sale === undefined) return null;
  const items = await connection.query<ItemRow>(ITEMS, [saleId]);
  const itemIds = items.map((item) => item.itemId);
  const rows: Rows = {
    statuses: await connection.query<StatusRow>(STATUSES, [itemIds]),
    sequences: await connection.query<SequenceRow>(SEQUENCES, [itemIds]),
    buyers: await connection.query<BuyersRow>(BUYERS, [itemIds, SAMPLE_MAX]),
    oddOrders: await connection.query<OddOrdersRow>(ODD_ORDERS, [itemIds, SAMPLE_MAX]),
  };
  return { saleId, ...sale, items: items.map((item) => evidenceOf(item, rows)) };
}

function evidenceOf(item: ItemRow, rows: Rows): ItemEvidence {
  const ofItem = (row: { readonly itemId: number }): boolean => row.itemId === item.itemId;
  const buyers = rows.buyers.find(ofItem);
  const odd = rows.oddOrders.find(ofItem);
  const { total, free, granted, held, sold, seq } = item;
  return {
    sku: item.sku,
    stock: item.hasStock ? { total, free, granted, held, sold, seq } : null,
    adjustedUnits: item.adjustedUnits,
    statuses: rows.statuses.filter(ofItem),
    sequences: rows.sequences.filter(ofItem),
    holdMismatches: findings(buyers?.mismatches, buyers?.mismatchSample),
    overLimit: findings(buyers?.overs, buyers?.overSample),
    paidWithoutPayment: findings(odd?.unpaid, odd?.unpaidSample),
    wrongAmounts: findings(odd?.wrong, odd?.wrongSample),
    misfiled: findings(odd?.misfiled, odd?.misfiledSample),
  };
}

function findings(count: number | undefined, sample: Sample | undefined): Findings {
  return { count: count ?? 0, sample: sample ?? [] };
}
