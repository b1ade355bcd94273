-- What operators did, as a chain: each entry's hash covers the one before it, so that nothing can be changed, left out or put
-- in between afterwards without every later hash being wrong. Entries are text and hashed as they stand, byte for byte.
CREATE TABLE operator_log (
  seq bigint PRIMARY KEY,
  at bigint NOT NULL,
  entry text NOT NULL,
  previous text NOT NULL,
  hash text NOT NULL
);

-- The end of the chain. Its row lock puts writers in line; it also tells when the last entries were cut off.
CREATE TABLE operator_log_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  seq bigint NOT NULL,
  hash text NOT NULL
);
INSERT INTO operator_log_head (seq, hash) VALUES (0, repeat('0', 64));

CREATE FUNCTION append_operator_log(in_entry text, OUT seq bigint, OUT at bigint, OUT hash text) LANGUAGE plpgsql AS $$
DECLARE
  head record;
BEGIN
  SELECT h.seq, h.hash INTO STRICT head FROM operator_log_head h FOR UPDATE;
  seq := head.seq + 1;
  at := now_ms();
  hash := encode(sha256(convert_to(concat_ws(E'\n', head.hash, seq::text, at::text, in_entry), 'UTF8')), 'hex');
  INSERT INTO operator_log (seq, at, entry, previous, hash) VALUES (seq, at, in_entry, head.hash, hash);
  UPDATE operator_log_head h SET seq = append_operator_log.seq, hash = append_operator_log.hash;
END $$;

-- Append-only for everybody who does not first take the trigger away; whoever can do that is caught by the hashes.
CREATE FUNCTION refuse_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the operator log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER operator_log_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_log_change();
