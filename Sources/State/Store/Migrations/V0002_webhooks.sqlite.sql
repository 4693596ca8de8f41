-- Receivers of events, and each event's way to each of them.

PRAGMA user_version = 2;

-- Their keys, and the address where it is one, are in `secrets`.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL CHECK (version >= 0),
  format TEXT NOT NULL CHECK (format IN ('cloudevents', 'slack')),
  types TEXT NOT NULL,
  is_configured INTEGER NOT NULL CHECK (is_configured IN (0, 1)),
  is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
  disabled_reason TEXT,
  failing_since INTEGER,
  former_secret_until INTEGER,
  created_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX webhooks_one_configured ON webhooks (is_configured) WHERE is_configured = 1;

-- Written in the transaction of the event. `number` orders those of one lane; only the first that is pending has a time, so
-- that what is due is found without a look at what waits behind it.
CREATE TABLE deliveries (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id),
  lane TEXT NOT NULL,
  position INTEGER NOT NULL REFERENCES events (position),
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  next_attempt_at INTEGER,
  first_attempt_at INTEGER,
  last_attempt_at INTEGER,
  last_status INTEGER,
  last_error TEXT,
  created_at INTEGER NOT NULL,
  CONSTRAINT only_pending_is_due CHECK (next_attempt_at IS NULL OR state = 'pending')
) STRICT;

CREATE INDEX deliveries_due ON deliveries (webhook_id, next_attempt_at, number) WHERE next_attempt_at IS NOT NULL;
CREATE UNIQUE INDEX deliveries_one_due_in_a_lane ON deliveries (webhook_id, lane) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (webhook_id, lane, number) WHERE state = 'pending';
CREATE INDEX deliveries_by_creation ON deliveries (webhook_id, created_at, id);
CREATE INDEX deliveries_of_event ON deliveries (position);

CREATE INDEX events_by_instance ON events (instance_id, position) WHERE instance_id IS NOT NULL;
CREATE INDEX events_by_job ON events (job_id, position) WHERE job_id IS NOT NULL;
CREATE INDEX events_by_time ON events (time);
