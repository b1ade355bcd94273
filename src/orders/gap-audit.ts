/**
 * Finds acceptances that never became orders although their time has come, and brings each of them to an end.
 *
 * Numbers are dense, so a missing one is known exactly. Those that have been missing for a while are looked for in the
 * stream, then in what the bucket remembers, and committed like any other. A number that nobody can say anything about is
 * void: its units come home. How many those were follows from a past cut: what the bucket had accepted up to then minus
 * what became orders. Every repair is an ordinary idempotent move, so any number of processes may repair at once.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import type { Books, CommitRow } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import type { BatchCommitter } from "./batch-committer.ts";
import { forEachBounded } from "./bounded.ts";
import type { LaneAddress } from "./commit-lane.ts";
import { rowsOf } from "./entry-rows.ts";
import type { SaleAlarm } from "./sale-alarm.ts";

/** A number may be missing for so long: workers commit out of order, and one that died is followed after a while. */
export const GAP_AGE_MS_MIN = 15_000;
/** Every bucket is looked at this often; where they are many, so that not more than so many looks are made a second. */
const LOOK_INTERVAL_MS = 2_000;
const LOOKS_PER_S_MAX = 100;
/** Buckets looked at together: their questions travel in one packet. */
const LOOKS_AT_ONCE_MAX = 32;
/** Numbers repaired in one look; when more cannot be found at all, Redis has lost more than a repair can mend. */
const GAPS_PER_LOOK = 256;

/** What a bucket had accepted at one instant. */
interface Cut {
  readonly seq: number;
  readonly units: number;
  readonly atMs: number;
}

interface Memory {
  /** Oldest first. */
  cuts: Cut[];
  /** Every number up to this one is an order. */
  denseSeq: number;
}

export interface GapAuditParts {
  readonly store: Pick<BucketStore, "auditEach" | "readFrom" | "findBySeq">;
  readonly books: Pick<Books, "missingSeqs" | "sumOrders" | "voidSeq">;
  readonly committer: BatchCommitter;
  readonly alarm: SaleAlarm;
  readonly sales: Pick<SaleDirectory, "listSales">;
  readonly clock: Clock;
  readonly log: Log;
  readonly onRepaired: () => void;
}

/** See the head of this file. */
export class GapAudit {
  readonly #parts: GapAuditParts;
  readonly #memories = new Map<string, Memory>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #lookIntervalMs = LOOK_INTERVAL_MS;

  constructor(parts: GapAuditParts) {
    this.#parts = parts;
  }

  /** One look at every bucket, at most every other second: less often where they are hundreds. A side that does not answer is asked again later. */
  async look(): Promise<void> {
    const { clock, sales, log } = this.#parts;
    if (clock.monotonicMs() - this.#lookedAtMs < this.#lookIntervalMs) return;
    this.#lookedAtMs = clock.monotonicMs();
    const live = new Set<string>();
    const inRedis = sales.listSales().filter((sale) => sale.mode === "redis" || sale.mode === "draining");
    const places = inRedis.flatMap((sale) => addressesOf(sale).map((address) => ({ sale, address })));
    this.#lookIntervalMs = Math.max(LOOK_INTERVAL_MS, (places.length * 1_000) / LOOKS_PER_S_MAX);
    await forEachBounded(places, LOOKS_AT_ONCE_MAX, async ({ sale, address }) => {
      live.add(keyOf(address));
      try {
        await this.#lookAt(address, sale);
      } catch (error) {
        if (!isFault(error)) throw error;
        log.debug({ ...address, error }, "a bucket's gaps could not be looked for");
      }
    });
    for (const key of this.#memories.keys()) if (!live.has(key)) this.#memories.delete(key);
  }

  async #lookAt(address: LaneAddress, sale: Sale): Promise<void> {
    const { store, books, clock } = this.#parts;
    const [audit = null] = await store.auditEach([address]);
    if (audit === null || audit.epoch !== address.epoch) return;
    const memory = this.#memories.get(keyOf(address)) ?? { cuts: [], denseSeq: audit.committedSeq };
    this.#memories.set(keyOf(address), memory);
    const nowMs = clock.monotonicMs();
    const lastSeq = memory.cuts.at(-1)?.seq ?? memory.denseSeq;
    if (audit.seq > lastSeq) memory.cuts.push({ seq: audit.seq, units: audit.reserved, atMs: nowMs });
    const cut = memory.cuts.filter((candidate) => nowMs - candidate.atMs >= GAP_AGE_MS_MIN).at(-1);
    if (cut === undefined) return;
    const range = { ...address, afterSeq: memory.denseSeq, throughSeq: cut.seq, rowsMax: GAPS_PER_LOOK };
    const missing = await books.missingSeqs(range);
    memory.denseSeq = missing[0] === undefined ? cut.seq : missing[0] - 1;
    if (missing.length === 0) {
      memory.cuts = memory.cuts.filter((candidate) => candidate.seq > cut.seq);
      return;
    }
    // What is missing although it was seen committed is no gap: the database lost it, and the conductor stops the sale.
    if (missing.some((seq) => seq <= audit.committedSeq)) return;
    await this.#repair(address, sale, { cut, missing });
  }

  async #repair(
    address: LaneAddress,
    sale: Sale,
    found: { readonly cut: Cut; readonly missing: readonly number[] },
  ): Promise<void> {
    const { committer, log, onRepaired } = this.#parts;
    const nowhere: number[] = [];
    const repaired = new Set<number>();
    for (const seq of found.missing) {
      if (repaired.has(seq)) continue;
      const rows = await this.#find(address, sale, seq);
      if (rows === null) {
        nowhere.push(seq);
        continue;
      }
      await committer.commit({ ...address, rows, isWanted: () => false });
      for (const row of rows) repaired.add(row.seq);
    }
    if (repaired.size > 0) {
      log.warn({ ...address, seqs: [...repaired].slice(0, 10), rows: repaired.size }, "missing numbers were committed");
      onRepaired();
    }
    if (nowhere.length > 0) await this.#voidAll(address, found.cut, nowhere);
  }

  /** The rows of the entry that has the number, else the one reservation that the bucket remembers under it. */
  async #find(address: LaneAddress, sale: Sale, seq: number): Promise<readonly CommitRow[] | null> {
    const { store } = this.#parts;
    const { itemId, bucket, epoch } = address;
    const [entry] = await store.readFrom({ itemId, bucket, epoch, afterSeq: seq - 1, entriesMax: 1 });
    if (entry?.rows.some((row) => row.seq === seq)) return rowsOf(entry);
    const known = await store.findBySeq({ itemId, bucket, epoch, seq });
    if (known === null) return null;
    const { rid, buyerId, quantity, acceptedAtMs } = known;
    return [{ seq, rid, buyerId, quantity, promisedUntil: acceptedAtMs + sale.holdMs }];
  }

  /** Their units are what is left of the cut. Which number gets how many is arbitrary; together they are exact. */
  async #voidAll(address: LaneAddress, cut: Cut, nowhere: readonly number[]): Promise<void> {
    const { books, log } = this.#parts;
    const range = { ...address, afterSeq: 0, throughSeq: cut.seq };
    const missing = await books.missingSeqs({ ...range, rowsMax: GAPS_PER_LOOK + 1 });
    if (missing.length > GAPS_PER_LOOK && nowhere.length >= GAPS_PER_LOOK) {
      await this.#alarm(address, `more than ${GAPS_PER_LOOK} acceptances up to number ${cut.seq} cannot be found`);
      return;
    }
    // Somebody else has just repaired one, or one that was found is not committed yet: the next look sees more.
    if (missing.length !== nowhere.length) return;
    const { units } = await books.sumOrders(range);
    const lost = cut.units - units;
    if (lost < nowhere.length) {
      await this.#alarm(address, `${nowhere.length} numbers are missing up to ${cut.seq}, but only ${lost} units`);
      return;
    }
    log.error({ ...address, seqs: nowhere.slice(0, 10), units: lost }, "acceptances are lost; their units come home");
    for (const [index, seq] of nowhere.entries()) {
      const quantity = index === nowhere.length - 1 ? lost - index : 1;
      await books.voidSeq({ ...address, seq, quantity });
    }
  }

  async #alarm({ saleId, epoch, bucket }: LaneAddress, text: string): Promise<void> {
    await this.#parts.alarm.raise({ saleId, epoch, reason: `bucket ${bucket}: ${text}` });
  }
}

function addressesOf(sale: Sale): readonly LaneAddress[] {
  const saleId: SaleId = sale.id;
  return sale.items.flatMap(({ itemId }) =>
    Array.from({ length: sale.buckets }, (_, bucket) => ({ saleId, itemId, bucket, epoch: sale.epoch })),
  );
}

function keyOf(address: LaneAddress): string {
  return `${address.itemId}.${address.bucket}.${address.epoch}`;
}
