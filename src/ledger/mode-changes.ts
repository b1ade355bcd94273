/**
 * The ways from one mode of a sale to another, each of them safe to be left half done: see conductor.ts for when.
 *
 *     enter           fence → warming, buckets prepared and filled, units granted, → redis, gates open
 *     degrade         gates shut where they answer, → draining, streams drained, fence → postgres
 *     finish          the same for a sale that is over, with all the time it takes
 *     closeRolledBack gates shut, fence → closed: only an operator's recovery leads on
 *
 * Moves no unit itself: the fence brings units home, the relay carries them out.
 */
import { Fault, isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { ROLLED_BACK } from "../orders/stream-recovery.ts";
import type { Books, LedgerState } from "../ports/books.ts";
import type { BucketAddress, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Leadership } from "../ports/leadership.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import type { BucketAuditor } from "./bucket-auditor.ts";
import type { Relay } from "./relay.ts";
import { warmUpBuckets } from "./warm-up.ts";

/** Why a sale that is over is drained. */
const OVER = "the sale is over";
/** Nobody sells meanwhile: what takes longer is given up. */
export const WARM_UP_MS_MAX = 30_000;
/** Nobody buys any more: the last acceptances get this long to become orders. */
export const FINISH_MS_MAX = 60_000;
/** Acceptances that came too late for the drain are looked for this long before the buckets are deleted. */
export const REMOVE_AFTER_MS = 60_000;

export interface ModeChangesParts {
  readonly store: BucketStore;
  readonly books: Books;
  readonly relay: Relay;
  readonly sales: SaleDirectory;
  readonly leadership: Pick<Leadership, "isHeld">;
  readonly drain: (sale: Sale) => Promise<void>;
  readonly auditor: BucketAuditor;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the head of this file. The sale that is handed in has the mode and the epoch that the books have. */
export class ModeChanges {
  readonly #parts: ModeChangesParts;
  /** Sales whose buckets this process has deleted, by their epoch. */
  readonly #removed = new Map<SaleId, number>();
  #isStopping = false;

  constructor(parts: ModeChangesParts) {
    this.#parts = parts;
  }

  /** What was begun is given up at the next step that can be left. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Moves a sale into redis mode. When its buckets cannot be made ready it is in postgres mode again, with the reason. */
  async enter(sale: Sale, reason: string): Promise<void> {
    // Entering makes the buckets anew: if they are from a future that Postgres has forgotten, this is the last look at it.
    const proof = await this.findForgotten(sale);
    if (proof !== null) return this.closeRolledBack(sale, proof);
    const isOurs = await this.#parts.books.fence({
      saleId: sale.id,
      seenEpoch: sale.epoch,
      from: [sale.mode],
      mode: "warming",
      reason,
    });
    if (!isOurs) return;
    const epoch = sale.epoch + 1;
    try {
      const fresh = await this.#reread(sale.id);
      const warming: Sale = { ...(fresh ?? sale), mode: "warming", epoch, buckets: sale.buckets };
      if (await this.#tryWarmUp(warming)) await this.#open(warming, reason);
    } finally {
      await this.#reread(sale.id);
    }
  }

  async #tryWarmUp(warming: Sale): Promise<boolean> {
    const { books, log } = this.#parts;
    const { id: saleId, epoch } = warming;
    try {
      await this.#warmUp(warming);
      return true;
    } catch (error) {
      const text = `the buckets could not be made ready: ${error instanceof Error ? error.message : String(error)}`;
      log.warn({ saleId, epoch, error }, "a sale could not enter redis mode; it goes on in postgres mode");
      await books.fence({ saleId, seenEpoch: epoch, from: ["warming"], mode: "postgres", reason: text });
      if (!isFault(error)) throw error;
      return false;
    }
  }

  /**
   * From here on somebody may have bought, so nothing is taken back on an error: whether the mode was changed, and which
   * gate is open, the next pass finds out and completes.
   */
  async #open(warming: Sale, reason: string): Promise<void> {
    const { id: saleId, epoch } = warming;
    if (!(await this.#parts.books.changeMode({ saleId, epoch, from: "warming", to: "redis", reason }))) return;
    await this.#setGates(warming, true);
    this.#parts.log.info({ saleId, epoch, reason }, "a sale is in redis mode");
  }

  /** Somebody died while warming. What is in the buckets is not known, so it starts anew, or selling goes on without. */
  async takeOverWarming(sale: Sale, now: { readonly isWell: boolean }): Promise<void> {
    const reason = "a conductor ended while the buckets were being made ready";
    if (now.isWell) return this.enter(sale, reason);
    const { id: saleId, epoch: seenEpoch } = sale;
    await this.#parts.books.fence({ saleId, seenEpoch, from: ["warming"], mode: "postgres", reason });
    await this.#reread(sale.id);
  }

  /** Redis cannot be trusted or reached: stop selling there, save what can be saved, go on in Postgres. */
  async degrade(sale: Sale, reason: string, now: { readonly isSeen: boolean }): Promise<void> {
    const { books, log } = this.#parts;
    log.error({ saleId: sale.id, epoch: sale.epoch, reason }, "a sale leaves redis mode");
    const isOurs = await books.changeMode({
      saleId: sale.id,
      epoch: sale.epoch,
      from: "redis",
      to: "draining",
      reason,
    });
    if (isOurs) await this.#drainAndFence({ ...sale, mode: "draining" }, { reason, ...now });
  }

  /** The sale is over: nobody accepts any more, and everything accepted becomes an order. */
  async finish(sale: Sale): Promise<void> {
    const { saleId, epoch } = { saleId: sale.id, epoch: sale.epoch };
    await this.#parts.books.changeMode({ saleId, epoch, from: "redis", to: "draining", reason: OVER });
    await this.#reread(saleId);
  }

  /** Carries a sale that drains on to postgres mode, whoever began it. */
  async drainAndFence(sale: Sale, state: LedgerState, now: { readonly isSeen: boolean }): Promise<void> {
    const isPatient = state.modeReason === OVER && state.nowMs - state.modeSinceMs < FINISH_MS_MAX;
    if (isPatient && now.isSeen && !(await this.#isEverythingCommitted(sale))) return;
    await this.#drainAndFence(sale, { reason: state.modeReason, isSeen: now.isSeen });
  }

  /** Postgres lacks what it had: only its operator can say what to do. Nobody sells until then. */
  async closeRolledBack(sale: Sale, proof: string): Promise<void> {
    const { books, log } = this.#parts;
    const reason = `${ROLLED_BACK}: ${proof}`;
    const { id: saleId, epoch: seenEpoch, mode } = sale;
    await this.#shutGates(sale);
    // Who acts on an old copy of the sale proves nothing, and is refused here.
    if (await books.fence({ saleId, seenEpoch, from: [mode], mode: "closed", reason })) {
      log.error({ saleId, epoch: seenEpoch, proof }, "PostgreSQL went back in time; the sale is stopped");
    }
    await this.#reread(sale.id);
  }

  /**
   * The proof that Postgres has forgotten, in words; null when there is none: a bucket in an epoch that Postgres has not
   * reached, or one that has sold in an epoch in which Postgres, by its own word, has not begun to.
   */
  async findForgotten(sale: Sale): Promise<string | null> {
    for (const address of bucketsOf(sale)) {
      const audit = await this.#parts.store.audit(address);
      if (audit === null || audit.epoch < sale.epoch) continue;
      const name = `bucket ${address.bucket} of item ${address.itemId}`;
      if (audit.epoch > sale.epoch) return `${name} is in epoch ${audit.epoch}, Postgres in ${sale.epoch}`;
      // The mode is changed before the first gate opens.
      if (audit.isOpen || audit.seq > 0) return `${name} sells in epoch ${audit.epoch}, which Postgres only prepares`;
    }
    return null;
  }

  /** A sale that is over and home needs no buckets; they stay a while for acceptances that came too late. */
  async tidyUp(sale: Sale, state: LedgerState): Promise<void> {
    const { store, log } = this.#parts;
    if (sale.epoch === 1 || this.#removed.get(sale.id) === sale.epoch) return;
    if (state.nowMs - state.modeSinceMs < REMOVE_AFTER_MS) return;
    for (const address of bucketsOf(sale)) await store.remove({ ...address, epoch: sale.epoch });
    this.#removed.set(sale.id, sale.epoch);
    log.info({ saleId: sale.id }, "the buckets of a sale that is over were deleted");
  }

  async #warmUp(sale: Sale): Promise<void> {
    const { clock, leadership } = this.#parts;
    const deadlineMs = clock.monotonicMs() + WARM_UP_MS_MAX;
    const giveUp = (internal: string): never => {
      throw new Fault("LEDGER_UNAVAILABLE", { internal });
    };
    await warmUpBuckets(sale, {
      ...this.#parts,
      check: () => {
        if (this.#isStopping || !leadership.isHeld) giveUp("this process conducts no more");
        if (clock.monotonicMs() > deadlineMs) giveUp(`it took longer than ${WARM_UP_MS_MAX} ms`);
      },
    });
  }

  async #drainAndFence(sale: Sale, how: { readonly reason: string; readonly isSeen: boolean }): Promise<void> {
    const { books, drain, log } = this.#parts;
    // It may be back since the look that missed it, and have accepted something.
    if (how.isSeen || (await this.#isAnswering())) {
      await this.#shutGates(sale);
      try {
        await drain(sale);
      } catch (error) {
        if (!isFault(error)) throw error;
        log.warn({ saleId: sale.id, epoch: sale.epoch, error }, "not everything could be drained before the fence");
      }
    }
    const { reason } = how;
    const { id: saleId, epoch: seenEpoch } = sale;
    const isOurs = await books.fence({ saleId, seenEpoch, from: ["draining"], mode: "postgres", reason });
    if (isOurs) log.info({ saleId: sale.id, epoch: sale.epoch + 1, reason }, "a sale is in postgres mode");
    await this.#reread(sale.id);
  }

  async #isAnswering(): Promise<boolean> {
    try {
      await this.#parts.store.health();
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      return false;
    }
  }

  /** Nothing is left between the buckets and Postgres. The gates are shut first: then it stays so. */
  async #isEverythingCommitted(sale: Sale): Promise<boolean> {
    const { drain, auditor, log } = this.#parts;
    try {
      await this.#setGates(sale, false);
      await drain(sale);
      const report = await auditor.check(sale.id);
      return report?.items.every((item) => item.uncommitted === 0) ?? true;
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug({ saleId: sale.id, error }, "the last acceptances of a sale are not committed yet");
      return false;
    }
  }

  /** Where they answer: a gate that stays open is harmless, because the fence refuses what still comes through it. */
  async #shutGates(sale: Sale): Promise<void> {
    try {
      await this.#setGates(sale, false);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#parts.log.debug({ saleId: sale.id, error }, "not every gate could be shut");
    }
  }

  async #setGates(sale: Sale, isOpen: boolean): Promise<void> {
    const { store } = this.#parts;
    const calls = bucketsOf(sale).map((address) => store.setGate({ ...address, epoch: sale.epoch, isOpen }));
    const settled = await Promise.allSettled(calls);
    for (const result of settled) if (result.status === "rejected") throw result.reason;
  }

  /** The other nodes hear of it by the change feed; this one asks. An old copy is harmless, so a failure is too. */
  async #reread(saleId: SaleId): Promise<Sale | null> {
    const { sales, log } = this.#parts;
    try {
      await sales.refresh();
    } catch (error) {
      log.debug({ saleId, error }, "the sales could not be read again");
    }
    return sales.findSale(saleId);
  }
}

function bucketsOf(sale: Sale): readonly BucketAddress[] {
  return sale.items.flatMap(({ itemId }) => Array.from({ length: sale.buckets }, (_, bucket) => ({ itemId, bucket })));
}
