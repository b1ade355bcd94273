-- The books of the redis ledger: what Postgres lent to which bucket, what buckets have still to be told, who reports and
-- who leads (docs/spec/redis-ledger.md). Buckets decide, these tables own: a bucket that forgets loses nothing.

-- Transfers of units between `stock.granted` and a bucket. `moved` is what counts (P2: granted = Σ moved of the epoch's rows
-- that are not void − Σ units of its orders). A grant counts from the start, a recall when its bucket has answered:
-- both times the source is debited first, so units on their way are in neither place.
CREATE TABLE grant_log (
  grant_id text COLLATE "C" PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY,
  sale_id text NOT NULL,
  item_id integer NOT NULL,
  bucket integer NOT NULL,
  epoch bigint NOT NULL,
  -- Positive: granted. Negative: asked back.
  units integer NOT NULL CHECK (units <> 0),
  moved integer NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'settled', 'void')),
  at bigint NOT NULL DEFAULT now_ms(),
  CONSTRAINT moved_within_units CHECK (moved BETWEEN least(units, 0) AND greatest(units, 0))
);
CREATE INDEX grant_log_by_bucket ON grant_log (item_id, epoch, bucket) INCLUDE (moved) WHERE state <> 'void';
CREATE INDEX grant_log_open ON grant_log (sale_id, epoch, number) WHERE state = 'open';

-- Ends and returns of reservations while buckets remember them, in the order in which they happened. Dropped by the fence.
CREATE TABLE bucket_note (
  note_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sale_id text NOT NULL,
  item_id integer NOT NULL,
  epoch bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ended', 'reacquired')),
  rid text COLLATE "C" NOT NULL,
  buyer_id text COLLATE "C" NOT NULL,
  quantity integer NOT NULL
);
CREATE INDEX bucket_note_by_sale ON bucket_note (sale_id, epoch, note_id);
CREATE INDEX bucket_note_by_buyer ON bucket_note (item_id, buyer_id, note_id);

-- What no code could read, for people.
CREATE TABLE dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item_id integer NOT NULL,
  epoch bigint NOT NULL,
  bucket integer NOT NULL,
  seq bigint,
  body text NOT NULL,
  error text NOT NULL,
  at bigint NOT NULL DEFAULT now_ms()
);

-- A lost acceptance keeps its rid but no number: its own may be another's by now, and the rid may be accepted again.
CREATE SEQUENCE lost_number;

-- The next two say what is going on now and are worth nothing after a crash: unlogged, so that writing them waits for no disk.
CREATE UNLOGGED TABLE node_report (
  node_id text PRIMARY KEY,
  roles text[] NOT NULL,
  can_reach_redis boolean,
  at bigint NOT NULL
) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE leader (
  name text PRIMARY KEY,
  node_id text NOT NULL,
  pid integer NOT NULL,
  beat_at bigint NOT NULL
) WITH (fillfactor = 50);

-- One short name for this database, so that deployments can share a Redis.
CREATE TABLE deployment (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  id text NOT NULL CHECK (id ~ '^[a-z0-9]{12}$')
);
INSERT INTO deployment (id) SELECT left(replace(gen_random_uuid()::text, '-', ''), 12);

-- Whether the sale has been in redis mode before: only coming back counts as a flip.
ALTER TABLE sale ADD COLUMN was_in_redis boolean NOT NULL DEFAULT false;

-- Joins the sale's fence and says whether the epoch is still the sale's, in one of the modes. The second statement has
-- a new snapshot: it sees what was committed before the lock was ours, and no fence passes until this transaction ends.
CREATE FUNCTION enter_epoch(in_sale text, in_epoch bigint, in_modes text[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(in_sale, 0));
  RETURN EXISTS (SELECT 1 FROM sale s WHERE s.id = in_sale AND s.epoch = in_epoch AND s.mode = ANY (in_modes));
END $$;

-- Joins the fences of the sales of some orders, before any of the orders is locked.
CREATE FUNCTION enter_sales_of(in_rids text[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  known record;
BEGIN
  FOR known IN SELECT DISTINCT o.sale_id FROM orders o WHERE o.rid = ANY (in_rids) ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(known.sale_id, 0));
  END LOOP;
END $$;
