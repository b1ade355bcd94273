-- What moves units runs with the rights of the schema's owner, so that the role of the nodes (docs/operating/database-role.sql)
-- needs no right to change stock: a node that was broken into can sell, end and adjust by these functions, and nothing past
-- them. Each has one search path, so that nobody's temporary table stands for one of ours.

ALTER FUNCTION reserve_batch SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION cancel_hold SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION finish_endings SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION settle_payment SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION adjust_stock SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION commit_batch SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION void_row SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION void_seq SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION record_lost SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION place_grant SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION settle_grant SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION fence_sale SECURITY DEFINER SET search_path = public, pg_temp;

REVOKE EXECUTE ON FUNCTION reserve_batch, cancel_hold, finish_endings, settle_payment, adjust_stock, commit_batch, void_row,
  void_seq, record_lost, place_grant, settle_grant, fence_sale FROM PUBLIC;

-- Nodes that run meanwhile go on; a role of another name gets the right from a file of its own like database-role.sql.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'doorbuster_app') THEN
    GRANT EXECUTE ON FUNCTION reserve_batch, cancel_hold, finish_endings, settle_payment, adjust_stock, commit_batch,
      void_row, void_seq, record_lost, place_grant, settle_grant, fence_sale TO doorbuster_app;
  END IF;
END $$;
