-- Whoever wants a rehearsal stopped asks any node; the one that runs it looks here.
ALTER TABLE rehearsal ADD COLUMN is_stopping boolean NOT NULL DEFAULT false;
