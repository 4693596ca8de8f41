-- Whether a machine that stops under its job is to be started once more.

PRAGMA user_version = 4;

ALTER TABLE instances ADD COLUMN may_revive INTEGER NOT NULL DEFAULT 0 CHECK (may_revive IN (0, 1));
