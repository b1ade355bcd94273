-- Rehearsals of this deployment and the certificates they were given. A certificate is kept as the text that was signed: whoever
-- reads it checks the signature, so the database is not trusted with it.

CREATE TABLE rehearsal (
  id text PRIMARY KEY,
  sale_id text,
  started_at bigint NOT NULL DEFAULT now_ms(),
  -- After this a rehearsal that is not finished has died with its node.
  ends_at bigint NOT NULL,
  finished_at bigint,
  signed text,
  failure text,
  CHECK (finished_at IS NOT NULL OR (signed IS NULL AND failure IS NULL)),
  CHECK (signed IS NULL OR failure IS NULL)
);
CREATE INDEX rehearsal_by_start ON rehearsal (started_at);
CREATE INDEX rehearsal_by_sale ON rehearsal (sale_id, started_at) WHERE sale_id IS NOT NULL;

-- Nodes that run with a role of their own go on after an upgrade.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'doorbuster_app') THEN
    GRANT SELECT, INSERT, UPDATE ON rehearsal TO doorbuster_app;
  END IF;
END $$;
