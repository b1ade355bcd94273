/**
 * What buckets are filled with, as the fence left it: what is still noted for them is taken back.
 *
 * Pages are read one after the other while holds go on ending; the notes, delivered afterwards, are what happened since. A
 * reservation that was written off is not remembered: it may be accepted again.
 */
import { isActive } from "../../../src/domain/reservation.ts";
import type { Books, PendingNote } from "../../../src/ports/books.ts";
import type { TablesData } from "./books-tables.ts";

interface Page {
  readonly itemId: number;
  readonly cursor: string;
  readonly rowsMax: number;
}

/** All reservations that a bucket has to know, by rid. */
export async function rememberedReservations(data: TablesData, request: Page): ReturnType<Books["readReservations"]> {
  const { itemId, cursor, rowsMax } = request;
  const rows = [...data.orders.values()]
    .filter((row) => row.itemId === itemId && row.status !== "lost" && row.rid > cursor)
    .sort((left, right) => (left.rid < right.rid ? -1 : 1));
  const reservations = rows.slice(0, rowsMax).map(({ rid, buyerId, quantity, status }) => {
    const [oldest] = notesOf(data, itemId, (note) => note.rid === rid);
    return {
      rid,
      buyerId,
      quantity,
      hasEnded: oldest === undefined ? !isActive(status) : oldest.kind === "reacquired",
    };
  });
  return { reservations, next: rows.length > rowsMax ? (reservations.at(-1)?.rid ?? null) : null };
}

function notesOf(data: TablesData, itemId: number, isWanted: (note: PendingNote) => boolean): readonly PendingNote[] {
  return [...data.notes.values()].filter((note) => note.itemId === itemId && isWanted(note));
}
