/**
 * What a bucket has to be filled with: the item's reservations, in pages. What each buyer has is their sum.
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
