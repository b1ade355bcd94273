-- What audits ask of a bucket's orders. STABLE, so that several of them in one statement see one snapshot; pinned to the
-- index of numbers, so that a look every second costs what is new and not what there is.

-- Orders of the numbers after `in_after` up to `in_through`. Over-issued ones never had units here.
CREATE FUNCTION booked_orders(
  in_item integer, in_epoch bigint, in_bucket integer, in_after bigint, in_through bigint, OUT orders integer, OUT units bigint
) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  SELECT count(*), coalesce(sum(o.quantity) FILTER (WHERE o.reason IS DISTINCT FROM 'over_issue'), 0) INTO orders, units
    FROM orders o
   WHERE o.item_id = in_item AND o.epoch = in_epoch AND o.bucket = in_bucket AND o.seq > in_after AND o.seq <= in_through;
END $$;

CREATE FUNCTION highest_seq(in_item integer, in_epoch bigint, in_bucket integer) RETURNS bigint LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  RETURN coalesce((SELECT o.seq FROM orders o WHERE o.item_id = in_item AND o.epoch = in_epoch AND o.bucket = in_bucket
                    ORDER BY o.seq DESC LIMIT 1), 0);
END $$;

-- Numbers after `in_after` up to `in_through` that no order has: one walk over the index, whatever the gaps.
CREATE FUNCTION missing_seqs(
  in_item integer, in_epoch bigint, in_bucket integer, in_after bigint, in_through bigint, in_rows_max integer
) RETURNS TABLE (seq bigint) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  RETURN QUERY
    WITH known AS (
      SELECT o.seq AS number FROM orders o
       WHERE o.item_id = in_item AND o.epoch = in_epoch AND o.bucket = in_bucket
         AND o.seq > in_after AND o.seq <= in_through
       UNION ALL SELECT in_through + 1
    ), gaps AS (
      SELECT lag(k.number, 1, in_after) OVER (ORDER BY k.number) AS before, k.number AS behind FROM known k
    )
    SELECT missing FROM gaps g, generate_series(g.before + 1, g.behind - 1) missing
     WHERE g.behind > g.before + 1 ORDER BY missing LIMIT in_rows_max;
END $$;
