-- What is kept of running jobs, and machines that are left alone for a while.

PRAGMA user_version = 3;

-- The files are in the data directory: jobs/JOB_ID/checkpoints/ID.tar.gz.
CREATE TABLE checkpoints (
  id TEXT PRIMARY KEY NOT NULL,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  mark TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX checkpoints_by_job ON checkpoints (job_id, created_at, id);

CREATE TABLE exclusions (
  id TEXT PRIMARY KEY NOT NULL,
  machine_id INTEGER NOT NULL,
  host_id INTEGER,
  reason TEXT NOT NULL,
  job_id TEXT REFERENCES jobs (id),
  created_at INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT;

CREATE INDEX exclusions_by_end ON exclusions (until);
