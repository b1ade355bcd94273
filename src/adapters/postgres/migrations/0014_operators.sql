-- People who operate: who they are, what they may do, how they prove it, and their sessions in the console.
-- Secrets are never stored as such: passwords as argon2id, codes' secrets sealed with a key of SECRET, session tokens and
-- invitations as hashes. `external_id` is set for those who sign in at the identity provider, and only for them.
CREATE TABLE operator (
  id text PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
  is_active boolean NOT NULL DEFAULT true,
  external_id text UNIQUE,
  password_hash text,
  totp_sealed text,
  -- The time step of the last code that was taken: a code is good once.
  totp_step bigint NOT NULL DEFAULT 0,
  invitation_hash text UNIQUE,
  invitation_expires_at bigint,
  created_at bigint NOT NULL DEFAULT now_ms(),
  CHECK (external_id IS NULL OR (password_hash IS NULL AND invitation_hash IS NULL)),
  CHECK ((invitation_hash IS NULL) = (invitation_expires_at IS NULL))
);
-- Two names that differ in case only would be taken for one by those who read the log.
CREATE UNIQUE INDEX operator_by_name ON operator (lower(name));

CREATE TABLE operator_session (
  token_hash text PRIMARY KEY,
  operator_id text NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
  created_at bigint NOT NULL,
  seen_at bigint NOT NULL,
  -- When its owner last proved with password, code or provider that it is still him.
  proven_at bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX operator_session_by_operator ON operator_session (operator_id);
