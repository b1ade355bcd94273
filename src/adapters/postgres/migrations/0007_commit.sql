-- Acceptances of buckets become orders: the worker's transaction, and what is done with rows that can become none.
--
-- Locks, in the one order of the whole schema: sale fence (shared) → orders → buyer_hold → stock. Everything here is
-- idempotent by rid and by number, so a worker repeats whatever had no answer. The hot stock row comes last.
-- Rows are looked up one by one (LATERAL … LIMIT 1, scalar subqueries): a join would read the bucket once for each row
-- as soon as the statistics lag behind.

-- Counts the numbers of rids that are orders already, but not here, as void; tells the bucket. Moves no units itself.
CREATE FUNCTION void_reused(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer,
  in_rids text[], in_buyers text[], in_quantities integer[], in_seqs bigint[],
  OUT numbers integer, OUT units integer
) LANGUAGE plpgsql
  SET enable_seqscan = off SET jit = off
AS $$
BEGIN
  WITH counted AS (
    INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, reason, hold_until, amount,
                        created_at, updated_at)
      SELECT concat_ws('.', 'reused', in_item, in_epoch, in_bucket, r.seq), in_item, in_sale, '', r.quantity, in_epoch,
             in_bucket, r.seq, 'void', 'key_reused', 0, i.price_amount * r.quantity, now_ms(), now_ms()
        FROM unnest(in_rids, in_buyers, in_quantities, in_seqs) r (rid, buyer, quantity, seq)
       CROSS JOIN LATERAL (SELECT k.rid, k.item_id, k.epoch, k.status, k.buyer_id, k.quantity
                             FROM orders k WHERE k.rid = r.rid LIMIT 1) o
        JOIN item i ON i.item_id = in_item
       WHERE (o.item_id <> in_item OR o.epoch <> in_epoch)
         AND NOT (o.status = 'lost' AND o.item_id = in_item AND o.buyer_id = r.buyer AND o.quantity = r.quantity)
       ORDER BY r.seq
      ON CONFLICT DO NOTHING
      RETURNING seq, quantity
  ), told AS (
    INSERT INTO bucket_note (sale_id, item_id, epoch, kind, rid, buyer_id, quantity)
      SELECT in_sale, in_item, in_epoch, 'ended', r.rid, r.buyer, r.quantity
        FROM counted c JOIN unnest(in_rids, in_buyers, in_quantities, in_seqs) r (rid, buyer, quantity, seq)
          ON r.seq = c.seq ORDER BY r.seq
  ) SELECT count(*), coalesce(sum(c.quantity), 0) INTO numbers, units FROM counted c;
END $$;

-- What became of each row, in this transaction or an earlier one. Who has its number decides: the row itself, the void
-- that stands for it, or somebody else.
CREATE FUNCTION commit_verdicts(
  in_item integer, in_epoch bigint, in_bucket integer, in_rids text[], in_seqs bigint[], in_promised bigint[],
  OUT verdicts text, OUT known_until jsonb
) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
  SELECT string_agg(j.verdict, '' ORDER BY j.n),
         jsonb_agg(j.hold_until ORDER BY j.n) FILTER (WHERE j.verdict = 'K')
    INTO verdicts, known_until
    FROM (SELECT r.n, o.hold_until,
                 CASE WHEN o.rid = r.rid AND o.changed_tx = pg_current_xact_id() AND o.hold_until = r.promised THEN 'C'
                      WHEN o.rid = r.rid AND o.changed_tx = pg_current_xact_id() THEN 'L'
                      WHEN o.rid = r.rid THEN 'K'
                      WHEN o.reason = 'key_reused' AND EXISTS (SELECT 1 FROM orders x WHERE x.rid = r.rid) THEN 'K'
                      ELSE 'S' END AS verdict
            FROM unnest(in_rids, in_seqs, in_promised) WITH ORDINALITY r (rid, seq, promised, n)
            LEFT JOIN LATERAL (SELECT k.rid, k.hold_until, k.changed_tx, k.reason FROM orders k
                                WHERE k.item_id = in_item AND k.epoch = in_epoch AND k.bucket = in_bucket
                                  AND k.seq = r.seq LIMIT 1) o ON true) j;
END $$;

-- Verdicts, a character a row: C committed with the promised end, L committed with `late_until` (the promise was too far
-- from this clock to be kept: Redis' clock is wrong, or the commit comes after an outage), K known before (`known_until`
-- has their ends), S its number is another's, or its rid has another number of the bucket: Redis went back in time.
--
-- A rid that is an order already, but not here (a key used again for another item), takes no unit: its number is counted as
-- void under a rid with dots, which no buyer can have, and its units are free again. It is K, with the end 0.

CREATE FUNCTION commit_batch(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer,
  in_rids text[], in_buyers text[], in_quantities integer[], in_seqs bigint[], in_promised bigint[],
  OUT fenced boolean, OUT verdicts text, OUT late_until bigint, OUT known_until jsonb
) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  promise_tolerance_ms constant integer := 5000;
  terms record;
  at_ms bigint;
  made record;
  new_rids text[] := '{}';
  new_buyers text[] := '{}';
  new_quantities integer[] := '{}';
  are_all_kept boolean := true;
  revived text[];
  reused_numbers integer := 0;
  reused_units integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(in_sale, 0));
  -- A new statement, so a new snapshot: a fence that was before us is seen here, a later one waits for our end.
  SELECT s.hold_ms, i.price_amount, i.per_buyer_max INTO terms
    FROM item i JOIN sale s ON s.id = i.sale_id
   WHERE i.item_id = in_item AND i.sale_id = in_sale AND s.epoch = in_epoch AND s.mode IN ('redis', 'draining');
  fenced := NOT FOUND;
  IF fenced THEN RETURN; END IF;
  at_ms := now_ms();
  late_until := at_ms + terms.hold_ms;

  -- Once, and once more when an acceptance that was written off made room for being accepted again.
  FOR round IN 1..2 LOOP
    WITH written AS (
      INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, hold_until, amount,
                          created_at, updated_at)
        SELECT r.rid, in_item, in_sale, r.buyer, r.quantity, in_epoch, in_bucket, r.seq, 'held',
               CASE WHEN abs(r.promised - late_until) <= promise_tolerance_ms THEN r.promised ELSE late_until END,
               terms.price_amount * r.quantity, at_ms, at_ms
          FROM unnest(in_rids, in_buyers, in_quantities, in_seqs, in_promised) r (rid, buyer, quantity, seq, promised)
         ORDER BY r.seq
        ON CONFLICT DO NOTHING
        RETURNING rid, buyer_id, quantity, hold_until
    ) SELECT array_agg(w.rid) AS rids, array_agg(w.buyer_id) AS buyers, array_agg(w.quantity) AS quantities,
             bool_and(w.hold_until <> late_until) AS are_kept
        INTO made FROM written w;
    IF made.rids IS NOT NULL THEN
      new_rids := new_rids || made.rids;
      new_buyers := new_buyers || made.buyers;
      new_quantities := new_quantities || made.quantities;
      are_all_kept := are_all_kept AND made.are_kept;
    END IF;
    EXIT WHEN round = 2 OR cardinality(new_rids) = cardinality(in_rids);
    revived := ARRAY(
      SELECT r.rid FROM unnest(in_rids, in_buyers, in_quantities, in_seqs) r (rid, buyer, quantity, seq)
       WHERE (SELECT o.status = 'lost' AND o.item_id = in_item AND o.buyer_id = r.buyer AND o.quantity = r.quantity
                FROM orders o WHERE o.rid = r.rid)
         AND (SELECT true FROM orders taken WHERE taken.item_id = in_item AND taken.epoch = in_epoch
                 AND taken.bucket = in_bucket AND taken.seq = r.seq) IS NULL);
    EXIT WHEN cardinality(revived) = 0;
    DELETE FROM orders o WHERE o.rid = ANY (revived) AND o.status = 'lost';
  END LOOP;
  IF cardinality(new_rids) < cardinality(in_rids) THEN
    SELECT v.numbers, v.units INTO reused_numbers, reused_units
      FROM void_reused(in_sale, in_item, in_epoch, in_bucket, in_rids, in_buyers, in_quantities, in_seqs) v;
  END IF;

  IF cardinality(new_rids) > 0 THEN
    INSERT INTO buyer_hold AS h (item_id, buyer_id, quantity, per_buyer_max)
      SELECT in_item, w.buyer, sum(w.quantity)::integer, terms.per_buyer_max
        FROM unnest(new_buyers, new_quantities) w (buyer, quantity)
       GROUP BY w.buyer ORDER BY w.buyer COLLATE "C"
      ON CONFLICT (item_id, buyer_id)
        DO UPDATE SET quantity = h.quantity + EXCLUDED.quantity, per_buyer_max = EXCLUDED.per_buyer_max;
    INSERT INTO outbox (kind, rids, buyer_ids) VALUES ('held', new_rids, new_buyers);
  END IF;
  IF cardinality(new_rids) + reused_numbers > 0 THEN
    UPDATE stock k SET granted = k.granted - part.units - reused_units, held = k.held + part.units,
        free = k.free + reused_units, seq = k.seq + cardinality(new_rids) + reused_numbers,
        version = k.version + CASE WHEN reused_units > 0 THEN 1 ELSE 0 END
      FROM (SELECT coalesce(sum(q), 0)::integer AS units FROM unnest(new_quantities) q) part WHERE k.item_id = in_item;
    IF reused_units > 0 THEN PERFORM announce('stock:' || in_item); END IF;
  END IF;

  IF are_all_kept AND cardinality(new_rids) = cardinality(in_rids) THEN
    verdicts := repeat('C', cardinality(in_rids));
    RETURN;
  END IF;
  SELECT v.verdicts, v.known_until INTO verdicts, known_until
    FROM commit_verdicts(in_item, in_epoch, in_bucket, in_rids, in_seqs, in_promised) v;
END $$;

-- A row that cannot become a hold. "limit" and "poison" give the units back; "over_issue" never had any; "lost" says no
-- more than that, under no number, so that the rid may be accepted again.
CREATE FUNCTION void_row(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer,
  in_rid text, in_buyer text, in_quantity integer, in_seq bigint, in_promised bigint, in_reason text
) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  units integer := CASE WHEN in_reason = 'over_issue' THEN 0 ELSE in_quantity END;
BEGIN
  IF NOT enter_epoch(in_sale, in_epoch, '{redis,draining}') THEN RETURN false; END IF;
  IF EXISTS (SELECT 1 FROM orders o WHERE o.item_id = in_item AND o.epoch = in_epoch AND o.bucket = in_bucket
                                      AND o.seq = in_seq) THEN
    RETURN false;
  END IF;
  DELETE FROM orders o WHERE o.rid = in_rid AND o.status = 'lost' AND o.item_id = in_item AND o.buyer_id = in_buyer;
  INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, reason, hold_until, amount,
                      created_at, updated_at)
    SELECT in_rid, in_item, in_sale, in_buyer, in_quantity, in_epoch, in_bucket, in_seq, 'void', in_reason, in_promised,
           i.price_amount * in_quantity, now_ms(), now_ms()
      FROM item i WHERE i.item_id = in_item AND i.sale_id = in_sale
    ON CONFLICT (rid) DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO bucket_note (sale_id, item_id, epoch, kind, rid, buyer_id, quantity)
    VALUES (in_sale, in_item, in_epoch, 'ended', in_rid, in_buyer, in_quantity);
  PERFORM return_granted(in_item, units);
  PERFORM record_event('ended', ARRAY[in_rid]);
  RETURN true;
END $$;

-- Counts one number of the epoch and brings its units home from `granted`.
CREATE FUNCTION return_granted(in_item integer, in_units integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE stock k SET granted = k.granted - in_units, free = k.free + in_units, seq = k.seq + 1,
      version = k.version + CASE WHEN in_units > 0 THEN 1 ELSE 0 END WHERE k.item_id = in_item;
  IF in_units > 0 THEN PERFORM announce('stock:' || in_item); END IF;
END $$;

-- A number that nobody can say anything about counts as lost. The rid has dots: no buyer can have it.
CREATE FUNCTION void_seq(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer, in_seq bigint, in_quantity integer
) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF NOT enter_epoch(in_sale, in_epoch, '{redis,draining}') THEN RETURN false; END IF;
  INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, reason, hold_until, amount,
                      created_at, updated_at)
    SELECT concat_ws('.', 'lost', in_item, in_epoch, in_bucket, in_seq), in_item, in_sale, '', in_quantity, in_epoch,
           in_bucket, in_seq, 'lost', 'lost', 0, i.price_amount * in_quantity, now_ms(), now_ms()
      FROM item i WHERE i.item_id = in_item AND i.sale_id = in_sale
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM return_granted(in_item, in_quantity);
  RETURN true;
END $$;

-- Acceptances that never became orders and never will under their number. No units move: the fence has moved them.
CREATE FUNCTION record_lost(
  in_sale text, in_item integer, in_bucket integer,
  in_rids text[], in_buyers text[], in_quantities integer[], in_promised bigint[]
) RETURNS integer LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  lost text[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(in_sale, 0));
  WITH written AS (
    INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, reason, hold_until, amount,
                        created_at, updated_at)
      SELECT r.rid, in_item, in_sale, r.buyer, r.quantity, 0, in_bucket, nextval('lost_number'), 'lost', 'lost',
             r.promised, i.price_amount * r.quantity, now_ms(), now_ms()
        FROM unnest(in_rids, in_buyers, in_quantities, in_promised) r (rid, buyer, quantity, promised),
             item i
       WHERE i.item_id = in_item AND i.sale_id = in_sale
       ORDER BY r.rid COLLATE "C"
      ON CONFLICT (rid) DO NOTHING
      RETURNING rid
  ) SELECT array_agg(w.rid) INTO lost FROM written w;
  IF lost IS NULL THEN RETURN 0; END IF;
  PERFORM record_event('ended', lost);
  RETURN cardinality(lost);
END $$;
