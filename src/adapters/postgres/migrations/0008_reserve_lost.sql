-- The hot transaction of 0003_reserve.sql once more, with one thing added: an acceptance that was written off ('lost') ends
-- nothing for its rid. The same attempt may be accepted again, and its new order takes the place of the lost one.

CREATE OR REPLACE FUNCTION reserve_batch(
  in_sale text, in_item integer, in_epoch bigint, in_rids text[], in_buyers text[], in_quantities integer[],
  OUT fenced boolean, OUT verdicts text, OUT hold_until_ms bigint, OUT known jsonb,
  OUT total integer, OUT free integer, OUT granted integer, OUT held integer, OUT sold integer,
  OUT version bigint, OUT seq bigint, OUT epoch bigint
) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan
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

  IF taken > 0 THEN
    IF cardinality(revived) > 0 THEN DELETE FROM orders o WHERE o.rid = ANY (revived) AND o.status = 'lost'; END IF;
    INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, seq, status, hold_until, amount,
                        created_at, updated_at)
      SELECT w.rid, in_item, in_sale, w.buyer, w.quantity, in_epoch, terms.seq + w.n, 'held', hold_until_ms,
             terms.price_amount * w.quantity, at_ms, at_ms
        FROM unnest(won_rids, won_buyers, won_quantities) WITH ORDINALITY w (rid, buyer, quantity, n);
    INSERT INTO buyer_hold AS h (item_id, buyer_id, quantity, per_buyer_max)
      SELECT in_item, w.buyer, w.quantity, terms.per_buyer_max
        FROM unnest(won_buyers, won_quantities) w (buyer, quantity) ORDER BY w.buyer
      ON CONFLICT (item_id, buyer_id)
        DO UPDATE SET quantity = h.quantity + EXCLUDED.quantity, per_buyer_max = EXCLUDED.per_buyer_max;
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
