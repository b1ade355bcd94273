-- Units on their way between Postgres and buckets, and the two ways in which a sale's ledger changes hands.
--
-- Every transfer debits its source durably before it credits its target, and carries an id: a grant leaves `free` here before
-- the bucket is credited, a recall has left the bucket before it arrives here. Whoever lowers `free` holds the item's lane.

-- Lends units to a bucket, as many as are free up to `in_units`. Null: none, or the epoch has passed. A repeat of the
-- same id answers what it answered first.
CREATE FUNCTION place_grant(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer, in_grant text, in_units integer
) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  known record;
  placed integer;
BEGIN
  IF NOT enter_epoch(in_sale, in_epoch, '{redis,warming}') THEN RETURN NULL; END IF;
  PERFORM pg_advisory_xact_lock(2, in_item);
  SELECT g.item_id, g.epoch, g.bucket, g.units INTO known FROM grant_log g WHERE g.grant_id = in_grant;
  IF FOUND THEN
    RETURN CASE WHEN (known.item_id, known.epoch, known.bucket) = (in_item, in_epoch, in_bucket) THEN known.units END;
  END IF;
  SELECT least(k.free, in_units) INTO placed FROM stock k JOIN item i ON i.item_id = k.item_id
    WHERE k.item_id = in_item AND i.sale_id = in_sale;
  IF placed IS NULL OR placed < 1 THEN RETURN NULL; END IF;
  INSERT INTO grant_log (grant_id, sale_id, item_id, bucket, epoch, units, moved, state)
    VALUES (in_grant, in_sale, in_item, in_bucket, in_epoch, placed, placed, 'open');
  UPDATE stock SET free = free - placed, granted = granted + placed WHERE item_id = in_item;
  RETURN placed;
END $$;

-- Notes down that units are asked back: the bucket gives them first, `settle_grant` brings them home.
CREATE FUNCTION ask_back(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer, in_grant text, in_units integer
) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  asked integer;
BEGIN
  IF NOT enter_epoch(in_sale, in_epoch, '{redis,warming}') THEN RETURN NULL; END IF;
  INSERT INTO grant_log (grant_id, sale_id, item_id, bucket, epoch, units, moved, state)
    VALUES (in_grant, in_sale, in_item, in_bucket, in_epoch, -in_units, 0, 'open') ON CONFLICT (grant_id) DO NOTHING;
  SELECT -g.units INTO asked FROM grant_log g
    WHERE g.grant_id = in_grant AND (g.item_id, g.epoch, g.bucket) = (in_item, in_epoch, in_bucket);
  RETURN asked;
END $$;

-- The bucket has answered how many units really moved. What a recall brought, or a grant did not deliver, is free again.
-- Settling twice, or after the fence, changes nothing.
CREATE FUNCTION settle_grant(in_grant text, in_moved integer) RETURNS boolean LANGUAGE plpgsql
  SET enable_seqscan = off
AS $$
DECLARE
  target record;
  units_home integer;
BEGIN
  SELECT g.sale_id, g.item_id, g.epoch INTO target FROM grant_log g WHERE g.grant_id = in_grant;
  IF NOT FOUND THEN RETURN false; END IF;
  IF NOT enter_epoch(target.sale_id, target.epoch, '{redis,warming,draining}') THEN RETURN false; END IF;
  UPDATE grant_log g SET state = 'settled', moved = sign(g.units) * abs(in_moved)
    FROM (SELECT b.grant_id, b.moved FROM grant_log b WHERE b.grant_id = in_grant AND b.state = 'open' FOR UPDATE) before
   WHERE g.grant_id = before.grant_id
   RETURNING before.moved - g.moved INTO units_home;
  IF NOT FOUND THEN RETURN false; END IF;
  IF units_home > 0 THEN
    UPDATE stock SET granted = granted - units_home, free = free + units_home, version = version + 1
      WHERE item_id = target.item_id;
    PERFORM announce('stock:' || target.item_id);
  END IF;
  RETURN true;
END $$;

-- The only way to change the epoch: waits for running transactions of the sale, brings every granted unit home, starts a
-- new sequence. Transfers on their way and notes not delivered die with the epoch: what follows is rebuilt from orders.
-- Only from one of the modes in `in_from` (null = any): who saw another mode than there is now knows too little.
DROP FUNCTION fence_sale(text, bigint, text);
CREATE FUNCTION fence_sale(
  in_sale text, in_seen_epoch bigint, in_mode text, in_reason text DEFAULT 'fenced', in_from text[] DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '3s' SET enable_seqscan = off AS $$
DECLARE
  target record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(in_sale, 0));
  UPDATE sale SET epoch = epoch + 1, mode = in_mode, revision = revision + 1, mode_since = now_ms(),
      mode_reason = left(in_reason, 500)
    WHERE id = in_sale AND epoch = in_seen_epoch AND (in_from IS NULL OR mode = ANY (in_from));
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE grant_log SET state = 'void' WHERE sale_id = in_sale AND epoch = in_seen_epoch AND state = 'open';
  DELETE FROM bucket_note WHERE sale_id = in_sale;
  FOR target IN SELECT i.item_id FROM item i WHERE i.sale_id = in_sale ORDER BY i.item_id LOOP
    UPDATE stock SET free = free + granted, granted = 0, seq = 0, version = version + 1 WHERE item_id = target.item_id;
    PERFORM announce('stock:' || target.item_id);
  END LOOP;
  PERFORM announce('catalogue');
  RETURN true;
END $$;

-- Another mode inside the same epoch, from exactly the one named. Coming back to redis mode is a flip; coming first is not.
-- From postgres to postgres only the reason changes: why a sale stays where it is.
CREATE FUNCTION change_mode(in_sale text, in_epoch bigint, in_from text, in_to text, in_reason text)
  RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sale SET mode = in_to, revision = revision + 1, mode_reason = left(in_reason, 500),
      mode_since = CASE WHEN in_from = in_to THEN mode_since ELSE now_ms() END,
      flips = flips + CASE WHEN in_to = 'redis' AND was_in_redis THEN 1 ELSE 0 END,
      was_in_redis = was_in_redis OR in_to = 'redis'
    WHERE id = in_sale AND epoch = in_epoch AND mode = in_from
      AND (in_from, in_to) IN (('redis', 'draining'), ('warming', 'redis'), ('postgres', 'postgres'));
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM announce('catalogue');
  RETURN true;
END $$;
