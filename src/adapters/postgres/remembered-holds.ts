/**
 * What a bucket has to be filled with: the item's reservations and how many units each buyer has, in pages.
 *
 * Pages are read one after the other while holds go on ending. So that all of them tell of one moment, each takes back what
 * is still noted for the buckets: the answer is the state as the fence left it, and the notes, delivered afterwards in
 * their order, are what happened since. A reservation that was written off is not remembered: it may be accepted again.
 */
import type { Books } from "../../ports/books.ts";
import type { Database } from "../../ports/database.ts";

/** A page of an item; cursor "" = from the start. */
export interface Page {
  readonly itemId: number;
  readonly cursor: string;
  readonly rowsMax: number;
}

const BUYERS = {
  name: "remembered_buyers",
  text: `SELECT h.buyer_id AS "buyerId", (h.quantity + coalesce((
                  SELECT sum(CASE n.kind WHEN 'ended' THEN n.quantity ELSE -n.quantity END) FROM bucket_note n
                   WHERE n.item_id = h.item_id AND n.buyer_id = h.buyer_id), 0))::integer AS quantity
           FROM buyer_hold h WHERE h.item_id = $1 AND h.buyer_id > $2 ORDER BY h.buyer_id LIMIT $3`,
};
const RESERVATIONS = {
  name: "remembered_reservations",
  text: `SELECT o.epoch, o.bucket, o.seq, o.rid, o.buyer_id AS "buyerId", o.quantity,
                coalesce((SELECT n.kind = 'reacquired' FROM bucket_note n
                           WHERE n.item_id = o.item_id AND n.buyer_id = o.buyer_id AND n.rid = o.rid
                           ORDER BY n.note_id LIMIT 1),
                         o.status NOT IN ('held', 'expiring', 'paid')) AS "hasEnded"
           FROM orders o
          WHERE o.item_id = $1 AND (o.epoch, o.bucket, o.seq) > ($2, $3, $4) AND o.status <> 'lost'
          ORDER BY o.epoch, o.bucket, o.seq LIMIT $5`,
};

interface ReservationRow {
  readonly epoch: number;
  readonly bucket: number;
  readonly seq: number;
  readonly rid: string;
  readonly buyerId: string;
  readonly quantity: number;
  readonly hasEnded: boolean;
}

/** Buyers with active units, by buyer id. */
export async function readBuyerHolds(database: Database, request: Page): ReturnType<Books["readBuyerHolds"]> {
  const { itemId, cursor, rowsMax } = request;
  const rows = await database.query<{ buyerId: string; quantity: number }>(BUYERS, [itemId, cursor, rowsMax]);
  const last = rows.length < rowsMax ? undefined : rows.at(-1);
  return { buyers: rows.filter((row) => row.quantity > 0), next: last?.buyerId ?? null };
}

/** All reservations that a bucket has to know, in the order in which they were numbered. */
export async function readReservations(database: Database, request: Page): ReturnType<Books["readReservations"]> {
  const { itemId, cursor, rowsMax } = request;
  const [epoch, bucket, seq] = cursor === "" ? ["0", "0", "0"] : cursor.split(".");
  const position = [epoch ?? "0", bucket ?? "0", seq ?? "0"];
  const rows = await database.query<ReservationRow>(RESERVATIONS, [itemId, ...position, rowsMax]);
  const last = rows.length < rowsMax ? undefined : rows.at(-1);
  return {
    reservations: rows.map(({ rid, buyerId, quantity, hasEnded }) => ({ rid, buyerId, quantity, hasEnded })),
    next: last === undefined ? null : `${last.epoch}.${last.bucket}.${last.seq}`,
  };
}
