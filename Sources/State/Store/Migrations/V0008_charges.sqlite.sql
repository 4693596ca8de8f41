-- What the provider charged for our instances on each UTC day, as it last said.

PRAGMA user_version = 8;

CREATE TABLE charges (
  instance_id TEXT NOT NULL REFERENCES instances (id),
  day INTEGER NOT NULL CHECK (day % 86400000000 = 0),
  amount INTEGER NOT NULL,
  gpu INTEGER NOT NULL,
  disk INTEGER NOT NULL,
  download INTEGER NOT NULL,
  upload INTEGER NOT NULL,
  other INTEGER NOT NULL,
  -- NULL while the provider has listed nothing for the day.
  seen_at INTEGER,
  -- When the event of a discrepancy was recorded.
  told_at INTEGER,
  PRIMARY KEY (instance_id, day),
  CONSTRAINT what_was_never_seen_is_nothing CHECK (
    seen_at IS NOT NULL
    OR (amount = 0 AND gpu = 0 AND disk = 0 AND download = 0 AND upload = 0 AND other = 0))
) STRICT, WITHOUT ROWID;

CREATE INDEX charges_by_day ON charges (day, instance_id);

CREATE INDEX instances_by_market_id ON instances (market_id) WHERE market_id IS NOT NULL;

-- Lines whose change fell while nobody looked: few.
CREATE INDEX ledger_unseen ON ledger (instance_id, at) WHERE unseen_since IS NOT NULL;
