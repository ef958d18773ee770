-- What an act of an administrator changed.
ALTER TABLE audit_log ADD COLUMN detail text NOT NULL DEFAULT '';
