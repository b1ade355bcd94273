/**
 * Turns accepted rows into orders: one transaction for a batch, and one row's fault never costs another row its order.
 *
 *     committed, known      decided
 *     seq_taken             another reservation has the number: Redis went back in time; alarm, nothing moves
 *     fenced                the epoch is over; the fence has already brought the units home
 *     unknown, conflict     the same rows again, later: that is what the rid is for
 *     refused               halved until one row is left; that one is void (limit, over_issue, poison)
 *
 * The one thing to know: nothing is ever compensated on an error path. Whether a commit happened is found out by
 * committing the same rows again. Reading, acknowledging and telling anybody is left to the caller.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Books, CommitRow, VoidReason } from "../ports/books.ts";
import type { BucketEpoch } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SaleAlarm } from "./sale-alarm.ts";

const RETRY_DELAY_MS_MIN = 20;
const RETRY_DELAY_MS_MAX = 2_000;

/** What became of a row. `holdUntil` null: it is an order already, how it stands is in Postgres. */
export type RowFate =
  | { readonly kind: "committed"; readonly holdUntil: number }
  | { readonly kind: "known" | "void" | "seq_taken" | "fenced" };

export interface RowBatch extends BucketEpoch {
  readonly saleId: SaleId;
  /** At most COMMIT_ROWS_MAX; rids are unique. */
  readonly rows: readonly CommitRow[];
  /** False ends the repetition after the database gave no answer: the call then throws what the database threw. */
  readonly isWanted: () => boolean;
  /** The longest pause between two tries, before jitter; 2 s when absent. */
  readonly retryDelayMsMax?: number;
}

export interface CommitterParts {
  readonly books: Pick<Books, "commitBatch" | "voidRow" | "voidSeq" | "recordDeadLetter">;
  readonly alarm: SaleAlarm;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** See the head of this file. */
export class BatchCommitter {
  readonly #parts: CommitterParts;
  #waitingCount = 0;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** True while a commit waits for a database that gave no answer: then nothing more should be read. */
  get isDatabaseAway(): boolean {
    return this.#waitingCount > 0;
  }

  /** The fates in the order of the rows. Repeats until the database answers or the batch is not wanted any more. */
  async commit(batch: RowBatch): Promise<readonly RowFate[]> {
    if (batch.rows.length === 0) return [];
    try {
      const outcome = await this.#persistently(batch, () => this.#parts.books.commitBatch(batch));
      if (outcome.kind === "fenced") return batch.rows.map(() => ({ kind: "fenced" }));
      const fates = batch.rows.map((_row, index) => fateOf(outcome.verdicts[index], outcome.holdUntil[index]));
      const taken = batch.rows.filter((_row, index) => fates[index]?.kind === "seq_taken");
      if (taken.length > 0) await this.#alarmSeqTaken(batch, taken);
      return fates;
    } catch (error) {
      if (!isFault(error, "DATABASE_REFUSED")) throw error;
      return this.#halve(batch, error);
    }
  }

  async #halve(batch: RowBatch, refusal: unknown): Promise<readonly RowFate[]> {
    const [row] = batch.rows;
    if (batch.rows.length === 1 && row !== undefined) return [await this.#void(batch, row, refusal)];
    const half = Math.ceil(batch.rows.length / 2);
    const first = await this.commit({ ...batch, rows: batch.rows.slice(0, half) });
    const second = await this.commit({ ...batch, rows: batch.rows.slice(half) });
    return [...first, ...second];
  }

  /** One row that the database refuses by itself. */
  async #void(batch: RowBatch, row: CommitRow, refusal: unknown): Promise<RowFate> {
    const { books, alarm, log } = this.#parts;
    const constraint = constraintOf(refusal);
    const reason: VoidReason = constraint === "nonneg" ? "over_issue" : constraint === "per_buyer" ? "limit" : "poison";
    const { saleId, itemId, bucket, epoch } = batch;
    log.warn({ saleId, itemId, bucket, epoch, seq: row.seq, rid: row.rid, reason, error: refusal }, "a row is void");
    if (reason === "over_issue") {
      await alarm.raise({ saleId, epoch, reason: `over_issue: number ${row.seq} of bucket ${bucket} had no unit` });
    }
    if (reason === "poison") {
      const text = JSON.stringify(row);
      const error = refusal instanceof Error ? refusal.message : String(refusal);
      await this.#persistently(batch, () =>
        books.recordDeadLetter({ itemId, bucket, epoch, seq: row.seq, text, error }),
      );
    }
    await this.#voidWithFallback(batch, row, reason);
    return { kind: "void" };
  }

  /** A row so bad that not even its end can be written under its own name gives its units back by its number alone. */
  async #voidWithFallback(batch: RowBatch, row: CommitRow, reason: VoidReason): Promise<void> {
    const { books, alarm, log } = this.#parts;
    const { saleId, itemId, bucket, epoch } = batch;
    const address = { saleId, itemId, bucket, epoch };
    try {
      await this.#persistently(batch, () => books.voidRow({ ...address, row, reason }));
    } catch (error) {
      if (!isFault(error, "DATABASE_REFUSED")) throw error;
      // No unit is granted for it either: then it ends by name all the same, and gives none back.
      if (reason !== "over_issue" && constraintOf(error) === "nonneg") {
        await alarm.raise({ saleId, epoch, reason: `over_issue: number ${row.seq} of bucket ${bucket} had no unit` });
        await this.#voidWithFallback(batch, row, "over_issue");
        return;
      }
      log.error({ ...address, seq: row.seq, reason, error }, "a row cannot be voided by name; its number is voided");
      if (reason === "over_issue") return;
      await this.#voidNumber(batch, row);
    }
  }

  async #voidNumber(batch: RowBatch, row: CommitRow): Promise<void> {
    const { books, alarm, log } = this.#parts;
    const { saleId, itemId, bucket, epoch } = batch;
    try {
      const { seq, quantity } = row;
      await this.#persistently(batch, () => books.voidSeq({ saleId, itemId, bucket, epoch, seq, quantity }));
    } catch (error) {
      if (!isFault(error, "DATABASE_REFUSED")) throw error;
      log.error({ saleId, itemId, bucket, epoch, seq: row.seq, error }, "a number cannot be voided either");
      await alarm.raise({ saleId, epoch, reason: `over_issue: number ${row.seq} of bucket ${bucket} had no unit` });
    }
  }

  async #alarmSeqTaken(batch: RowBatch, taken: readonly CommitRow[]): Promise<void> {
    const numbers = taken.slice(0, 5).map((row) => row.seq);
    await this.#parts.alarm.raise({
      saleId: batch.saleId,
      epoch: batch.epoch,
      reason: `seq_taken: Redis gave out number ${numbers.join(", ")} of bucket ${batch.bucket} twice`,
    });
  }

  /** Repeats a call whose outcome is unknown or that lost against another, ever more seldom and never in step. */
  async #persistently<Answer>(batch: RowBatch, call: () => Promise<Answer>): Promise<Answer> {
    const { clock, random, log } = this.#parts;
    let delayMs = RETRY_DELAY_MS_MIN;
    let isWaiting = false;
    try {
      for (;;) {
        try {
          return await call();
        } catch (error) {
          if (!isFault(error) || !error.retryable || !batch.isWanted()) throw error;
          if (!isWaiting && error.code === "DATABASE_UNAVAILABLE") {
            isWaiting = true;
            this.#waitingCount += 1;
            log.warn({ saleId: batch.saleId, rows: batch.rows.length, error }, "a commit has no answer; sent again");
          }
          const waitMs = delayMs * (0.5 + random.fraction());
          await new Promise<void>((resolve) => clock.setTimer(waitMs, resolve));
          delayMs = Math.min(delayMs * 2, batch.retryDelayMsMax ?? RETRY_DELAY_MS_MAX);
          if (!batch.isWanted()) throw error;
        }
      }
    } finally {
      if (isWaiting) this.#waitingCount -= 1;
    }
  }
}

/** The constraint that PostgreSQL named when it refused; null when there was none. */
function constraintOf(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : null;
  if (typeof cause !== "object" || cause === null || !("constraint" in cause)) return null;
  return typeof cause.constraint === "string" ? cause.constraint : null;
}

function fateOf(verdict: string | undefined, holdUntil: number | undefined): RowFate {
  if (verdict === "committed") return { kind: "committed", holdUntil: holdUntil ?? 0 };
  if (verdict === "known" || verdict === "seq_taken") return { kind: verdict };
  throw new Error(`The books answered ${verdict} for a row.`);
}
