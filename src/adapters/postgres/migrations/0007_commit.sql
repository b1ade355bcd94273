-- Acceptances of buckets become orders: the worker's transaction, and what is done with rows that can become none.
--
-- Locks, in the one order of the whole schema: sale fence (shared) → orders → buyer_hold → stock. Everything here is
-- idempotent by rid and by number, so a worker repeats whatever had no answer. The hot stock row comes last.

-- Verdicts, a character a row: C committed with the promised end, L committed with `late_until` (the promise was too far
-- from this clock to be kept: Redis' clock is wrong, or the commit comes after an outage), K known before (details in
-- `known`), S its number is another's or its rid has another number: Redis went back in time.
CREATE FUNCTION commit_batch(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer,
  in_rids text[], in_buyers text[], in_quantities integer[], in_seqs bigint[], in_promised bigint[],
  OUT fenced boolean, OUT verdicts text, OUT late_until bigint, OUT known jsonb
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
  revived integer;
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
    DELETE FROM orders o USING unnest(in_rids, in_buyers, in_quantities, in_seqs) r (rid, buyer, quantity, seq)
      WHERE o.rid = r.rid AND o.status = 'lost' AND o.item_id = in_item AND o.buyer_id = r.buyer
        AND o.quantity = r.quantity AND NOT EXISTS (SELECT 1 FROM orders taken WHERE taken.item_id = in_item
              AND taken.epoch = in_epoch AND taken.bucket = in_bucket AND taken.seq = r.seq);
    GET DIAGNOSTICS revived = ROW_COUNT;
    EXIT WHEN revived = 0;
  END LOOP;

  IF cardinality(new_rids) > 0 THEN
    INSERT INTO buyer_hold AS h (item_id, buyer_id, quantity, per_buyer_max)
      SELECT in_item, w.buyer, sum(w.quantity)::integer, terms.per_buyer_max
        FROM unnest(new_buyers, new_quantities) w (buyer, quantity)
       GROUP BY w.buyer ORDER BY w.buyer COLLATE "C"
      ON CONFLICT (item_id, buyer_id)
        DO UPDATE SET quantity = h.quantity + EXCLUDED.quantity, per_buyer_max = EXCLUDED.per_buyer_max;
    INSERT INTO outbox (kind, rids, buyer_ids) VALUES ('held', new_rids, new_buyers);
    UPDATE stock k SET granted = k.granted - part.units, held = k.held + part.units, seq = k.seq + cardinality(new_rids)
      FROM (SELECT sum(q)::integer AS units FROM unnest(new_quantities) q) part WHERE k.item_id = in_item;
  END IF;

  IF are_all_kept AND cardinality(new_rids) = cardinality(in_rids) THEN
    verdicts := repeat('C', cardinality(in_rids));
    RETURN;
  END IF;
  SELECT string_agg(j.verdict, '' ORDER BY j.n),
         jsonb_agg(jsonb_build_object('holdUntil', j.hold_until) ORDER BY j.n) FILTER (WHERE j.verdict = 'K')
    INTO verdicts, known
    FROM (SELECT r.n, o.hold_until,
                 CASE WHEN o.changed_tx = pg_current_xact_id() AND o.hold_until = r.promised THEN 'C'
                      WHEN o.changed_tx = pg_current_xact_id() THEN 'L'
                      WHEN o.rid IS NULL OR o.status = 'lost' THEN 'S'
                      WHEN o.epoch = in_epoch AND (o.item_id <> in_item OR o.bucket <> in_bucket OR o.seq <> r.seq) THEN 'S'
                      ELSE 'K' END AS verdict
            FROM unnest(in_rids, in_seqs, in_promised) WITH ORDINALITY r (rid, seq, promised, n)
            LEFT JOIN orders o ON o.rid = r.rid) j;
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
           in_bucket, in_seq, 'lost', 'lost', now_ms(), i.price_amount * in_quantity, now_ms(), now_ms()
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
