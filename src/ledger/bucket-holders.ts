/**
 * Everybody who has a reservation of an item whose buckets decide: earlier epochs from Postgres, this one from the streams.
 *
 * Acceptances are committed in any order, so paging Postgres by sequence number would leave out what comes late. The
 * streams are dense and in order; where their beginning was trimmed, everything up to there is committed and Postgres has
 * it. The cursor says how far each of the two was read, and survives a change of mode in either direction.
 */
import { Fault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { HoldersPage, Ledger } from "../ports/ledger.ts";

/** Entries read at once; each has up to a batch of rows. */
const ENTRIES_MAX = 64;
const MARK = "b";

/** How far the holders of one item were read. */
interface Progress {
  readonly epoch: number;
  /** Every row of an earlier epoch was read. */
  readonly hasEarlier: boolean;
  /** A cursor of the postgres ledger that never passes the start of the epoch. */
  readonly postgres: string;
  /** By bucket: read up to this sequence number. */
  readonly seqs: readonly number[];
}

export interface HoldersRequest {
  readonly itemId: number;
  readonly cursor: string;
  readonly rowsMax: number;
}

/** The part of any holders' cursor that the postgres ledger understands. */
export function postgresCursorOf(cursor: string): string {
  const [mark, , , postgres] = cursor.split(":");
  return mark === MARK ? (postgres ?? "") : cursor;
}

/** Reads on from a cursor, of this file or of the postgres ledger. The contract is that of `Ledger.readHolders`. */
export async function readBucketHolders(
  parts: { readonly store: Pick<BucketStore, "readFrom" | "audit">; readonly postgres: Pick<Ledger, "readHolders"> },
  sale: Sale,
  request: HoldersRequest,
): Promise<HoldersPage> {
  let progress = progressOf(request.cursor, sale);
  if (!progress.hasEarlier) {
    const page = await parts.postgres.readHolders({ ...request, cursor: progress.postgres });
    const reached = placeOf(page.cursor);
    const hasNew = page.cursor !== progress.postgres;
    if (hasNew && reached.epoch < sale.epoch) {
      return { buyerIds: page.buyerIds, cursor: textOf({ ...progress, postgres: page.cursor }) };
    }
    progress = { ...progress, hasEarlier: true };
    if (hasNew) {
      const postgres = `${sale.epoch}.0.0`;
      return { buyerIds: page.buyerIds, cursor: textOf({ ...progress, postgres }) };
    }
  }
  for (const [bucket, afterSeq] of progress.seqs.entries()) {
    const page = await readBucket(parts, sale, { ...request, bucket, afterSeq });
    if (page.seq === afterSeq) continue;
    const seqs = progress.seqs.with(bucket, page.seq);
    return { buyerIds: page.buyerIds, cursor: textOf({ ...progress, seqs }) };
  }
  return { buyerIds: [], cursor: request.cursor };
}

interface BucketRequest extends HoldersRequest {
  readonly bucket: number;
  readonly afterSeq: number;
}

/** The next holders of one bucket, and up to which number they are complete. */
async function readBucket(
  parts: Parameters<typeof readBucketHolders>[0],
  sale: Sale,
  request: BucketRequest,
): Promise<{ buyerIds: readonly string[]; seq: number }> {
  const { itemId, bucket, afterSeq, rowsMax } = request;
  const address = { itemId, bucket, epoch: sale.epoch };
  const entries = await parts.store.readFrom({ ...address, afterSeq, entriesMax: Math.min(rowsMax, ENTRIES_MAX) });
  const first = entries[0];
  const trimmedSeq = first === undefined ? await seqOf(parts.store, sale, request) : first.firstSeq - 1;
  if (trimmedSeq > afterSeq) return readTrimmed(parts.postgres, sale, request, trimmedSeq);
  const buyerIds: string[] = [];
  let seq = afterSeq;
  for (const entry of entries) {
    // A hole: what was there is found in Postgres by the next call.
    if (entry.firstSeq > seq + 1) break;
    for (const row of entry.rows) {
      if (row.seq <= seq) continue;
      if (buyerIds.length >= rowsMax) return { buyerIds, seq };
      buyerIds.push(row.buyerId);
      seq = row.seq;
    }
    seq = entry.lastSeq;
  }
  return { buyerIds, seq };
}

/** The number up to which a bucket without further entries has accepted. */
async function seqOf(store: Pick<BucketStore, "audit">, sale: Sale, request: BucketRequest): Promise<number> {
  const { itemId, bucket } = request;
  const audit = await store.audit({ itemId, bucket });
  if (audit === null) throw new Fault("LEDGER_BUCKET_MISSING", { internal: `item ${itemId}, bucket ${bucket}` });
  if (audit.epoch !== sale.epoch) throw new Fault("LEDGER_FENCED", { internal: `bucket in ${audit.epoch}` });
  return audit.seq;
}

/** Only what is committed is trimmed, so Postgres has all of it. */
async function readTrimmed(
  postgres: Pick<Ledger, "readHolders">,
  sale: Sale,
  request: BucketRequest,
  trimmedSeq: number,
): Promise<{ buyerIds: readonly string[]; seq: number }> {
  const { itemId, bucket, afterSeq, rowsMax } = request;
  const page = await postgres.readHolders({ itemId, cursor: `${sale.epoch}.${bucket}.${afterSeq}`, rowsMax });
  const reached = placeOf(page.cursor);
  const isInside = reached.epoch === sale.epoch && reached.bucket === bucket && page.buyerIds.length > 0;
  return { buyerIds: page.buyerIds, seq: isInside ? Math.min(reached.seq, trimmedSeq) : trimmedSeq };
}

function progressOf(cursor: string, sale: Sale): Progress {
  const [mark, epoch, hasEarlier, postgres = "", seqs = ""] = cursor.split(":");
  const fresh = { epoch: sale.epoch, hasEarlier: false, seqs: new Array<number>(sale.buckets).fill(0) };
  if (mark !== MARK) return { ...fresh, postgres: cursor };
  if (Number(epoch) !== sale.epoch) return { ...fresh, postgres };
  return { epoch: sale.epoch, hasEarlier: hasEarlier === "1", postgres, seqs: seqs.split(".").map(Number) };
}

function textOf({ epoch, hasEarlier, postgres, seqs }: Progress): string {
  return [MARK, epoch, hasEarlier ? 1 : 0, postgres, seqs.join(".")].join(":");
}

function placeOf(cursor: string): { epoch: number; bucket: number; seq: number } {
  const [epoch = 0, bucket = 0, seq = 0] = cursor === "" ? [] : cursor.split(".").map(Number);
  return { epoch, bucket, seq };
}
