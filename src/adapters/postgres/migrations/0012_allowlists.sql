-- Allowlists of any length, and sales that open earlier for some. A list is written in parts while nobody reads it and
-- counts from the moment it is published; it never changes afterwards, so that it can be read part by part. A part is
-- its lines, `buyerId` or `buyerId,tier`: nobody asks the database for one buyer, so rows of their own would only cost.

CREATE TABLE allowlist_list (
  list_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sale_id text NOT NULL REFERENCES sale (id),
  -- Null until it is published.
  buyers integer CHECK (buyers >= 0),
  parts integer CHECK (parts >= 0),
  created_at bigint NOT NULL DEFAULT now_ms(),
  CONSTRAINT published CHECK ((buyers IS NULL) = (parts IS NULL))
);

CREATE INDEX allowlist_list_of_sale ON allowlist_list (sale_id);

CREATE TABLE allowlist_part (
  list_id bigint NOT NULL REFERENCES allowlist_list (list_id) ON DELETE CASCADE,
  part integer NOT NULL,
  lines text NOT NULL,
  PRIMARY KEY (list_id, part)
);

ALTER TABLE sale ADD COLUMN allowlist_id bigint;

-- opens_at stays what the ledger checks: the first instant at which anybody may buy. This is when everybody may; null =
-- at the same instant.
ALTER TABLE sale ADD COLUMN opens_to_all_at bigint CHECK (opens_to_all_at >= opens_at);

-- Lists from before. The old table stays for nodes of the older version that may still run.
INSERT INTO allowlist_list (sale_id, buyers, parts)
  SELECT sale_id, count(*), (count(*) + 4999) / 5000 FROM allowlist GROUP BY sale_id;

INSERT INTO allowlist_part (list_id, part, lines)
  SELECT l.list_id, a.part, string_agg(a.buyer_id, E'\n' ORDER BY a.buyer_id)
    FROM (SELECT sale_id, buyer_id,
            ((row_number() OVER (PARTITION BY sale_id ORDER BY buyer_id) - 1) / 5000)::integer AS part
          FROM allowlist) a
    JOIN allowlist_list l USING (sale_id)
    GROUP BY l.list_id, a.part;

UPDATE sale SET allowlist_id = l.list_id FROM allowlist_list l WHERE l.sale_id = sale.id;
