-- Changes that wait for a second person, and the one that most needs one: the price of an item.

-- A request as it will be made once somebody else says yes. `digest` covers method, path and body: what is approved is what
-- was shown. Nobody decides about his own request; he may only take it back.
CREATE TABLE approval (
  id text PRIMARY KEY,
  requested_by text NOT NULL REFERENCES operator (id),
  requested_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
  method text NOT NULL,
  path text NOT NULL,
  body text NOT NULL,
  digest text NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'rejected', 'withdrawn')),
  decided_by text REFERENCES operator (id),
  decided_at bigint,
  -- The status the request was answered with; null while it runs, and for ever when the node died meanwhile.
  outcome integer,
  CHECK ((state = 'waiting') = (decided_by IS NULL)),
  CONSTRAINT two_people CHECK (decided_by IS NULL OR (decided_by = requested_by) = (state = 'withdrawn'))
);
CREATE INDEX approval_waiting ON approval (expires_at) WHERE state = 'waiting';
CREATE INDEX approval_by_time ON approval (requested_at);

-- Another price, while nobody was promised the old one: an order's amount is its item's price times its quantity, and stays
-- so. Takes the sale's fence, so no batch is under way; in redis mode acceptances may be on their way that no order shows.
CREATE FUNCTION change_price(in_sale text, in_sku text, in_amount bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  target record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(in_sale, 0));
  SELECT i.item_id, i.price_amount, s.mode, s.opens_at INTO target
    FROM item i JOIN sale s ON s.id = i.sale_id WHERE i.sale_id = in_sale AND i.sku = in_sku;
  IF NOT FOUND THEN RETURN 'no_item'; END IF;
  IF target.price_amount = in_amount THEN RETURN 'changed'; END IF;
  IF target.mode <> 'postgres' AND now_ms() >= target.opens_at THEN RETURN 'in_redis'; END IF;
  IF EXISTS (SELECT 1 FROM orders o WHERE o.item_id = target.item_id) THEN RETURN 'has_orders'; END IF;
  UPDATE item SET price_amount = in_amount WHERE item_id = target.item_id;
  UPDATE sale SET revision = revision + 1 WHERE id = in_sale;
  PERFORM announce('catalogue');
  RETURN 'changed';
END $$;
