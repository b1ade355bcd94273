/**
 * A lane: what this process keeps for one item while its sale matters. Its batcher, its latch, its holders.
 *
 * Lanes are made when an item is first asked for or warmed up, and dropped when its sale leaves the catalogue and nobody
 * waits any more. The answer of every flush goes to the latch before any buyer gets his, so that what one buyer was told
 * is known to the next.
 */
import type { SaleId } from "../../domain/ids.ts";
import { Batcher, type FlushReport } from "../../ledger/batcher.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { Random } from "../../ports/random.ts";
import type { Catalogue, Place } from "../2-window/catalogue.ts";
import { type KeyedHash, keyedHash } from "../keyed-hash.ts";
import { HolderSet } from "./holder-set.ts";
import { SoldOutLatch } from "./latch.ts";

/** See the head of this file. */
export interface Lane {
  readonly saleId: SaleId;
  readonly itemId: number;
  readonly batcher: Batcher;
  readonly latch: SoldOutLatch;
  /** How far the ledger's list of holders was read; "" = not at all. */
  holdersCursor: string;
  /**
   * The holders were read after this process saw the sale paused or closed: who is not among them has no accepted
   * attempt to repeat. False while the sale is open.
   */
  hasFinalHolders: boolean;
}

export interface LanesParts {
  readonly ledger: Ledger;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly random: Random;
  /** Called after each flush, after the latch knows. */
  readonly onFlush: (report: FlushReport) => void;
}

/** All lanes of the process, by item. */
export class Lanes {
  readonly #parts: LanesParts;
  readonly #lanes = new Map<number, Lane>();
  /** Of all holders: what nobody can predict about one set he cannot about any. */
  readonly #hash: KeyedHash;

  constructor(parts: LanesParts) {
    this.#parts = parts;
    this.#hash = keyedHash(parts.random);
  }

  /** The lane of an item; makes it when there is none. */
  laneOf(place: Place): Lane {
    return this.#lanes.get(place.item.itemId) ?? this.#open(place);
  }

  /** The lane of an item, or null when nobody asked for it yet. */
  find(itemId: number): Lane | null {
    return this.#lanes.get(itemId) ?? null;
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Drops lanes of sales that are not in the catalogue any more and have nobody waiting. */
  prune(): void {
    for (const lane of this.#lanes.values()) {
      const isIdle = lane.batcher.pendingCount === 0 && lane.batcher.flightCount === 0;
      if (isIdle && this.#parts.catalogue.find(lane.saleId) === null) this.#lanes.delete(lane.itemId);
    }
  }

  #open(place: Place): Lane {
    const { ledger, catalogue, clock, random } = this.#parts;
    const { sale } = place.entry;
    const { itemId } = place.item;
    const latch = new SoldOutLatch(new HolderSet(this.#hash));
    const batcher = new Batcher({
      ledger,
      clock,
      random,
      saleId: sale.id,
      itemId,
      epoch: () => catalogue.find(sale.id)?.sale.epoch ?? sale.epoch,
      refreshEpoch: () => catalogue.refresh(),
      onFlush: (report) => {
        tellLatch(latch, report);
        this.#parts.onFlush(report);
      },
    });
    const lane: Lane = { saleId: sale.id, itemId, batcher, latch, holdersCursor: "", hasFinalHolders: false };
    this.#lanes.set(itemId, lane);
    return lane;
  }
}

function tellLatch(latch: SoldOutLatch, report: FlushReport): void {
  if (report.answer === null) return;
  for (const [index, attempt] of report.attempts.entries()) {
    if (report.answer.outcomes[index]?.kind === "accepted") latch.holders.add(attempt.buyerId);
  }
  if (report.answer.stock !== null) latch.observe(report.answer.stock, report.askedAtMs);
}
