-- The endings of 0004_endings.sql once more, for a sale whose buckets remember reservations: an end, or units taken again by
-- late money, is noted for them in the same transaction. Each function joins the sale's fence first, so that no mode
-- changes between the look at it and the commit; the rest is as it was.

-- Nothing to note while no bucket remembers anything: a bucket that is filled later is filled from the orders themselves.
CREATE FUNCTION note_for_buckets(in_kind text, in_rids text[]) RETURNS void LANGUAGE sql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  AS $$ INSERT INTO bucket_note (sale_id, item_id, epoch, kind, rid, buyer_id, quantity)
          SELECT s.id, o.item_id, s.epoch, in_kind, o.rid, o.buyer_id, o.quantity
            FROM orders o JOIN sale s ON s.id = o.sale_id
           WHERE o.rid = ANY (in_rids) AND s.mode IN ('redis', 'draining', 'warming')
           ORDER BY o.rid $$;

-- Moves the units of ended orders from `held` back to `free`. The orders are locked by the caller, who is in the fence.
CREATE OR REPLACE FUNCTION release_units(in_rids text[]) RETURNS void LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  share record;
BEGIN
  PERFORM 1 FROM buyer_hold h
    WHERE (h.item_id, h.buyer_id) IN (SELECT o.item_id, o.buyer_id FROM orders o WHERE o.rid = ANY (in_rids))
    ORDER BY h.item_id, h.buyer_id FOR UPDATE;
  UPDATE buyer_hold h SET quantity = h.quantity - part.quantity
    FROM (SELECT o.item_id, o.buyer_id, sum(o.quantity)::integer AS quantity
            FROM orders o WHERE o.rid = ANY (in_rids) GROUP BY o.item_id, o.buyer_id) part
   WHERE h.item_id = part.item_id AND h.buyer_id = part.buyer_id;
  PERFORM note_for_buckets('ended', in_rids);
  FOR share IN
    SELECT o.item_id, sum(o.quantity)::integer AS quantity
      FROM orders o WHERE o.rid = ANY (in_rids) GROUP BY o.item_id ORDER BY o.item_id
  LOOP
    UPDATE stock SET held = held - share.quantity, free = free + share.quantity, version = version + 1
      WHERE item_id = share.item_id;
    PERFORM announce('stock:' || share.item_id);
  END LOOP;
END $$;

-- The buyer gives a hold back: at once when no payment exists, else through the sweeper.
CREATE OR REPLACE FUNCTION cancel_hold(in_rid text, in_buyer text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target record;
BEGIN
  PERFORM enter_sales_of(ARRAY[in_rid]);
  SELECT o.rid, o.payment_id INTO target FROM orders o
    WHERE o.rid = in_rid AND o.buyer_id = in_buyer AND o.status = 'held' FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  IF target.payment_id IS NULL THEN
    UPDATE orders SET status = 'cancelled', reason = 'cancelled_by_buyer', updated_at = now_ms(),
      changed_tx = pg_current_xact_id() WHERE rid = in_rid;
    PERFORM release_units(ARRAY[in_rid]);
    PERFORM record_event('ended', ARRAY[in_rid]);
  ELSE
    UPDATE orders SET status = 'expiring', reason = 'cancelled_by_buyer', look_at = 0, updated_at = now_ms(),
      changed_tx = pg_current_xact_id() WHERE rid = in_rid;
    PERFORM record_event('expiring', ARRAY[in_rid]);
  END IF;
END $$;

-- The provider cancelled (or there was no payment): the units come home.
CREATE OR REPLACE FUNCTION finish_endings(in_rids text[]) RETURNS integer LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  ended text[];
BEGIN
  PERFORM enter_sales_of(in_rids);
  PERFORM 1 FROM orders o WHERE o.rid = ANY (in_rids) AND o.status = 'expiring' ORDER BY o.rid FOR UPDATE;
  WITH moved AS (
    UPDATE orders o SET status = CASE WHEN o.reason = 'cancelled_by_buyer' THEN 'cancelled' ELSE 'expired' END,
      updated_at = now_ms(), changed_tx = pg_current_xact_id()
     WHERE o.rid = ANY (in_rids) AND o.status = 'expiring' RETURNING o.rid
  ) SELECT array_agg(m.rid) INTO ended FROM moved m;
  IF ended IS NULL THEN RETURN 0; END IF;
  PERFORM release_units(ended);
  PERFORM record_event('ended', ended);
  RETURN cardinality(ended);
END $$;

-- Money arrived. The lane of the item is taken first when units might have to be taken from `free` again.
CREATE OR REPLACE FUNCTION settle_payment(
  in_provider text, in_notification text, in_payment text, in_amount bigint, in_currency text
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  target record;
  outcome text;
  has_lane boolean;
BEGIN
  SELECT o.rid, o.item_id, o.status INTO target FROM orders o WHERE o.payment_id = in_payment;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM enter_sales_of(ARRAY[target.rid]);
  has_lane := target.status NOT IN ('held', 'paid', 'refund_due', 'refunded');
  IF has_lane THEN PERFORM pg_advisory_xact_lock(2, target.item_id); END IF;
  SELECT o.rid, o.item_id, o.buyer_id, o.quantity, o.status, o.amount, i.price_currency INTO target
    FROM orders o JOIN item i ON i.item_id = o.item_id WHERE o.payment_id = in_payment FOR UPDATE OF o;
  IF NOT has_lane AND target.status IN ('expired', 'cancelled') THEN
    -- The hold ended between the two looks; the lane may not be taken after the order, so the call starts again.
    RAISE EXCEPTION 'the hold of % ended meanwhile', target.rid USING ERRCODE = 'serialization_failure';
  END IF;
  IF in_notification IS NOT NULL THEN
    INSERT INTO payment_notification (provider, notification_id) VALUES (in_provider, in_notification)
      ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 'duplicate'; END IF;
  END IF;
  IF target.status IN ('held', 'expiring') THEN
    IF target.amount <> in_amount OR target.price_currency <> in_currency THEN
      PERFORM release_units(ARRAY[target.rid]);
      outcome := 'refund_due';
    ELSE
      UPDATE stock SET held = held - target.quantity, sold = sold + target.quantity WHERE item_id = target.item_id;
      outcome := 'paid';
    END IF;
  ELSIF target.status IN ('expired', 'cancelled') THEN
    outcome := 'refund_due';
    IF target.amount = in_amount AND target.price_currency = in_currency THEN
      UPDATE buyer_hold SET quantity = quantity + target.quantity
        WHERE item_id = target.item_id AND buyer_id = target.buyer_id AND quantity + target.quantity <= per_buyer_max
          AND EXISTS (SELECT 1 FROM stock k WHERE k.item_id = target.item_id AND k.free >= target.quantity);
      IF FOUND THEN
        UPDATE stock SET free = free - target.quantity, sold = sold + target.quantity WHERE item_id = target.item_id;
        PERFORM note_for_buckets('reacquired', ARRAY[target.rid]);
        outcome := 'paid';
      END IF;
    END IF;
  ELSE
    RETURN 'unchanged';
  END IF;
  UPDATE orders SET status = outcome, look_at = 0, updated_at = now_ms(), changed_tx = pg_current_xact_id(),
      reason = CASE WHEN outcome = 'paid' THEN NULL
                    WHEN amount <> in_amount OR target.price_currency <> in_currency THEN 'wrong_amount'
                    ELSE 'paid_too_late' END
    WHERE rid = target.rid;
  PERFORM record_event(outcome, ARRAY[target.rid]);
  RETURN outcome;
END $$;
