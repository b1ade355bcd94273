-- Every change of a sale's mode or epoch, for people: when, from what to what, and why. The database writes it by itself, so
-- that no path of the ledger can leave one out. The sale's row alone says what holds; only operators read this.

CREATE TABLE mode_change (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sale_id text NOT NULL,
  at bigint NOT NULL,
  -- Null: the sale was made, or what was before was not written down yet.
  from_mode text,
  to_mode text NOT NULL,
  epoch bigint NOT NULL,
  reason text NOT NULL
);
CREATE INDEX mode_change_by_sale ON mode_change (sale_id, number);

INSERT INTO mode_change (sale_id, at, from_mode, to_mode, epoch, reason)
  SELECT id, mode_since, NULL, mode, epoch, mode_reason FROM sale ORDER BY mode_since, id;

CREATE FUNCTION record_mode_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mode_change (sale_id, at, from_mode, to_mode, epoch, reason)
    VALUES (NEW.id, NEW.mode_since, CASE TG_OP WHEN 'UPDATE' THEN OLD.mode END, NEW.mode, NEW.epoch, NEW.mode_reason);
  RETURN NULL;
END $$;

CREATE TRIGGER sale_made AFTER INSERT ON sale FOR EACH ROW EXECUTE FUNCTION record_mode_change();
CREATE TRIGGER mode_changed AFTER UPDATE OF mode, epoch ON sale FOR EACH ROW
  WHEN (OLD.mode IS DISTINCT FROM NEW.mode OR OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION record_mode_change();
