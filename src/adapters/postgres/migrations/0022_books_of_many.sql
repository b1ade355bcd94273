-- Books of many sales in one call: hundreds of sales are audited every second or so. A function that sets the planner's ways sets
-- them once for all buckets instead of twice for each, and no plan is made from what the tables were like when they were empty.

-- Buckets in the order in which they are named, orders counted above the number beside each.
CREATE FUNCTION books_of(in_items integer[], in_buckets integer[], in_above bigint[]) RETURNS TABLE (
  place bigint, sale_mode text, sale_epoch bigint, item integer, item_sku text, total integer, free integer, granted integer,
  held integer, sold integer, version bigint, bucket integer, granted_units bigint, order_count integer, order_units bigint,
  seq_max bigint
) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
  RETURN QUERY
    SELECT a.n, s.mode, s.epoch, i.item_id, i.sku, k.total, k.free, k.granted, k.held, k.sold, k.version, a.bucket,
           coalesce((SELECT sum(g.moved) FROM grant_log g WHERE g.item_id = a.item_id AND g.epoch = s.epoch
                        AND g.bucket = a.bucket AND g.state <> 'void'), 0)::bigint,
           o.count, o.units,
           coalesce((SELECT l.seq FROM orders l WHERE l.item_id = a.item_id AND l.epoch = s.epoch AND l.bucket = a.bucket
                      ORDER BY l.seq DESC LIMIT 1), 0)
      FROM unnest(in_items, in_buckets, in_above) WITH ORDINALITY a (item_id, bucket, above, n)
      JOIN item i ON i.item_id = a.item_id JOIN stock k ON k.item_id = a.item_id JOIN sale s ON s.id = i.sale_id
     CROSS JOIN LATERAL (
           SELECT count(*)::integer AS count,
                  coalesce(sum(r.quantity) FILTER (WHERE r.reason IS DISTINCT FROM 'over_issue'), 0)::bigint AS units
             FROM orders r WHERE r.item_id = a.item_id AND r.epoch = s.epoch AND r.bucket = a.bucket AND r.seq > a.above
           ) o
     ORDER BY a.n;
END $$;

-- The stock of items with what was granted to each bucket of their sale's epoch.
CREATE FUNCTION granted_stock(in_items integer[]) RETURNS TABLE (
  item integer, sale_epoch bigint, total integer, free integer, sold integer, version bigint, granted_units integer[]
) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
  RETURN QUERY
    SELECT i.item_id, s.epoch, k.total, k.free, k.sold, k.version,
           ARRAY(SELECT coalesce((SELECT sum(g.moved) FROM grant_log g WHERE g.item_id = i.item_id AND g.epoch = s.epoch
                                     AND g.bucket = b AND g.state <> 'void'), 0)::integer
                   FROM generate_series(0, s.buckets - 1) b ORDER BY b)
      FROM item i JOIN stock k ON k.item_id = i.item_id JOIN sale s ON s.id = i.sale_id
     WHERE i.item_id = ANY (in_items) ORDER BY i.item_id;
END $$;
