-- The sandbox provider's own books. Nothing of Doorbuster reads these tables: it knows the provider only through its
-- port and its notifications, as it would know a real one. Times are milliseconds since the epoch.

CREATE TABLE sandbox.payment (
  payment_id text PRIMARY KEY,
  idempotency_key text NOT NULL UNIQUE,
  rid text NOT NULL,
  description text NOT NULL,
  amount bigint NOT NULL CHECK (amount >= 0),
  currency text NOT NULL,
  return_url text NOT NULL,
  status text NOT NULL DEFAULT 'open'
    CHECK (status IN ('open', 'processing', 'succeeded', 'failed', 'cancelled', 'refunded')),
  -- What was really taken; differs from amount only when a test asked for it.
  captured_amount bigint CHECK (captured_amount >= 0),
  -- When money on its way arrives; null when none is.
  captures_at bigint,
  -- What a cancellation does to money on its way. Only the last one is a misbehaviour.
  cancel_rule text NOT NULL DEFAULT 'stops'
    CHECK (cancel_rule IN ('stops', 'answers_processing', 'captured_anyway')),
  notify_delay_ms bigint NOT NULL DEFAULT 0 CHECK (notify_delay_ms >= 0),
  notify_copies integer NOT NULL DEFAULT 1 CHECK (notify_copies BETWEEN 1 AND 10),
  notify_reversed boolean NOT NULL DEFAULT false,
  expires_at bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  CHECK ((status IN ('succeeded', 'refunded')) = (captured_amount IS NOT NULL))
);
CREATE INDEX payment_captures ON sandbox.payment (captures_at) WHERE captures_at IS NOT NULL;
CREATE INDEX payment_expires ON sandbox.payment (expires_at) WHERE status IN ('open', 'failed');

CREATE TABLE sandbox.refund (
  idempotency_key text PRIMARY KEY,
  payment_id text NOT NULL UNIQUE REFERENCES sandbox.payment,
  amount bigint NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE sandbox.notification (
  notification_id text PRIMARY KEY,
  payment_id text NOT NULL,
  kind text NOT NULL,
  occurred_at bigint NOT NULL,
  -- When the next delivery is due; moved ahead while one is under way, so that a crash only delays it.
  due_at bigint NOT NULL,
  copies_left integer NOT NULL CHECK (copies_left >= 0),
  attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX notification_due ON sandbox.notification (due_at) WHERE copies_left > 0;
CREATE INDEX notification_age ON sandbox.notification (occurred_at);
