-- Addresses of the shop that are told about reservations, and how far into the outbox each has been told. The secret
-- that messages are signed with is derived from the deployment's own, so none is kept here.

CREATE TABLE webhook_endpoint (
  id text COLLATE "C" PRIMARY KEY,
  url text NOT NULL CHECK (length(url) <= 2048),
  created_at bigint NOT NULL DEFAULT now_ms(),
  -- The last event that was taken.
  cursor_tx xid8 NOT NULL DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
  cursor_row bigint NOT NULL DEFAULT 0,
  failures_in_row integer NOT NULL DEFAULT 0,
  last_failure text,
  delivered_at bigint,
  -- Not tried before, and nobody else's until.
  due_at bigint NOT NULL DEFAULT 0,
  claimant text,
  claimed_until bigint NOT NULL DEFAULT 0
);
