/**
 * The relay: moves units between Postgres and the buckets, and tells buckets what Postgres decided.
 *
 * Every move debits its source durably before it credits its target, and carries an id: first the grant is logged
 * (free → granted), then the bucket is credited, then the grant is settled. Whoever dies in between leaves a grant that
 * anybody may carry on, any number of times. On the way home it is the other way round: asked back, debited, settled.
 * Decides nothing about modes; a move in an epoch that is over is refused by both sides.
 */
import { Fault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { Books, Grant, GrantedItem, PendingNote } from "../ports/books.ts";
import type { BucketAddress, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { bucketOf } from "./bucket-of.ts";
import { bucketSettingsOf } from "./bucket-settings.ts";

/** Notes that one pass delivers; more wait for the next. */
export const NOTES_MAX = 1_024;
/** Buckets of an item that one recall asks, the fullest first. */
const RECALL_ROUNDS_MAX = 64;
/** How often a top-up begins anew when others were quicker. */
const TOP_UP_ROUNDS_MAX = 3;

export interface RelayParts {
  readonly store: BucketStore;
  readonly books: Books;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Units that a bucket can still give away, leased ones included. */
interface BucketLevel {
  readonly bucket: number;
  readonly left: number;
}

/** See the head of this file. Stateless but for what it need not say twice; any process may have one. */
export class Relay {
  readonly #parts: RelayParts;
  /** By sale: the epoch and revision whose settings every bucket has. */
  readonly #applied = new Map<string, string>();

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /**
   * Brings units to a bucket that has too few: those already on their way to it, else free ones, else what its siblings
   * have, the fullest first. Answers how many it has now or was brought; 0 = there was nothing to bring. Throws the faults
   * of both sides.
   */
  async topUp(request: { sale: Sale; itemId: number; bucket: number; units: number }): Promise<number> {
    const { sale, itemId, bucket, units } = request;
    let arrived = 0;
    // Another relay may be quicker with what came home, and bring it to another bucket: then it is asked back from there.
    for (let round = 0; round < TOP_UP_ROUNDS_MAX; round += 1) {
      const underway = await this.#resume(sale, itemId);
      // What was carried out before and only not settled says so again, and may be sold since: the bucket knows better.
      if (underway.has(`${itemId}.${bucket}`)) arrived = await this.#levelOf(sale, { itemId, bucket });
      if (arrived < units) arrived += await this.#grant({ ...request, units: units - arrived });
      if (arrived >= units) return arrived;
      const levels = await this.#levels(sale, itemId);
      // Somebody else may have brought them since the bucket came up empty.
      arrived = Math.max(arrived, levels.find((level) => level.bucket === bucket)?.left ?? 0);
      const donors = levels.filter((level) => level.bucket !== bucket && level.left > 0).sort(fullestFirst);
      if (arrived >= units) return arrived;
      // Units that somebody sent off a moment ago are in no bucket yet: they are found on their way in another round.
      if (donors.length === 0 && round > 0) return arrived;
      for (const donor of donors) {
        if (arrived >= units) return arrived;
        const wanted = Math.max(Math.ceil(donor.left / 2), Math.min(units - arrived, donor.left));
        const home = await this.#askBack({ sale, itemId, bucket: donor.bucket, units: wanted });
        if (home > 0) arrived += await this.#grant({ sale, itemId, bucket, units: home });
      }
    }
    return arrived;
  }

  /** Whether every bucket has the sale's settings as they are now, as far as this relay knows. */
  hasApplied(sale: Sale): boolean {
    return this.#applied.get(sale.id) === versionOf(sale);
  }

  /**
   * One pass over a sale in redis mode: carries on what somebody left half done, delivers notes, applies settings,
   * places free units. Throws the first fault; the next pass does the rest.
   */
  async run(sale: Sale): Promise<void> {
    await this.#resume(sale, null);
    await this.#deliverNotes(sale);
    if (!this.hasApplied(sale)) await this.applySettings(sale);
    await this.#placeFree(sale);
  }

  /** Brings up to `units` of an item home to free, from the fullest bucket first; answers how many came. */
  async recall(request: { sale: Sale; itemId: number; units: number }): Promise<number> {
    const { sale, itemId } = request;
    await this.#resume(sale, itemId);
    let home = 0;
    for (let round = 0; round < RECALL_ROUNDS_MAX && home < request.units; round += 1) {
      const donor = (await this.#levels(sale, itemId)).sort(fullestFirst)[0];
      if (donor === undefined || donor.left === 0) break;
      const units = Math.min(request.units - home, donor.left);
      home += await this.#askBack({ sale, itemId, bucket: donor.bucket, units });
    }
    return home;
  }

  /** Tells every bucket of the sale its window, pause, limits and hold time. An older revision changes nothing. */
  async applySettings(sale: Sale): Promise<void> {
    const { store } = this.#parts;
    const calls: Promise<void>[] = [];
    for (const item of sale.items) {
      const settings = bucketSettingsOf(sale, item);
      for (let bucket = 0; bucket < sale.buckets; bucket += 1) {
        calls.push(store.applySettings({ itemId: item.itemId, bucket, epoch: sale.epoch, settings }));
      }
    }
    await Promise.all(calls);
    this.#applied.set(sale.id, versionOf(sale));
  }

  /** Carries on unsettled grants and recalls; answers the units that arrived, by item and bucket. */
  async #resume(sale: Sale, itemId: number | null): Promise<ReadonlyMap<string, number>> {
    const unsettled = await this.#parts.books.listUnsettledGrants({ saleId: sale.id, epoch: sale.epoch });
    const arrived = new Map<string, number>();
    for (const grant of unsettled) {
      if (itemId !== null && grant.itemId !== itemId) continue;
      const key = `${grant.itemId}.${grant.bucket}`;
      arrived.set(key, (arrived.get(key) ?? 0) + (await this.#settle(grant)));
    }
    return arrived;
  }

  /** Grants free units to a bucket and brings them there; 0 = nothing was free. */
  async #grant(request: { sale: Sale; itemId: number; bucket: number; units: number }): Promise<number> {
    const { books, random } = this.#parts;
    const { sale, itemId, bucket, units } = request;
    const address = { saleId: sale.id, itemId, bucket, epoch: sale.epoch };
    const grant = await books.placeGrant({ ...address, grantId: random.id(), units });
    return grant === null ? 0 : await this.#settle(grant);
  }

  /** Brings units of a bucket home to free; answers how many came. */
  async #askBack(request: { sale: Sale; itemId: number; bucket: number; units: number }): Promise<number> {
    const { books, random } = this.#parts;
    const { sale, itemId, bucket, units } = request;
    const address = { saleId: sale.id, itemId, bucket, epoch: sale.epoch };
    const grant = await books.askBack({ ...address, grantId: random.id(), units });
    return grant === null ? 0 : Math.abs(await this.#settle(grant));
  }

  /** The second half of every move, the same for the first time and for the tenth. Answers the units that moved. */
  async #settle(grant: Grant): Promise<number> {
    const { store, books } = this.#parts;
    const { grantId, itemId, bucket, epoch, units } = grant;
    const movedUnits = await store.credit({ itemId, bucket, epoch, creditId: grantId, units, notes: [] });
    await books.settleGrant({ grantId, movedUnits });
    return movedUnits;
  }

  async #levels(sale: Sale, itemId: number): Promise<BucketLevel[]> {
    const buckets = Array.from({ length: sale.buckets }, (_, bucket) => bucket);
    return Promise.all(
      buckets.map(async (bucket) => ({ bucket, left: await this.#levelOf(sale, { itemId, bucket }) })),
    );
  }

  async #levelOf(sale: Sale, address: BucketAddress): Promise<number> {
    const audit = await this.#parts.store.audit(address);
    const { itemId, bucket } = address;
    if (audit === null) throw new Fault("LEDGER_BUCKET_MISSING", { internal: `item ${itemId}, bucket ${bucket}` });
    if (audit.epoch !== sale.epoch) throw new Fault("LEDGER_FENCED", { internal: `bucket in ${audit.epoch}` });
    return audit.available + audit.leased;
  }

  /**
   * Notes of a bucket travel in one call, in order. A replay finds them taken already. A relay that slept may repeat an
   * old note after a newer one; then the bucket's count is too low and Postgres refuses at the commit what it let pass.
   */
  async #deliverNotes(sale: Sale): Promise<void> {
    const { store, books } = this.#parts;
    const notes = await books.listNotes({ saleId: sale.id, epoch: sale.epoch, rowsMax: NOTES_MAX });
    for (const { itemId, bucket, group } of groupNotes(notes, sale.buckets)) {
      const noteIds = group.map((note) => note.noteId);
      const creditId = `notes.${noteIds[0]}.${noteIds.at(-1)}.${noteIds.length}`;
      await store.credit({ itemId, bucket, epoch: sale.epoch, creditId, units: 0, notes: group });
      await books.deleteNotes(noteIds);
    }
  }

  async #placeFree(sale: Sale): Promise<void> {
    const { books } = this.#parts;
    const items = await books.readGrantedItems({ itemIds: sale.items.map(({ itemId }) => itemId) });
    for (const item of items) if (item.epoch === sale.epoch && item.free > 0) await this.#placeFreeOf(sale, item);
  }

  /** One bucket gets everything. Several get small shares where they run low, so that the rest stays free for any. */
  async #placeFreeOf(sale: Sale, item: GrantedItem): Promise<void> {
    const { itemId, free } = item;
    if (sale.buckets === 1) {
      await this.#grant({ sale, itemId, bucket: 0, units: free });
      return;
    }
    const share = shareOf(free, sale.buckets);
    const low = (await this.#levels(sale, itemId)).filter((level) => level.left < share);
    let rest = free;
    for (const { bucket } of low.sort(emptiestFirst)) {
      if (rest <= 0) return;
      rest -= await this.#grant({ sale, itemId, bucket, units: Math.min(share, rest) });
    }
  }
}

/** What a bucket is given at a time when an item has several: half of what would be fair. */
export function shareOf(freeUnits: number, buckets: number): number {
  return buckets === 1 ? freeUnits : Math.max(1, Math.ceil(freeUnits / (2 * buckets)));
}

function versionOf(sale: Sale): string {
  return `${sale.epoch}.${sale.revision}`;
}

function fullestFirst(left: BucketLevel, right: BucketLevel): number {
  return right.left - left.left;
}

function emptiestFirst(left: BucketLevel, right: BucketLevel): number {
  return left.left - right.left;
}

function groupNotes(
  notes: readonly PendingNote[],
  buckets: number,
): { itemId: number; bucket: number; group: PendingNote[] }[] {
  const groups = new Map<string, { itemId: number; bucket: number; group: PendingNote[] }>();
  for (const note of notes) {
    const { itemId } = note;
    const bucket = bucketOf(note.buyerId, buckets);
    const key = `${itemId}.${bucket}`;
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { itemId, bucket, group: [note] });
    else known.group.push(note);
  }
  return [...groups.values()];
}
