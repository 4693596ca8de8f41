-- Budgets, what was told of them, and what an interruptible machine would have cost on demand.

PRAGMA user_version = 6;

-- The label '' stands for everything.
CREATE TABLE budgets (
  label TEXT PRIMARY KEY NOT NULL,
  daily INTEGER CHECK (daily >= 0),
  monthly INTEGER CHECK (monthly >= 0),
  burn_rate INTEGER CHECK (burn_rate >= 0),
  action TEXT NOT NULL CHECK (action IN ('alert', 'block', 'stop'))
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_breaches (
  label TEXT NOT NULL,
  bound_kind TEXT NOT NULL CHECK (bound_kind IN ('daily', 'monthly', 'burn_rate')),
  bound INTEGER NOT NULL,
  period INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (label, bound_kind, bound, period)
) STRICT, WITHOUT ROWID;

ALTER TABLE instances ADD COLUMN on_demand_gpu_per_hour INTEGER;

-- Of machines that bid, where that price is known: what their GPUs cost, and what they would have cost on demand.
ALTER TABLE ledger_totals ADD COLUMN bid_gpu INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_totals ADD COLUMN bid_on_demand INTEGER NOT NULL DEFAULT 0;

-- The sums of each label by day: what its budget is held against, however many instances ever had it.
CREATE TABLE ledger_labels (
  label TEXT NOT NULL,
  day INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (label, day)
) STRICT, WITHOUT ROWID;

INSERT INTO ledger_labels
SELECT i.label, l.day, SUM(l.gpu + l.storage + l.transfer)
FROM ledger_days AS l JOIN instances AS i ON i.id = l.instance_id GROUP BY i.label, l.day;
