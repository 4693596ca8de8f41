-- Jobs, the instances that serve them, what happened and what it cost.
-- Times are microseconds since 1970 UTC, money is micro-dollars, booleans are 0 and 1, documents are JSON text.

PRAGMA user_version = 1;

CREATE TABLE settings (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE uploads (
  id TEXT PRIMARY KEY NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX uploads_by_creation ON uploads (created_at);

CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL CHECK (version >= 0),
  state TEXT NOT NULL CHECK (state IN (
    'awaiting_approval', 'queued', 'provisioning', 'starting', 'running', 'collecting', 'cleaning_up',
    'succeeded', 'failed', 'cancelled')),
  name TEXT,
  priority INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- Not a foreign key: an upload goes when no unfinished job needs it, and the record of the job stays.
  input_upload_id TEXT,
  instance_id TEXT REFERENCES instances (id),
  attempt INTEGER NOT NULL CHECK (attempt >= 0),
  is_cancel_requested INTEGER NOT NULL CHECK (is_cancel_requested IN (0, 1)),
  outcome TEXT CHECK (outcome IN ('succeeded', 'failed', 'cancelled')),
  exit_code INTEGER,
  cost INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  finished_at INTEGER,
  verified_at INTEGER,
  has_secrets INTEGER NOT NULL CHECK (has_secrets IN (0, 1)),
  specification TEXT NOT NULL,
  failure TEXT,
  quote TEXT,
  results TEXT,
  failed_machines TEXT,
  attempts TEXT,
  phases TEXT,
  CONSTRAINT ended_job_keeps_no_secret
    CHECK (state NOT IN ('succeeded', 'failed', 'cancelled') OR has_secrets = 0),
  CONSTRAINT ended_job_has_its_outcome
    CHECK (state NOT IN ('succeeded', 'failed', 'cancelled') OR (outcome IS NOT NULL AND outcome = state))
) STRICT;

-- Answers lists of ids and versions, filtered by state or not, without a look at the rows.
CREATE INDEX jobs_by_creation ON jobs (created_at, id, version, state);
CREATE INDEX jobs_by_name ON jobs (name, created_at, id) WHERE name IS NOT NULL;
-- Few rows however many jobs have ended: what the job runner looks at.
CREATE INDEX jobs_active ON jobs (priority DESC, created_at, id)
  WHERE state NOT IN ('awaiting_approval', 'succeeded', 'failed', 'cancelled');
CREATE INDEX jobs_by_upload ON jobs (input_upload_id) WHERE input_upload_id IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, created_at, id);

CREATE TABLE instances (
  id TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL CHECK (version >= 0),
  state TEXT NOT NULL CHECK (state IN (
    'requested', 'creating', 'loading', 'running', 'stopping', 'stopped', 'destroying', 'destroyed', 'failed', 'lost')),
  desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'destroyed')),
  tag TEXT NOT NULL,
  label TEXT NOT NULL,
  job_id TEXT REFERENCES jobs (id),
  market_id INTEGER,
  machine_id INTEGER,
  host_id INTEGER,
  gpu_name TEXT,
  gpu_count INTEGER NOT NULL,
  region TEXT,
  price_per_hour INTEGER,
  storage_per_hour INTEGER,
  cost INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  ordered_at INTEGER,
  accepted_at INTEGER,
  running_at INTEGER,
  stopped_at INTEGER,
  destroy_asked_at INTEGER,
  destroyed_at INTEGER,
  last_seen_at INTEGER,
  has_secrets INTEGER NOT NULL CHECK (has_secrets IN (0, 1)),
  rental_order TEXT NOT NULL,
  offer_query TEXT,
  observation TEXT,
  failure TEXT,
  CONSTRAINT gone_instance_keeps_no_secret
    CHECK (state NOT IN ('destroyed', 'failed') OR has_secrets = 0),
  CONSTRAINT existing_instance_has_its_number
    CHECK (state NOT IN ('loading', 'running', 'stopping', 'stopped', 'destroying', 'lost') OR market_id IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX instances_by_tag ON instances (tag);
-- One job never has two live instances, whatever else goes wrong.
CREATE UNIQUE INDEX instances_one_live_for_a_job ON instances (job_id)
  WHERE job_id IS NOT NULL AND state NOT IN ('destroyed', 'failed');
CREATE INDEX instances_by_job ON instances (job_id, created_at, id) WHERE job_id IS NOT NULL;
CREATE INDEX instances_live ON instances (created_at, id) WHERE state NOT IN ('destroyed', 'failed');
CREATE INDEX instances_by_creation ON instances (created_at, id);
CREATE INDEX instances_by_label ON instances (label, created_at, id);
CREATE INDEX instances_by_state ON instances (state, created_at, id);

-- What a job or an instance may not show again: env secrets, registry logins. Deleted when the work is over.
-- A table of its own, so that a row is written once and deleted once, and no copy of it stays in a page that was rebuilt.
CREATE TABLE secrets (
  subject TEXT PRIMARY KEY NOT NULL,
  document TEXT NOT NULL
) STRICT;

-- `position` orders all events and is never used twice; `sequence` counts those of one subject without gaps.
CREATE TABLE events (
  position INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  subject TEXT NOT NULL,
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  type TEXT NOT NULL,
  instance_id TEXT,
  job_id TEXT,
  time INTEGER NOT NULL,
  data TEXT,
  UNIQUE (subject, sequence)
) STRICT;

CREATE TABLE event_sequences (
  subject TEXT PRIMARY KEY NOT NULL,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
  position INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  instance_id TEXT NOT NULL REFERENCES instances (id),
  job_id TEXT REFERENCES jobs (id),
  kind TEXT NOT NULL CHECK (kind IN ('billing.start', 'billing.rate_changed', 'billing.stop')),
  at INTEGER NOT NULL,
  gpu_per_hour INTEGER NOT NULL,
  storage_per_hour INTEGER NOT NULL
) STRICT;

CREATE INDEX ledger_by_instance ON ledger (instance_id, at, position);

CREATE TRIGGER ledger_rows_do_not_change BEFORE UPDATE ON ledger
BEGIN
  SELECT RAISE(ABORT, 'ledger: rows do not change');
END;

CREATE TRIGGER ledger_rows_stay BEFORE DELETE ON ledger
BEGIN
  SELECT RAISE(ABORT, 'ledger: rows stay');
END;

CREATE TABLE idempotency_keys (
  principal TEXT NOT NULL,
  route TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL,
  location TEXT,
  body BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (principal, route, key)
) STRICT;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
