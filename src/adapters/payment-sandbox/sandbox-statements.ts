/**
 * Building blocks of the sandbox's statements: the columns of a payment, and "move payments and announce it".
 *
 * Only constants of this folder are ever joined into SQL; everything else is a parameter. `$1` is always the present.
 */

/** A payment as the code sees it; one that is unpaid past its expiry already shows as cancelled. */
export const SANDBOX_PAYMENT_COLUMNS = `payment_id AS "paymentId", rid, description, amount, currency,
  return_url AS "returnUrl", captured_amount AS "capturedAmount", captures_at AS "capturesAt",
  cancel_rule AS "cancelRule", expires_at AS "expiresAt",
  created_at AS "createdAt",
  CASE WHEN status IN ('open', 'failed') AND expires_at <= $1::bigint THEN 'cancelled' ELSE status END AS status`;

/** A notification that a move writes for each payment it changed. */
export interface Announcement {
  readonly kind:
    | "payment.processing"
    | "payment.succeeded"
    | "payment.failed"
    | "payment.cancelled"
    | "payment.refunded";
  /** A condition on the payment's columns; without one it is always written. */
  readonly only?: "notify_reversed" | "NOT notify_reversed";
  /** Later than the payment's own delay by this much. */
  readonly afterMs?: number;
}

/** One statement: the update, its notifications, anything else that belongs to it; answers the changed payments. */
export function announcing(update: string, announcements: readonly Announcement[], more = ""): string {
  const told = announcements
    .map(
      ({ kind, only = "", afterMs = 0 }) => `SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), payment_id,
        '${kind}', $1::bigint, $1::bigint + notify_delay_ms + ${afterMs}, notify_copies FROM changed
        ${only === "" ? "" : `WHERE ${only}`}`,
    )
    .join(" UNION ALL ");
  return `WITH changed AS (${update} RETURNING *), told AS (
    INSERT INTO sandbox.notification (notification_id, payment_id, kind, occurred_at, due_at, copies_left) ${told}
  )${more} SELECT ${SANDBOX_PAYMENT_COLUMNS} FROM changed`;
}
