-- Which secrets the nodes of this deployment have signed with, in the order in which they came into use. A fingerprint says
-- nothing about its secret. A node that does not know the youngest would refuse what the others have signed, so it does not
-- start: src/adapters/postgres/deployment-keys.ts.

CREATE TABLE deployment_key (
  generation bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fingerprint text NOT NULL CHECK (length(fingerprint) BETWEEN 1 AND 64),
  -- What the ids of its sessions begin with.
  kid text NOT NULL,
  first_used_at bigint NOT NULL DEFAULT now_ms()
);
