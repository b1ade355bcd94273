-- Rows that are new are written as such: INSERT … ON CONFLICT looks every key up before it writes and marks each row twice,
-- which was a quarter of what an order costs (docs/benchmarks, npm run bench:commit). Nearly all batches have nothing in them that
-- was there before, so that is tried first. Nothing is decided otherwise than in 0007 and 0008.

-- All of a batch's orders; null, and nothing written, when one of them or its number is there already. Otherwise whether every
-- promise could be kept.
CREATE FUNCTION insert_orders(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer, in_rids text[], in_buyers text[],
  in_quantities integer[], in_seqs bigint[], in_promised bigint[], in_late_until bigint, in_tolerance_ms integer,
  in_price bigint, in_at_ms bigint
) RETURNS boolean LANGUAGE plpgsql
  SET jit = off
AS $$
DECLARE
  are_kept boolean;
BEGIN
  WITH written AS (
    INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, hold_until, amount,
                        created_at, updated_at)
      SELECT r.rid, in_item, in_sale, r.buyer, r.quantity, in_epoch, in_bucket, r.seq, 'held',
             CASE WHEN abs(r.promised - in_late_until) <= in_tolerance_ms THEN r.promised ELSE in_late_until END,
             in_price * r.quantity, in_at_ms, in_at_ms
        FROM unnest(in_rids, in_buyers, in_quantities, in_seqs, in_promised) r (rid, buyer, quantity, seq, promised)
       ORDER BY r.seq
      RETURNING hold_until
  ) SELECT bool_and(w.hold_until <> in_late_until) INTO are_kept FROM written w;
  RETURN are_kept;
EXCEPTION WHEN unique_violation THEN
  RETURN NULL;
END $$;

-- What buyers hold who hold nothing yet of the item; false, and nothing written, when one of them was seen before. Where
-- a buyer may come again that is no exception, so it is not tried there.
CREATE FUNCTION insert_holds(in_item integer, in_buyers text[], in_quantities integer[], in_max integer) RETURNS boolean
  LANGUAGE plpgsql SET jit = off
AS $$
BEGIN
  INSERT INTO buyer_hold (item_id, buyer_id, quantity, per_buyer_max)
    SELECT in_item, w.buyer, w.quantity, in_max
      FROM unnest(in_buyers, in_quantities) w (buyer, quantity) ORDER BY w.buyer COLLATE "C";
  RETURN true;
EXCEPTION WHEN unique_violation THEN
  RETURN false;
END $$;

-- As in 0007, the new rows first.
CREATE OR REPLACE FUNCTION commit_batch(
  in_sale text, in_item integer, in_epoch bigint, in_bucket integer,
  in_rids text[], in_buyers text[], in_quantities integer[], in_seqs bigint[], in_promised bigint[],
  OUT fenced boolean, OUT verdicts text, OUT late_until bigint, OUT known_until jsonb
) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan
  SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  promise_tolerance_ms constant integer := 5000;
  terms record;
  at_ms bigint;
  made record;
  new_rids text[] := '{}';
  new_buyers text[] := '{}';
  new_quantities integer[] := '{}';
  are_all_kept boolean;
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

  are_all_kept := insert_orders(in_sale, in_item, in_epoch, in_bucket, in_rids, in_buyers, in_quantities, in_seqs,
                                in_promised, late_until, promise_tolerance_ms, terms.price_amount, at_ms);
  IF are_all_kept IS NOT NULL THEN
    new_rids := in_rids;
    new_buyers := in_buyers;
    new_quantities := in_quantities;
  ELSE
    are_all_kept := true;
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
  END IF;
  IF cardinality(new_rids) < cardinality(in_rids) THEN
    SELECT v.numbers, v.units INTO reused_numbers, reused_units
      FROM void_reused(in_sale, in_item, in_epoch, in_bucket, in_rids, in_buyers, in_quantities, in_seqs) v;
  END IF;

  IF cardinality(new_rids) > 0 THEN
    IF terms.per_buyer_max > 1 OR NOT insert_holds(in_item, new_buyers, new_quantities, terms.per_buyer_max) THEN
      INSERT INTO buyer_hold AS h (item_id, buyer_id, quantity, per_buyer_max)
        SELECT in_item, w.buyer, sum(w.quantity)::integer, terms.per_buyer_max
          FROM unnest(new_buyers, new_quantities) w (buyer, quantity)
         GROUP BY w.buyer ORDER BY w.buyer COLLATE "C"
        ON CONFLICT (item_id, buyer_id)
          DO UPDATE SET quantity = h.quantity + EXCLUDED.quantity, per_buyer_max = EXCLUDED.per_buyer_max;
    END IF;
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

-- As in 0008, and a batch in which nobody is known is one step instead of one for each attempt.
CREATE OR REPLACE FUNCTION reserve_batch(
  in_sale text, in_item integer, in_epoch bigint, in_rids text[], in_buyers text[], in_quantities integer[],
  OUT fenced boolean, OUT verdicts text, OUT hold_until_ms bigint, OUT known jsonb,
  OUT total integer, OUT free integer, OUT granted integer, OUT held integer, OUT sold integer,
  OUT version bigint, OUT seq bigint, OUT epoch bigint
) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan
  SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  terms record;
  attempt record;
  at_ms bigint;
  window_verdict text;
  rest integer;
  taken integer := 0;
  won_rids text[] := '{}';
  won_buyers text[] := '{}';
  won_quantities integer[] := '{}';
  revived text[] := '{}';
  are_all_new boolean := false;
  wanted bigint;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(in_sale, 0));
  PERFORM pg_advisory_xact_lock(2, in_item);
  -- A new statement, so a new snapshot: it sees what was committed before the locks were ours.
  SELECT s.phase, s.mode, s.epoch, s.opens_at, s.closes_at, s.hold_ms, i.price_amount, i.per_buyer_max,
         k.total, k.free, k.granted, k.held, k.sold, k.version, k.seq
    INTO terms
    FROM stock k JOIN item i ON i.item_id = k.item_id JOIN sale s ON s.id = i.sale_id
   WHERE k.item_id = in_item AND i.sale_id = in_sale;
  fenced := terms IS NULL OR terms.epoch IS DISTINCT FROM in_epoch OR terms.mode IS DISTINCT FROM 'postgres';
  IF fenced THEN RETURN; END IF;

  at_ms := now_ms();
  window_verdict := CASE
    WHEN terms.phase = 'closed' OR at_ms >= terms.closes_at THEN 'C'
    WHEN terms.phase = 'paused' THEN 'P'
    WHEN at_ms < terms.opens_at THEN 'N' END;
  hold_until_ms := at_ms + terms.hold_ms;
  rest := terms.free;
  verdicts := '';
  -- While there is plenty, nearly every batch: nobody is known, and everybody gets what he asks for.
  IF window_verdict IS NULL AND rest > 0 THEN
    SELECT sum(a.quantity), bool_and(a.quantity BETWEEN 1 AND terms.per_buyer_max
             AND (SELECT true FROM orders o WHERE o.rid = a.rid) IS NULL
             AND (SELECT true FROM buyer_hold h WHERE h.item_id = in_item AND h.buyer_id = a.buyer) IS NULL)
      INTO wanted, are_all_new
      FROM unnest(in_rids, in_buyers, in_quantities) a (rid, buyer, quantity);
  END IF;
  IF are_all_new AND wanted <= rest THEN
    verdicts := repeat('H', cardinality(in_rids));
    taken := wanted;
    won_rids := in_rids;
    won_buyers := in_buyers;
    won_quantities := in_quantities;
  ELSE
    FOR attempt IN
      SELECT a.rid, a.buyer, a.quantity, o.status, o.hold_until, o.buyer_id AS known_buyer,
             (o.quantity = a.quantity AND o.item_id = in_item AND o.buyer_id = a.buyer) AS same,
             coalesce((SELECT h.quantity FROM buyer_hold h WHERE h.item_id = in_item AND h.buyer_id = a.buyer), 0) AS have
        FROM unnest(in_rids, in_buyers, in_quantities) WITH ORDINALITY a (rid, buyer, quantity, n)
        LEFT JOIN orders o ON o.rid = a.rid
       ORDER BY a.n
    LOOP
      IF attempt.status IS NOT NULL AND NOT (attempt.status = 'lost' AND attempt.same) THEN
        IF NOT attempt.same THEN
          verdicts := verdicts || 'K';
        ELSIF attempt.status IN ('held', 'expiring', 'paid') THEN
          verdicts := verdicts || 'R';
          known := coalesce(known, '[]'::jsonb)
            || jsonb_build_array(jsonb_build_object('status', attempt.status, 'holdUntil', attempt.hold_until));
        ELSE
          verdicts := verdicts || 'X';
        END IF;
      ELSIF attempt.quantity < 1 OR attempt.quantity > terms.per_buyer_max THEN
        verdicts := verdicts || 'Q';
      ELSIF window_verdict IS NOT NULL THEN
        verdicts := verdicts || window_verdict;
      ELSIF attempt.have + attempt.quantity > terms.per_buyer_max THEN
        verdicts := verdicts || 'L';
      ELSIF attempt.quantity > rest THEN
        verdicts := verdicts || CASE WHEN terms.sold = terms.total THEN 'S' ELSE 'E' END;
      ELSE
        verdicts := verdicts || 'H';
        rest := rest - attempt.quantity;
        taken := taken + attempt.quantity;
        won_rids := won_rids || attempt.rid;
        won_buyers := won_buyers || attempt.buyer;
        won_quantities := won_quantities || attempt.quantity;
        IF attempt.status IS NOT NULL THEN revived := revived || attempt.rid; END IF;
      END IF;
    END LOOP;
  END IF;

  IF taken > 0 THEN
    IF cardinality(revived) > 0 THEN DELETE FROM orders o WHERE o.rid = ANY (revived) AND o.status = 'lost'; END IF;
    INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, seq, status, hold_until, amount,
                        created_at, updated_at)
      SELECT w.rid, in_item, in_sale, w.buyer, w.quantity, in_epoch, terms.seq + w.n, 'held', hold_until_ms,
             terms.price_amount * w.quantity, at_ms, at_ms
        FROM unnest(won_rids, won_buyers, won_quantities) WITH ORDINALITY w (rid, buyer, quantity, n);
    IF are_all_new THEN
      INSERT INTO buyer_hold (item_id, buyer_id, quantity, per_buyer_max)
        SELECT in_item, w.buyer, w.quantity, terms.per_buyer_max
          FROM unnest(won_buyers, won_quantities) w (buyer, quantity) ORDER BY w.buyer;
    ELSE
      INSERT INTO buyer_hold AS h (item_id, buyer_id, quantity, per_buyer_max)
        SELECT in_item, w.buyer, w.quantity, terms.per_buyer_max
          FROM unnest(won_buyers, won_quantities) w (buyer, quantity) ORDER BY w.buyer
        ON CONFLICT (item_id, buyer_id)
          DO UPDATE SET quantity = h.quantity + EXCLUDED.quantity, per_buyer_max = EXCLUDED.per_buyer_max;
    END IF;
    INSERT INTO outbox (kind, rids, buyer_ids) VALUES ('held', won_rids, won_buyers);
    UPDATE stock k SET free = k.free - taken, held = k.held + taken, seq = k.seq + cardinality(won_rids)
     WHERE k.item_id = in_item
     RETURNING k.total, k.free, k.granted, k.held, k.sold, k.version, k.seq
          INTO total, free, granted, held, sold, version, seq;
  ELSE
    total := terms.total; free := terms.free; granted := terms.granted; held := terms.held; sold := terms.sold;
    version := terms.version; seq := terms.seq;
  END IF;
  epoch := terms.epoch;
END $$;
