-- Users with their accounts, sessions with their refresh tokens, signing keys, the deny set and the audit log.

CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    account_id uuid NOT NULL UNIQUE,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    password_hash text NOT NULL,
    roles text[] NOT NULL CHECK (
        cardinality(roles) > 0 AND roles <@ ARRAY['user', 'support', 'admin']
    ),
    created_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (user_id),
    account_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    -- logout or reuse.
    end_reason text CHECK ((end_reason IS NULL) = (ended_at IS NULL))
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The tokens themselves are nowhere. A used one stays, so that its second use is noticed.
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    algorithm text NOT NULL,
    public_key_pem text NOT NULL,
    -- AES-GCM under the secret of the service's settings: 12 bytes nonce, then the sealed PKCS 8 key.
    sealed_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- From then on it verifies no more.
    retired_at timestamptz
);

-- Sessions and users whose access tokens are refused although they have not expired.
CREATE TABLE denied (
    subject_id uuid PRIMARY KEY,
    until timestamptz NOT NULL,
    denied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX denied_by_time ON denied (denied_at);
CREATE INDEX denied_by_end ON denied (until);

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL CHECK (action <> ''),
    -- Who did it; null: nobody known.
    user_id uuid,
    account_id uuid,
    session_id uuid,
    trace_id text NOT NULL DEFAULT ''
);

CREATE INDEX audit_log_by_user ON audit_log (user_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', tg_table_name USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
