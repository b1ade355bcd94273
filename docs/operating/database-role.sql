-- The role that nodes run with: it reads and writes what a sale needs, and can neither change the schema nor get round a
-- constraint. Run it as the owner of the schema after `doorbuster migrate`, and again after each upgrade; then give nodes
-- a DATABASE_URL with this role. `doorbuster migrate` keeps the owner's.
--
--   CREATE ROLE doorbuster_app LOGIN PASSWORD '…';

GRANT USAGE ON SCHEMA public, sandbox TO doorbuster_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public, sandbox TO doorbuster_app;

-- Units move by functions that run with the owner's rights. A new item is stocked once, and its stock is not touched again.
REVOKE INSERT, UPDATE ON stock FROM doorbuster_app;
GRANT INSERT (item_id, total, free) ON stock TO doorbuster_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO doorbuster_app;

-- What ends by being deleted. Orders, stock, adjustments and the operators' log are not among it.
GRANT DELETE ON allowlist_list, allowlist_part, ban, bucket_note, dropped_hold, node_report, operator_session, outbox,
  risk_report, webhook_endpoint, sandbox.notification TO doorbuster_app;

-- What is written once.
REVOKE UPDATE ON deployment_key, mode_change, operator_log, stock_adjustment, payment_notification FROM doorbuster_app;
REVOKE INSERT, UPDATE ON schema_migration, sandbox.schema_migration FROM doorbuster_app;
