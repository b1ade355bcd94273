/**
 * Undelivered notifications in SQL: claimed for a moment, then ticked off or put back with a growing delay.
 *
 * A claim is only a due time moved ahead, so what a killed process had in hand comes due again by itself, and several
 * nodes can deliver side by side. Deliveries are therefore at least once, like any real provider's.
 */
import type { Database, Statement } from "../../ports/database.ts";

/** Longer than a batch can take: see courier.ts. */
const CLAIM_MS = 20_000;
/** Between the copies of a notification that is delivered more than once on purpose. */
const NEXT_COPY_MS = 250;
const RETRY_DELAY_MS_MIN = 250;
const RETRY_DELAY_MS_MAX = 30_000;
/** About a day of trying. */
const ATTEMPTS_MAX = 2_900;

const CLAIM: Statement = {
  name: "sandbox_claim",
  text: `UPDATE sandbox.notification SET due_at = $1::bigint + ${CLAIM_MS}, attempts = attempts + 1
    WHERE notification_id IN (SELECT n.notification_id FROM sandbox.notification n
      WHERE n.copies_left > 0 AND n.due_at <= $1::bigint ORDER BY n.due_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)
    RETURNING notification_id AS "notificationId", payment_id AS "paymentId", kind, occurred_at AS "occurredAt"`,
};
const DELIVERED: Statement = {
  name: "sandbox_delivered",
  text: `UPDATE sandbox.notification SET copies_left = copies_left - 1, attempts = 0, due_at = $1::bigint + ${NEXT_COPY_MS}
    WHERE notification_id = ANY ($2::text[]) AND copies_left > 0`,
};
const FAILED: Statement = {
  name: "sandbox_failed",
  text: `UPDATE sandbox.notification SET
      due_at = $1::bigint + (least(${RETRY_DELAY_MS_MAX}, ${RETRY_DELAY_MS_MIN} * power(2, least(attempts, 10))) * $3::float8)::bigint,
      copies_left = CASE WHEN attempts < ${ATTEMPTS_MAX} THEN copies_left ELSE 0 END
    WHERE notification_id = ANY ($2::text[])`,
};
const NEXT_DUE: Statement = {
  name: "sandbox_next_due",
  text: `SELECT least(
    (SELECT min(due_at) FROM sandbox.notification WHERE copies_left > 0),
    (SELECT min(captures_at) FROM sandbox.payment WHERE captures_at IS NOT NULL),
    (SELECT min(expires_at) FROM sandbox.payment WHERE status IN ('open', 'failed'))) AS "dueAt"`,
};
const TRIM: Statement = {
  text: "DELETE FROM sandbox.notification WHERE copies_left = 0 AND occurred_at < $1::bigint",
};

export interface DueNotification {
  readonly notificationId: string;
  readonly paymentId: string;
  readonly kind: string;
  readonly occurredAt: number;
}

export class NotificationStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notifications whose time has come, which nobody else will deliver for a while. */
  claim(nowMs: number, rowsMax: number): Promise<readonly DueNotification[]> {
    return this.#database.query<DueNotification>(CLAIM, [nowMs, rowsMax]);
  }

  async markDelivered(notificationIds: readonly string[], nowMs: number): Promise<void> {
    if (notificationIds.length > 0) await this.#database.query(DELIVERED, [nowMs, notificationIds]);
  }

  /** `jitter` is a factor on the delay before the next try. */
  async markFailed(notificationIds: readonly string[], nowMs: number, jitter: number): Promise<void> {
    if (notificationIds.length > 0) await this.#database.query(FAILED, [nowMs, notificationIds, jitter]);
  }

  /** When the next thing is due: a delivery, arriving money, an expiry. Null when nothing is. */
  async nextDueAt(): Promise<number | null> {
    const [row] = await this.#database.query<{ dueAt: number | null }>(NEXT_DUE);
    return row?.dueAt ?? null;
  }

  /** Forgets deliveries older than the instant. */
  async trim(beforeMs: number): Promise<void> {
    await this.#database.query(TRIM, [beforeMs]);
  }
}
