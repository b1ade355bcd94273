/**
 * Keeps the latches true: asks the ledger for the stock and the holders that they need.
 *
 * Once a second, and when the change feed hints, it reads the stock of all items of open sales in one call; that
 * confirms or opens latches that turn everybody away and would otherwise never hear of the ledger again. It reads the
 * holders of an item when its latch is about to close and while its sale is paused or just closed. A read that fails
 * changes nothing: unconfirmed latches let attempts through by themselves.
 */
import { isFault } from "../../domain/faults.ts";
import { firstOpensAt, saleStateAt } from "../../domain/sale.ts";
import type { ChangeFeed } from "../../ports/change-feed.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { Catalogue } from "../2-window/catalogue.ts";
import { REPEATS_AFTER_CLOSE_MS } from "../2-window/window.ts";
import type { Lane, Lanes } from "./lane.ts";

/** Half of what a latch may go unconfirmed. */
export const KEEP_INTERVAL_MS = 1_000;
/** Holders in one answer of the ledger. */
export const HOLDERS_PAGE_MAX = 5_000;
/** Pages in one pass; the next pass goes on from there. */
const HOLDERS_PAGES_MAX = 1_000;
/** Lanes are made this long before their sale opens, so that the first second finds them ready. */
const WARM_BEFORE_OPEN_MS = 60_000;
/** Wakes by flushes that came up empty: at the end of a sale every one of them does. */
export const WAKE_INTERVAL_MS = 100;
/** A node that starts while Redis is away waits until the sale has moved to PostgreSQL; longer is somebody else's fault. */
export const FIRST_PASS_WITHIN_MS = 20_000;
const FIRST_PASS_RETRY_MS = 250;
/** One pass; a read that hangs must not stop the keeper for ever. */
const PASS_DEADLINE_MS = 5_000;

export interface LatchKeeperParts {
  readonly ledger: Pick<Ledger, "readStock" | "readHolders">;
  readonly catalogue: Catalogue;
  readonly lanes: Lanes;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the head of this file. */
export class LatchKeeper {
  readonly #parts: LatchKeeperParts;
  #running: Promise<void> | null = null;
  #isWanted = false;
  #isStopped = true;
  #cancelTimer: (() => void) | null = null;
  #cancelWake: (() => void) | null = null;
  #passedAtMs = Number.NEGATIVE_INFINITY;
  readonly #unsubscribes: (() => void)[] = [];

  constructor(parts: LatchKeeperParts) {
    this.#parts = parts;
  }

  /**
   * Resolves after the first pass, because a latch must be loaded before the node is ready. Tries again for a while where
   * that can help, and throws what the last try threw.
   */
  async start(): Promise<void> {
    this.#isStopped = false;
    await this.#firstPass();
    this.#unsubscribes.push(
      this.#parts.feed.subscribe((hint) => {
        const lane = hint.topic === "stock" ? this.#parts.lanes.find(hint.itemId) : null;
        if (lane === null) return;
        lane.latch.doubt(this.#parts.clock.monotonicMs());
        this.wake();
      }),
      this.#parts.catalogue.onRefresh(() => this.#noticeStates()),
    );
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#cancelWake?.();
    this.#cancelWake = null;
    await this.#running;
  }

  /** Asks for a pass within {@link WAKE_INTERVAL_MS}: at once when the last one is that long ago. */
  wakeSoon(): void {
    if (this.#isStopped || this.#cancelWake !== null) return;
    const { clock } = this.#parts;
    const delayMs = this.#passedAtMs + WAKE_INTERVAL_MS - clock.monotonicMs();
    if (delayMs <= 0) {
      this.wake();
      return;
    }
    this.#cancelWake = clock.setTimer(delayMs, () => {
      this.#cancelWake = null;
      this.wake();
    });
  }

  /** Asks for a pass soon: at once, or after the one that runs. */
  wake(): void {
    if (this.#isStopped) return;
    if (this.#running !== null) {
      this.#isWanted = true;
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#running = this.#passQuietly().finally(() => {
      this.#running = null;
      if (this.#isWanted) {
        this.#isWanted = false;
        this.wake();
      } else {
        this.#schedule();
      }
    });
  }

  #schedule(): void {
    if (this.#isStopped || this.#cancelTimer !== null) return;
    this.#cancelTimer = this.#parts.clock.setTimer(KEEP_INTERVAL_MS, () => {
      this.#cancelTimer = null;
      this.wake();
    });
  }

  async #firstPass(): Promise<void> {
    const { clock, log } = this.#parts;
    const deadlineMs = clock.monotonicMs() + FIRST_PASS_WITHIN_MS;
    for (;;) {
      try {
        return await this.#pass();
      } catch (error) {
        if (!isFault(error) || !error.retryable || clock.monotonicMs() >= deadlineMs || this.#isStopped) throw error;
        log.debug({ error }, "the stock cannot be read yet; the node is ready when it can");
      }
      await new Promise<void>((resolve) => clock.setTimer(FIRST_PASS_RETRY_MS, resolve));
    }
  }

  async #passQuietly(): Promise<void> {
    try {
      await this.#withDeadline(this.#pass());
    } catch (error) {
      this.#parts.log.warn({ error }, "the stock could not be read; latches open by themselves when unconfirmed");
    }
  }

  #withDeadline(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.setTimer(PASS_DEADLINE_MS, () => reject(new Error("no answer in time")));
      work.then(resolve, reject).finally(cancel);
    });
  }

  async #pass(): Promise<void> {
    this.#passedAtMs = this.#parts.clock.monotonicMs();
    this.#parts.lanes.prune();
    this.#noticeStates();
    await this.#readStock();
    // One item whose holders cannot be read is no reason to leave the others' unread.
    let failure: unknown = null;
    for (const lane of this.#parts.lanes.all()) {
      await this.#readHoldersOf(lane).catch((error: unknown) => {
        failure ??= error;
      });
    }
    if (failure !== null) throw failure;
  }

  /** Makes lanes ahead of time, and notes which sales went back to being open. */
  #noticeStates(): void {
    const { catalogue, lanes, clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (const entry of catalogue.entries()) {
      const opensAt = firstOpensAt(entry.sale);
      const state = saleStateAt(entry.sale, nowMs, opensAt);
      const isNear = state === "open" || state === "paused" || opensAt - nowMs < WARM_BEFORE_OPEN_MS;
      for (const place of entry.places.values()) {
        const lane = isNear && state !== "closed" ? lanes.laneOf(place) : lanes.find(place.item.itemId);
        if (lane !== null && (state === "open" || state === "scheduled")) lane.hasFinalHolders = false;
      }
    }
  }

  async #readStock(): Promise<void> {
    const { ledger, lanes, clock } = this.#parts;
    const itemIds = Array.from(lanes.all(), (lane) => lane.itemId);
    if (itemIds.length === 0) return;
    const askedAtMs = clock.monotonicMs();
    for (const stock of await ledger.readStock(itemIds)) lanes.find(stock.itemId)?.latch.observe(stock, askedAtMs);
  }

  async #readHoldersOf(lane: Lane): Promise<void> {
    const wanted = lane.latch.holdersWanted;
    const isPending = this.#isPending(lane);
    if (wanted === null && !isPending) return;
    const isComplete = await this.#readPages(lane);
    if (!isComplete) return;
    if (wanted !== null) lane.latch.holdersRead(wanted);
    // Only if it is still so: it may have been resumed, and paused again, while the pages were read.
    if (isPending && this.#isPending(lane)) lane.hasFinalHolders = true;
  }

  /** Paused, or closed so recently that repeats still get their answer. */
  #isPending(lane: Lane): boolean {
    const { catalogue, clock } = this.#parts;
    const sale = catalogue.findSale(lane.saleId);
    if (sale === null) return false;
    const nowMs = clock.nowMs();
    const state = saleStateAt(sale, nowMs);
    const closedAtMs = Math.min(sale.closedAt ?? Number.POSITIVE_INFINITY, sale.closesAt);
    return state === "paused" || (state === "closed" && nowMs - closedAtMs < REPEATS_AFTER_CLOSE_MS);
  }

  /** True when everybody there is to read was read. */
  async #readPages(lane: Lane): Promise<boolean> {
    const { ledger } = this.#parts;
    for (let pages = 0; pages < HOLDERS_PAGES_MAX; pages += 1) {
      const request = { itemId: lane.itemId, cursor: lane.holdersCursor, rowsMax: HOLDERS_PAGE_MAX };
      const page = await ledger.readHolders(request);
      for (const buyerId of page.buyerIds) lane.latch.holders.add(buyerId);
      const isLast = page.cursor === lane.holdersCursor;
      lane.holdersCursor = page.cursor;
      if (isLast) return true;
    }
    return false;
  }
}
