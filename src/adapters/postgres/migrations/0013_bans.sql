-- Bans that say where they come from and what they do; holds that were left unpaid, and the cool-downs they cost; what
-- each node finds suspicious. A ban that was lifted stays, so that no automatic one comes back against an operator's word.

ALTER TABLE ban DROP CONSTRAINT ban_kind_check;
ALTER TABLE ban
  ADD CONSTRAINT ban_kind_check CHECK (kind IN ('buyer', 'ip', 'device')),
  ADD COLUMN effect text NOT NULL DEFAULT 'refuse' CHECK (effect IN ('refuse', 'cool_down', 'exempt')),
  ADD COLUMN origin text NOT NULL DEFAULT 'operator' CHECK (origin IN ('operator', 'automatic')),
  ADD COLUMN lifted_at bigint;
CREATE INDEX ban_by_subject ON ban (kind, subject);

-- One row. Every change of bans raises it, so that nodes read thousands of them only when there is something new.
CREATE TABLE ban_revision (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  revision bigint NOT NULL
);
INSERT INTO ban_revision (revision) VALUES (1);

CREATE FUNCTION raise_ban_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ban_revision SET revision = revision + 1;
  PERFORM announce('catalogue');
  RETURN NULL;
END $$;
CREATE TRIGGER ban_changed AFTER INSERT OR UPDATE OR DELETE ON ban
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ban_revision();

CREATE FUNCTION is_exempt(in_kind text, in_subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM ban b WHERE b.kind = in_kind AND b.subject = in_subject AND b.effect = 'exempt'
                   AND b.lifted_at IS NULL AND (b.expires_at IS NULL OR b.expires_at > now_ms()))
$$;

-- Bans for a while: four times as long as the last one within the window, up to the most. Does nothing where the subject
-- is exempt or banned already, or where an operator lifted such a ban within the window.
CREATE FUNCTION ban_automatically(
  in_id text, in_kind text, in_subject text, in_reason text, in_ms bigint, in_ms_max bigint, in_window_ms bigint
) RETURNS SETOF ban LANGUAGE plpgsql AS $$
DECLARE
  before integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(in_kind || '|' || in_subject, 0));
  IF is_exempt(in_kind, in_subject) THEN RETURN; END IF;
  PERFORM 1 FROM ban b WHERE b.kind = in_kind AND b.subject = in_subject AND b.effect = 'refuse'
    AND ((b.lifted_at IS NULL AND (b.expires_at IS NULL OR b.expires_at > now_ms()))
      OR (b.origin = 'automatic' AND b.lifted_at > now_ms() - in_window_ms));
  IF FOUND THEN RETURN; END IF;
  SELECT count(*) INTO before FROM ban b WHERE b.kind = in_kind AND b.subject = in_subject AND b.effect = 'refuse'
    AND b.origin = 'automatic' AND b.created_at > now_ms() - in_window_ms;
  RETURN QUERY INSERT INTO ban (id, kind, subject, reason, effect, origin, expires_at)
    VALUES (in_id, in_kind, in_subject, in_reason, 'refuse', 'automatic',
            now_ms() + least(in_ms * power(4, least(before, 10))::bigint, in_ms_max))
    RETURNING *;
END $$;

-- Holds that nobody paid: 2 for one that ran out, 1 for one that was given back. Noted when the hold begins to end, before
-- its units come back. Rows are only added here, never counted up in place: endings come in batches, and two batches must
-- not wait for each other's buyers.
CREATE TABLE dropped_hold (
  rid text COLLATE "C" PRIMARY KEY,
  buyer_id text COLLATE "C" NOT NULL,
  weight smallint NOT NULL,
  held_ms bigint NOT NULL,
  at bigint NOT NULL,
  is_counted boolean NOT NULL DEFAULT false
);
CREATE INDEX dropped_hold_fresh ON dropped_hold (at) WHERE NOT is_counted;
CREATE INDEX dropped_hold_by_buyer ON dropped_hold (buyer_id, at);
CREATE INDEX dropped_hold_by_age ON dropped_hold (at);

CREATE FUNCTION note_dropped_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dropped_hold (rid, buyer_id, weight, held_ms, at)
    VALUES (NEW.rid, NEW.buyer_id, CASE NEW.reason WHEN 'hold_passed' THEN 2 ELSE 1 END,
            greatest(least(NEW.updated_at, NEW.hold_until) - NEW.created_at, 0), NEW.updated_at)
    ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER dropped_hold AFTER UPDATE OF status ON orders FOR EACH ROW
  WHEN (OLD.status = 'held' AND NEW.status IN ('expiring', 'expired', 'cancelled'))
  EXECUTE FUNCTION note_dropped_hold();

-- Money that came, after all.
CREATE FUNCTION forgive_dropped_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dropped_hold WHERE rid = NEW.rid;
  UPDATE ban SET lifted_at = now_ms()
    WHERE kind = 'buyer' AND subject = NEW.buyer_id AND effect = 'cool_down' AND lifted_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER forgiven_hold AFTER UPDATE OF status ON orders FOR EACH ROW
  WHEN (OLD.status IN ('expiring', 'expired', 'cancelled') AND NEW.status = 'paid')
  EXECUTE FUNCTION forgive_dropped_hold();

-- Whoever kept units from others without paying waits as long as he kept them, twice as long the second time within the
-- window, and so on up to the most. One hold that was given back costs nothing. Answers how many holds were looked at.
CREATE FUNCTION apply_cool_downs(in_rows_max integer, in_window_ms bigint, in_ms_max bigint) RETURNS integer
  LANGUAGE plpgsql AS $$
DECLARE
  looked integer;
BEGIN
  -- A statement without rows would raise the revision as well.
  IF NOT EXISTS (SELECT 1 FROM dropped_hold d WHERE NOT d.is_counted) THEN RETURN 0; END IF;
  WITH fresh AS (
    SELECT d.rid FROM dropped_hold d WHERE NOT d.is_counted ORDER BY d.at LIMIT in_rows_max FOR UPDATE SKIP LOCKED
  ), counted AS (
    UPDATE dropped_hold d SET is_counted = true FROM fresh WHERE d.rid = fresh.rid
    RETURNING d.buyer_id, d.held_ms, d.at
  ), buyers AS (
    SELECT c.buyer_id, max(c.at) AS at, max(c.held_ms) AS held_ms FROM counted c GROUP BY c.buyer_id
  ), weighed AS (
    SELECT b.buyer_id, b.at, b.held_ms,
           (SELECT sum(d.weight) FROM dropped_hold d WHERE d.buyer_id = b.buyer_id AND d.at > b.at - in_window_ms) AS weight
      FROM buyers b
  ), due AS (
    SELECT w.buyer_id, w.at, w.weight,
           w.at + least(w.held_ms * power(2, least(w.weight / 2 - 1, 20))::bigint, in_ms_max) AS until
      FROM weighed w WHERE w.weight >= 2 AND NOT is_exempt('buyer', w.buyer_id)
  ), made AS (
    INSERT INTO ban (id, kind, subject, reason, effect, origin, expires_at)
      SELECT 'cd-' || md5(d.buyer_id || '|' || d.at), 'buyer', d.buyer_id, 'holds left unpaid', 'cool_down', 'automatic', d.until
        FROM due d WHERE d.until > now_ms()
      ON CONFLICT DO NOTHING
  )
  SELECT count(*) INTO looked FROM counted;
  RETURN looked;
END $$;

-- What each process found suspicious lately, for the operators' page, and what it counted, under hashes, for the other
-- processes. Rows of processes that are gone are deleted.
CREATE TABLE risk_report (
  run_id text PRIMARY KEY,
  at bigint NOT NULL DEFAULT now_ms(),
  report jsonb NOT NULL,
  counts jsonb NOT NULL
);
