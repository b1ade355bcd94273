-- What a sale's ledger needs to know about itself beyond its mode and epoch: into how many buckets the redis ledger splits
-- an item, and when, why and how often the mode changed (docs/spec/redis-ledger.md, "Modes").

ALTER TABLE sale
  ADD COLUMN buckets integer NOT NULL DEFAULT 1 CHECK (buckets BETWEEN 1 AND 64),
  ADD COLUMN mode_since bigint NOT NULL DEFAULT now_ms(),
  ADD COLUMN mode_reason text NOT NULL DEFAULT 'created',
  ADD COLUMN flips integer NOT NULL DEFAULT 0;
