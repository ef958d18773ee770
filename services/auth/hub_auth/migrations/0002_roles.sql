-- What an act of an administrator changed.
ALTER TABLE audit_log ADD COLUMN detail text NOT NULL DEFAULT '';

-- How many administrators there are is asked before one is removed.
CREATE INDEX users_admins ON users (user_id) WHERE 'admin' = ANY (roles);
