-- What the operator side keeps: the counters of every run of a process, and the record that explains a stock's total.

-- One row per run and sale, overwritten by its run once a second; statistics are the sum over all runs. `sale_id` is ''
-- for attempts on no known sale, and that row also tells that the run is alive. Latencies are counted by the upper
-- bound of their bucket in microseconds. No foreign key: counters must never make a sale's own transaction wait.
CREATE TABLE funnel_stats (
  sale_id text NOT NULL,
  run_id text NOT NULL,
  decisions jsonb NOT NULL,
  accepted jsonb NOT NULL,
  accepted_sum_ms double precision NOT NULL,
  refused jsonb NOT NULL,
  refused_sum_ms double precision NOT NULL,
  accepted_per_s double precision NOT NULL,
  refused_per_s double precision NOT NULL,
  backlog integer NOT NULL,
  updated_at bigint NOT NULL DEFAULT now_ms(),
  PRIMARY KEY (sale_id, run_id)
) WITH (fillfactor = 50);

-- The first stocking is recorded like every later adjustment, by the database itself, so that the audit can explain
-- `total` from a record that no code path of the ledger writes.
CREATE FUNCTION record_first_stocking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO stock_adjustment (item_id, delta, reason) VALUES (NEW.item_id, NEW.total, 'created');
  RETURN NEW;
END $$;

CREATE TRIGGER stock_created AFTER INSERT ON stock FOR EACH ROW EXECUTE FUNCTION record_first_stocking();
