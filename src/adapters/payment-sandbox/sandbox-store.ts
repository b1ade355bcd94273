/**
 * The sandbox provider's books in SQL: every move of a payment is one statement that also writes its notifications.
 *
 * So a process that dies between a move and its notification cannot exist: both are there, or neither. Each move is
 * guarded by the status it starts from, in the UPDATE itself, so two that race are decided by the row's lock. Statements
 * move many payments at once where a crowd or a clock does. Time comes in from the caller.
 */
import assert from "node:assert";
import type { Database, Statement } from "../../ports/database.ts";
import type { CancelRule, NotifyOptions, SandboxPayment } from "./sandbox-payment.ts";
import { type Announcement, announcing, SANDBOX_PAYMENT_COLUMNS } from "./sandbox-statements.ts";

const SUCCEEDED: readonly Announcement[] = [
  { kind: "payment.succeeded" },
  { kind: "payment.processing", only: "notify_reversed", afterMs: 700 },
];
/** Parameters $3 to $5 replace the way a payment's notifications travel; null leaves it. */
const SET_NOTIFY = `notify_delay_ms = coalesce($3::bigint, notify_delay_ms),
  notify_copies = coalesce($4::integer, notify_copies), notify_reversed = coalesce($5::boolean, notify_reversed)`;

const CREATE: Statement = {
  name: "sandbox_create",
  // An address of the shop may have changed since; everything else is the first request's. The update also makes the
  // loser of two creations at once see the winner's row.
  text: `INSERT INTO sandbox.payment (created_at, updated_at, payment_id, idempotency_key, rid, description, amount,
      currency, return_url, expires_at)
    VALUES ($1::bigint, $1::bigint, $2, $3, $4, $5, $6::bigint, $7, $8, $9::bigint)
    ON CONFLICT (idempotency_key) DO UPDATE SET return_url = EXCLUDED.return_url
    RETURNING ${SANDBOX_PAYMENT_COLUMNS}`,
};
const FIND: Statement = {
  name: "sandbox_find",
  text: `SELECT ${SANDBOX_PAYMENT_COLUMNS} FROM sandbox.payment WHERE payment_id = $2`,
};
const PAY: Statement = {
  name: "sandbox_pay",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'succeeded', captured_amount = coalesce($6::bigint, amount),
       updated_at = $1::bigint, ${SET_NOTIFY}
     WHERE payment_id = ANY ($2::text[]) AND status IN ('open', 'failed') AND expires_at > $1::bigint`,
    SUCCEEDED,
  ),
};
const DECLINE: Statement = {
  name: "sandbox_decline",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'failed', updated_at = $1::bigint, ${SET_NOTIFY}
     WHERE payment_id = ANY ($2::text[]) AND status IN ('open', 'failed') AND expires_at > $1::bigint`,
    [{ kind: "payment.failed" }],
  ),
};
const PAY_LATE: Statement = {
  name: "sandbox_pay_late",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'processing', captures_at = coalesce($6::bigint, expires_at) + $7::bigint,
       cancel_rule = $8, updated_at = $1::bigint, ${SET_NOTIFY}
     WHERE payment_id = ANY ($2::text[]) AND status IN ('open', 'failed') AND expires_at > $1::bigint`,
    [{ kind: "payment.processing", only: "NOT notify_reversed" }],
  ),
};
const CANCEL: Statement = {
  name: "sandbox_cancel",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'cancelled', updated_at = $1::bigint,
       captures_at = CASE WHEN cancel_rule = 'captured_anyway' THEN captures_at END
     WHERE payment_id = $2
       AND (status IN ('open', 'failed') OR (status = 'processing' AND cancel_rule <> 'answers_processing'))`,
    [{ kind: "payment.cancelled" }],
  ),
};
const REFUND: Statement = {
  name: "sandbox_refund",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'refunded', updated_at = $1::bigint
     WHERE payment_id = $2 AND status = 'succeeded' AND captured_amount = $3::bigint AND currency = $4`,
    [{ kind: "payment.refunded" }],
    `, booked AS (INSERT INTO sandbox.refund (idempotency_key, payment_id, amount, created_at)
       SELECT $5, c.payment_id, c.captured_amount, $1::bigint FROM changed c)`,
  ),
};
const FIND_REFUND: Statement = {
  text: "SELECT idempotency_key AS key FROM sandbox.refund WHERE payment_id = $1",
};
const CAPTURE_DUE: Statement = {
  name: "sandbox_capture_due",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'succeeded', captured_amount = amount, captures_at = NULL,
       updated_at = $1::bigint
     WHERE payment_id IN (SELECT p.payment_id FROM sandbox.payment p WHERE p.captures_at <= $1::bigint
       ORDER BY p.captures_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)`,
    SUCCEEDED,
  ),
};
const EXPIRE_DUE: Statement = {
  name: "sandbox_expire_due",
  text: announcing(
    `UPDATE sandbox.payment SET status = 'cancelled', updated_at = $1::bigint
     WHERE payment_id IN (SELECT p.payment_id FROM sandbox.payment p
       WHERE p.status IN ('open', 'failed') AND p.expires_at <= $1::bigint
       ORDER BY p.expires_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)`,
    [{ kind: "payment.cancelled" }],
  ),
};

export interface NewSandboxPayment {
  readonly paymentId: string;
  readonly idempotencyKey: string;
  readonly rid: string;
  readonly description: string;
  readonly amount: number;
  readonly currency: string;
  readonly returnUrl: string;
  readonly expiresAt: number;
}

export interface PaymentsMove {
  readonly paymentIds: readonly string[];
  /** Null leaves the way the notifications travel as it is. */
  readonly notify: NotifyOptions | null;
}

/** When the money of a late payment arrives: counted from now, or from the end of the checkout. */
export interface LateMoney {
  readonly countedFrom: "now" | "expiry";
  readonly delayMs: number;
  readonly cancelRule: CancelRule;
}

/** Payments of the sandbox provider. Every method answers the payments it moved; others were left as they are. */
export class SandboxStore {
  readonly #database: Database;
  readonly #onMove: () => void;

  /** `onMove` is called after a move that may have left notifications to deliver. */
  constructor(database: Database, onMove: () => void) {
    this.#database = database;
    this.#onMove = onMove;
  }

  /** The payment of the key: a new one, or the one that was made before, whatever the other members say; only `returnUrl` is renewed. */
  async create(payment: NewSandboxPayment, nowMs: number): Promise<SandboxPayment> {
    const { paymentId, idempotencyKey, rid, description, amount, currency, returnUrl, expiresAt } = payment;
    const values = [nowMs, paymentId, idempotencyKey, rid, description, amount, currency, returnUrl, expiresAt];
    const [found] = await this.#database.query<SandboxPayment>(CREATE, values);
    assert(found !== undefined, "an upsert answers its row");
    return found;
  }

  async find(paymentId: string, nowMs: number): Promise<SandboxPayment | null> {
    const [found] = await this.#database.query<SandboxPayment>(FIND, [nowMs, paymentId]);
    return found ?? null;
  }

  /** `capturedAmount` null = what the payment asks for; anything else is a provider's error, for tests. */
  pay(move: PaymentsMove & { capturedAmount: number | null }, nowMs: number): Promise<readonly SandboxPayment[]> {
    return this.#move(PAY, [nowMs, move.paymentIds, ...notifyValues(move.notify), move.capturedAmount]);
  }

  decline(move: PaymentsMove, nowMs: number): Promise<readonly SandboxPayment[]> {
    return this.#move(DECLINE, [nowMs, move.paymentIds, ...notifyValues(move.notify)]);
  }

  payLate(move: PaymentsMove & { late: LateMoney }, nowMs: number): Promise<readonly SandboxPayment[]> {
    const { countedFrom, delayMs, cancelRule } = move.late;
    const fromMs = countedFrom === "now" ? nowMs : null;
    const notify = notifyValues(move.notify);
    return this.#move(PAY_LATE, [nowMs, move.paymentIds, ...notify, fromMs, delayMs, cancelRule]);
  }

  /** True when the payment is cancelled by this call. */
  async cancel(paymentId: string, nowMs: number): Promise<boolean> {
    return (await this.#move(CANCEL, [nowMs, paymentId])).length > 0;
  }

  /** True when the refund is booked under this key, now or earlier. */
  async refund(
    refund: { paymentId: string; amount: number; currency: string; key: string },
    nowMs: number,
  ): Promise<boolean> {
    const { paymentId, amount, currency, key } = refund;
    if ((await this.#move(REFUND, [nowMs, paymentId, amount, currency, key])).length > 0) return true;
    const [booked] = await this.#database.query<{ key: string }>(FIND_REFUND, [paymentId]);
    return booked?.key === key;
  }

  /** Money that was on its way and has arrived. */
  captureDue(nowMs: number, rowsMax: number): Promise<readonly SandboxPayment[]> {
    return this.#move(CAPTURE_DUE, [nowMs, rowsMax]);
  }

  /** Unpaid payments whose checkout has expired. */
  expireDue(nowMs: number, rowsMax: number): Promise<readonly SandboxPayment[]> {
    return this.#move(EXPIRE_DUE, [nowMs, rowsMax]);
  }

  async #move(statement: Statement, values: Parameters<Database["query"]>[1]): Promise<readonly SandboxPayment[]> {
    const moved = await this.#database.query<SandboxPayment>(statement, values);
    if (moved.length > 0) this.#onMove();
    return moved;
  }
}

function notifyValues(notify: NotifyOptions | null): readonly [number | null, number | null, boolean | null] {
  return notify === null ? [null, null, null] : [notify.delayMs, notify.copies, notify.reversed];
}
