-- What moves units runs with the rights of the schema's owner, so that the role of the nodes (docs/operating/database-role.sql)
-- needs no right to change stock: a node that was broken into can sell, end and adjust by these functions, and nothing past
-- them. Each has one search path, so that nobody's temporary table stands for one of ours.

DO $$
DECLARE
  moving regprocedure;
BEGIN
  FOR moving IN
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = current_schema()::regnamespace
       AND p.proname IN ('reserve_batch', 'cancel_hold', 'finish_endings', 'settle_payment', 'adjust_stock', 'commit_batch',
                         'void_row', 'void_seq', 'record_lost', 'place_grant', 'settle_grant', 'fence_sale')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', moving, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', moving);
    -- Nodes that run meanwhile go on; a role of another name gets the right from database-role.sql.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'doorbuster_app') THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO doorbuster_app', moving);
    END IF;
  END LOOP;
END $$;
