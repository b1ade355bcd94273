-- The ledger's tables. Postgres is the only authority on who owns a unit; a unit is a right that moves between the
-- columns of one stock row and is never copied, which the CHECKs hold for every code path (docs/spec/ledger.md P1, U1, U2).
-- Instants are bigint milliseconds since the epoch, as in the API.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
  AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE sale (
  id text PRIMARY KEY,
  name text NOT NULL,
  description text,
  image_url text,
  phase text NOT NULL DEFAULT 'scheduled' CHECK (phase IN ('scheduled', 'paused', 'closed')),
  opens_at bigint NOT NULL,
  closes_at bigint NOT NULL,
  closed_at bigint,
  hold_ms integer NOT NULL CHECK (hold_ms > 0),
  per_buyer_max integer NOT NULL CHECK (per_buyer_max > 0),
  challenge text NOT NULL,
  signature text NOT NULL,
  eligibility jsonb NOT NULL,
  mode text NOT NULL DEFAULT 'postgres' CHECK (mode IN ('postgres', 'redis', 'draining', 'warming', 'closed')),
  epoch bigint NOT NULL DEFAULT 1,
  revision bigint NOT NULL DEFAULT 1,
  created_at bigint NOT NULL DEFAULT now_ms(),
  CONSTRAINT window_order CHECK (opens_at < closes_at)
);

CREATE TABLE item (
  item_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sale_id text NOT NULL REFERENCES sale (id),
  sku text NOT NULL,
  name text NOT NULL,
  price_amount bigint NOT NULL CHECK (price_amount >= 0),
  price_currency text NOT NULL,
  per_buyer_max integer NOT NULL CHECK (per_buyer_max > 0),
  position integer NOT NULL,
  UNIQUE (sale_id, sku)
);

-- One hot row an item. fillfactor leaves room for HOT updates: no column of it but the key is indexed.
CREATE TABLE stock (
  item_id integer PRIMARY KEY REFERENCES item (item_id),
  total integer NOT NULL,
  free integer NOT NULL,
  granted integer NOT NULL DEFAULT 0,
  held integer NOT NULL DEFAULT 0,
  sold integer NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  seq bigint NOT NULL DEFAULT 0,
  CONSTRAINT nonneg CHECK (free >= 0 AND granted >= 0 AND held >= 0 AND sold >= 0),
  CONSTRAINT conserve CHECK (free + granted + held + sold = total)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Ids compare as bytes (COLLATE "C"): a language's rules would cost every index twice. No foreign key to item: it would
-- be looked up and locked for each of a batch's rows, and reserve_batch has just read that very item under its lane.
CREATE TABLE orders (
  rid text COLLATE "C" PRIMARY KEY,
  item_id integer NOT NULL,
  sale_id text NOT NULL,
  buyer_id text COLLATE "C" NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  epoch bigint NOT NULL,
  bucket integer NOT NULL DEFAULT 0,
  seq bigint NOT NULL,
  status text NOT NULL CHECK (status IN
    ('held', 'expiring', 'paid', 'expired', 'cancelled', 'void', 'lost', 'refund_due', 'refunded')),
  hold_until bigint NOT NULL,
  amount bigint NOT NULL,
  reason text,
  payment_id text COLLATE "C",
  -- When the sweeper may look again at an order that is expiring or waits for its refund.
  look_at bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  changed_tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  UNIQUE (item_id, epoch, bucket, seq)
) WITH (fillfactor = 80);

CREATE INDEX orders_by_buyer ON orders (buyer_id);
CREATE UNIQUE INDEX orders_by_payment ON orders (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX orders_held ON orders (hold_until) WHERE status = 'held';
CREATE INDEX orders_pending ON orders (look_at) WHERE status IN ('expiring', 'refund_due');

-- The per-buyer limit as a constraint: it holds even if every stage above it is wrong.
CREATE TABLE buyer_hold (
  item_id integer NOT NULL,
  buyer_id text COLLATE "C" NOT NULL,
  quantity integer NOT NULL CHECK (quantity >= 0),
  per_buyer_max integer NOT NULL,
  PRIMARY KEY (item_id, buyer_id),
  CONSTRAINT per_buyer CHECK (quantity <= per_buyer_max)
) WITH (fillfactor = 80);

-- Outbox: one row per transaction that changed reservations; rids[i] belongs to buyer_ids[i].
CREATE TABLE outbox (
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL,
  rids text[] NOT NULL,
  buyer_ids text[] NOT NULL,
  at bigint NOT NULL DEFAULT now_ms(),
  PRIMARY KEY (tx, id)
);

CREATE TABLE stock_adjustment (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item_id integer NOT NULL REFERENCES item (item_id),
  delta integer NOT NULL,
  reason text NOT NULL,
  at bigint NOT NULL DEFAULT now_ms()
);

CREATE TABLE payment_notification (
  provider text NOT NULL,
  notification_id text NOT NULL,
  at bigint NOT NULL DEFAULT now_ms(),
  PRIMARY KEY (provider, notification_id)
);

CREATE TABLE allowlist (
  sale_id text NOT NULL REFERENCES sale (id),
  buyer_id text NOT NULL,
  PRIMARY KEY (sale_id, buyer_id)
);

CREATE TABLE ban (
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('buyer', 'ip')),
  subject text NOT NULL,
  reason text NOT NULL,
  created_at bigint NOT NULL DEFAULT now_ms(),
  expires_at bigint
);
