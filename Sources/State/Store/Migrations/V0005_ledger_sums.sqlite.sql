-- Amounts in the ledger beside rates, and its sums by day, which are written with each line.

PRAGMA user_version = 5;

CREATE TABLE ledger_with_amounts (
  position INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  instance_id TEXT NOT NULL REFERENCES instances (id),
  job_id TEXT REFERENCES jobs (id),
  kind TEXT NOT NULL CHECK (kind IN (
    'billing.start', 'billing.rate_changed', 'billing.stop', 'billing.transfer', 'billing.adjusted')),
  at INTEGER NOT NULL,
  gpu_per_hour INTEGER NOT NULL CHECK (gpu_per_hour >= 0),
  storage_per_hour INTEGER NOT NULL CHECK (storage_per_hour >= 0),
  gpu_amount INTEGER NOT NULL,
  storage_amount INTEGER NOT NULL,
  transfer_amount INTEGER NOT NULL,
  unseen_since INTEGER,
  is_rate INTEGER NOT NULL CHECK (is_rate IN (0, 1)),
  CONSTRAINT rates_have_no_amount
    CHECK (is_rate = 0 OR (gpu_amount = 0 AND storage_amount = 0 AND transfer_amount = 0)),
  CONSTRAINT amounts_have_no_rate CHECK (is_rate = 1 OR (gpu_per_hour = 0 AND storage_per_hour = 0)),
  CONSTRAINT nothing_flows_after_the_stop
    CHECK (kind <> 'billing.stop' OR (gpu_per_hour = 0 AND storage_per_hour = 0))
) STRICT;

INSERT INTO ledger_with_amounts
SELECT position, key, instance_id, job_id, kind, at, gpu_per_hour, storage_per_hour, 0, 0, 0, NULL, 1
FROM ledger ORDER BY position;

DROP TABLE ledger;
ALTER TABLE ledger_with_amounts RENAME TO ledger;

CREATE INDEX ledger_by_instance ON ledger (instance_id, at, key);
CREATE INDEX ledger_rates ON ledger (instance_id, at, key) WHERE is_rate = 1;
CREATE INDEX ledger_by_job ON ledger (job_id, at, key) WHERE job_id IS NOT NULL;
CREATE INDEX ledger_by_time ON ledger (at, key);

CREATE TRIGGER ledger_rows_do_not_change BEFORE UPDATE ON ledger
BEGIN
  SELECT RAISE(ABORT, 'ledger: rows do not change');
END;

CREATE TRIGGER ledger_rows_stay BEFORE DELETE ON ledger
BEGIN
  SELECT RAISE(ABORT, 'ledger: rows stay');
END;

-- The line of a rate that holds now; none for an instance that costs nothing any more.
CREATE TABLE ledger_open (
  instance_id TEXT PRIMARY KEY NOT NULL REFERENCES instances (id),
  at INTEGER NOT NULL,
  gpu_per_hour INTEGER NOT NULL,
  storage_per_hour INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What amounts, and rates that another line has ended, come to on each UTC day.
CREATE TABLE ledger_days (
  instance_id TEXT NOT NULL REFERENCES instances (id),
  day INTEGER NOT NULL,
  gpu INTEGER NOT NULL,
  storage INTEGER NOT NULL,
  transfer INTEGER NOT NULL,
  gpu_time INTEGER NOT NULL,
  PRIMARY KEY (instance_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_days_by_day ON ledger_days (day, instance_id);

-- The same of all instances together.
CREATE TABLE ledger_totals (
  day INTEGER PRIMARY KEY NOT NULL,
  instances INTEGER NOT NULL,
  gpu INTEGER NOT NULL,
  storage INTEGER NOT NULL,
  transfer INTEGER NOT NULL,
  gpu_time INTEGER NOT NULL
) STRICT;

INSERT INTO ledger_open
SELECT instance_id, at, gpu_per_hour, storage_per_hour FROM ledger
WHERE kind <> 'billing.stop' AND NOT EXISTS (
  SELECT 1 FROM ledger AS later
  WHERE later.instance_id = ledger.instance_id AND (later.at, later.key) > (ledger.at, ledger.key));

WITH RECURSIVE
spans (instance_id, start, finish, gpu_per_hour, storage_per_hour) AS (
  SELECT instance_id, at, LEAD(at) OVER (PARTITION BY instance_id ORDER BY at, key), gpu_per_hour, storage_per_hour
  FROM ledger
),
pieces (instance_id, day, start, until, finish, gpu_per_hour, storage_per_hour) AS (
  SELECT instance_id, start - start % 86400000000, start,
    MIN(start - start % 86400000000 + 86400000000, finish), finish, gpu_per_hour, storage_per_hour
  FROM spans WHERE finish > start
  UNION ALL
  SELECT instance_id, until, until, MIN(until + 86400000000, finish), finish, gpu_per_hour, storage_per_hour
  FROM pieces WHERE until < finish
)
INSERT INTO ledger_days
SELECT instance_id, day,
  SUM(gpu_per_hour * ((until - start) / 3600000000)
    + CAST(ROUND(gpu_per_hour * CAST((until - start) % 3600000000 AS REAL) / 3600000000) AS INTEGER)),
  SUM(storage_per_hour * ((until - start) / 3600000000)
    + CAST(ROUND(storage_per_hour * CAST((until - start) % 3600000000 AS REAL) / 3600000000) AS INTEGER)),
  0,
  SUM(CASE WHEN gpu_per_hour > 0 THEN until - start ELSE 0 END)
FROM pieces WHERE gpu_per_hour > 0 OR storage_per_hour > 0
GROUP BY instance_id, day;

INSERT INTO ledger_totals
SELECT day, COUNT(*), SUM(gpu), SUM(storage), SUM(transfer), SUM(gpu_time) FROM ledger_days GROUP BY day;
