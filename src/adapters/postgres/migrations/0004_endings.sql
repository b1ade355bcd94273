-- How reservations end and money arrives: each function is one transaction's work, idempotent, in the lock order
-- orders → buyer_hold → stock. Whatever gives units back raises the stock's version and announces it, so that every
-- node's sold-out latch reopens. Nothing here talks to a payment provider: callers do, before `finish_endings`.

CREATE FUNCTION announce(in_topic text) RETURNS void LANGUAGE sql
  AS $$ SELECT pg_notify('doorbuster', in_topic) $$;

-- Moves the units of ended orders from `held` back to `free`. The orders are locked by the caller.
CREATE FUNCTION release_units(in_rids text[]) RETURNS void LANGUAGE plpgsql
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
  FOR share IN
    SELECT o.item_id, sum(o.quantity)::integer AS quantity
      FROM orders o WHERE o.rid = ANY (in_rids) GROUP BY o.item_id ORDER BY o.item_id
  LOOP
    UPDATE stock SET held = held - share.quantity, free = free + share.quantity, version = version + 1
      WHERE item_id = share.item_id;
    PERFORM announce('stock:' || share.item_id);
  END LOOP;
END $$;

CREATE FUNCTION record_event(in_kind text, in_rids text[]) RETURNS void LANGUAGE plpgsql
  SET enable_seqscan = off
AS $$
BEGIN
  INSERT INTO outbox (kind, rids, buyer_ids)
    SELECT in_kind, array_agg(o.rid), array_agg(o.buyer_id) FROM orders o WHERE o.rid = ANY (in_rids)
    HAVING count(*) > 0;
  PERFORM announce('events');
END $$;

-- The buyer gives a hold back: at once when no payment exists, else through the sweeper.
CREATE FUNCTION cancel_hold(in_rid text, in_buyer text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target record;
BEGIN
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

-- Holds whose time has passed become `expiring`; answers what the caller should look at now.
CREATE FUNCTION begin_expiry(in_rows_max integer, in_retry_after_ms bigint)
  RETURNS TABLE (rid text, payment_id text, since bigint) LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  at_ms bigint := now_ms();
  passed text[];
BEGIN
  WITH due AS (
    SELECT o.rid FROM orders o WHERE o.status = 'held' AND o.hold_until < at_ms
     ORDER BY o.hold_until LIMIT in_rows_max FOR UPDATE SKIP LOCKED
  ), moved AS (
    UPDATE orders o SET status = 'expiring', reason = 'hold_passed', look_at = 0, updated_at = at_ms,
      changed_tx = pg_current_xact_id() FROM due WHERE o.rid = due.rid RETURNING o.rid
  ) SELECT array_agg(m.rid) INTO passed FROM moved m;
  IF passed IS NOT NULL THEN PERFORM record_event('expiring', passed); END IF;
  RETURN QUERY
    WITH look AS (
      SELECT o.rid FROM orders o WHERE o.status IN ('expiring', 'refund_due') AND o.look_at <= at_ms
         AND o.status = 'expiring'
       ORDER BY o.look_at LIMIT in_rows_max FOR UPDATE SKIP LOCKED
    ) UPDATE orders o SET look_at = at_ms + in_retry_after_ms FROM look WHERE o.rid = look.rid
      RETURNING o.rid, o.payment_id, o.updated_at;
END $$;

-- The provider cancelled (or there was no payment): the units come home.
CREATE FUNCTION finish_endings(in_rids text[]) RETURNS integer LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  ended text[];
BEGIN
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
CREATE FUNCTION settle_payment(
  in_provider text, in_notification text, in_payment text, in_amount bigint, in_currency text
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  target record;
  outcome text;
  has_lane boolean;
BEGIN
  SELECT o.rid, o.item_id, o.status INTO target FROM orders o WHERE o.payment_id = in_payment;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
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

-- Refunds to be made, each at most once per retry interval.
CREATE FUNCTION take_refunds_due(in_rows_max integer, in_retry_after_ms bigint)
  RETURNS TABLE (rid text, payment_id text, amount bigint, currency text) LANGUAGE plpgsql
  SET enable_seqscan = off
AS $$
DECLARE
  at_ms bigint := now_ms();
BEGIN
  RETURN QUERY
    WITH look AS (
      SELECT o.rid FROM orders o WHERE o.status IN ('expiring', 'refund_due') AND o.look_at <= at_ms
         AND o.status = 'refund_due'
       ORDER BY o.look_at LIMIT in_rows_max FOR UPDATE SKIP LOCKED
    ) UPDATE orders o SET look_at = at_ms + in_retry_after_ms FROM look, item i
       WHERE o.rid = look.rid AND i.item_id = o.item_id
      RETURNING o.rid, o.payment_id, o.amount, i.price_currency;
END $$;

CREATE FUNCTION complete_refund(in_rid text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE orders SET status = 'refunded', updated_at = now_ms(), changed_tx = pg_current_xact_id()
    WHERE rid = in_rid AND status = 'refund_due';
  IF FOUND THEN PERFORM record_event('refunded', ARRAY[in_rid]); END IF;
END $$;

-- Adds free units or takes them away; the CHECK refuses to cut what is held or sold. Null: no such item.
CREATE FUNCTION adjust_stock(in_sale text, in_sku text, in_delta integer, in_reason text)
  RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  target integer;
BEGIN
  SELECT i.item_id INTO target FROM item i WHERE i.sale_id = in_sale AND i.sku = in_sku;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM pg_advisory_xact_lock(2, target);
  UPDATE stock SET total = total + in_delta, free = free + in_delta,
      version = version + CASE WHEN in_delta > 0 THEN 1 ELSE 0 END WHERE item_id = target;
  INSERT INTO stock_adjustment (item_id, delta, reason) VALUES (target, in_delta, in_reason);
  PERFORM announce('stock:' || target);
  RETURN target;
END $$;

-- The only way to change the epoch: waits for running batches, brings every granted unit home, starts a new sequence.
CREATE FUNCTION fence_sale(in_sale text, in_seen_epoch bigint, in_mode text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(in_sale, 0));
  UPDATE sale SET epoch = epoch + 1, mode = in_mode, revision = revision + 1
    WHERE id = in_sale AND epoch = in_seen_epoch;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE stock k SET free = k.free + k.granted, granted = 0, seq = 0, version = k.version + 1
    FROM item i WHERE i.item_id = k.item_id AND i.sale_id = in_sale;
  PERFORM announce('catalogue');
  RETURN true;
END $$;
