-- What hosts ask for beyond the present term of a contract of ours, and how it was answered.

PRAGMA user_version = 7;

CREATE TABLE price_increases (
  id TEXT PRIMARY KEY NOT NULL,
  provider_id INTEGER NOT NULL UNIQUE,
  instance_id TEXT NOT NULL REFERENCES instances (id),
  -- When it was first seen.
  created_at INTEGER NOT NULL,
  deadline INTEGER,
  price_per_hour INTEGER,
  new_price_per_hour INTEGER,
  is_listed INTEGER NOT NULL CHECK (is_listed IN (0, 1)),
  accept_asked_at INTEGER,
  refuse_asked_at INTEGER,
  answer TEXT CHECK (answer IN ('accepted', 'refused')),
  answered_at INTEGER,
  closed_at INTEGER,
  terms TEXT NOT NULL,
  CHECK ((answer IS NULL) = (answered_at IS NULL)),
  CHECK (answer IS NULL OR closed_at IS NOT NULL),
  CHECK (price_per_hour IS NULL OR new_price_per_hour IS NOT NULL)
) STRICT;

CREATE INDEX price_increases_by_creation ON price_increases (created_at, id);
CREATE INDEX price_increases_open ON price_increases (created_at, id) WHERE closed_at IS NULL;
