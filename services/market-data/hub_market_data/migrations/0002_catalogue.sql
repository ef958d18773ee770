-- The whole catalogue: limits, settlement, time zones, trading days, and what administrators did. Only additions:
-- the code before this one still runs on it.

ALTER TABLE instruments
    ADD COLUMN min_quantity numeric(20, 8) NOT NULL DEFAULT 0.00000001,
    ADD COLUMN max_quantity numeric(20, 8) NOT NULL DEFAULT 1000000,
    ADD COLUMN shortable boolean NOT NULL DEFAULT false,
    ADD COLUMN sector text NOT NULL DEFAULT '',
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN settlement_calendar text NOT NULL DEFAULT 'US',
    -- Why it is halted; empty when it is not.
    ADD COLUMN halt_reason text NOT NULL DEFAULT '';

-- IANA name. The hours of a calendar are hours there.
ALTER TABLE calendars ADD COLUMN timezone text NOT NULL DEFAULT 'UTC';

UPDATE calendars SET timezone = 'America/New_York' WHERE calendar = 'XNYS';

-- The trading day in the calendar's own time zone; where nobody said, the one on which the session opens there.
ALTER TABLE sessions ADD COLUMN day date;

-- Days whose hours an administrator has set, closed ones too: seeding leaves them alone.
CREATE TABLE administered_days (
    calendar text NOT NULL REFERENCES calendars (calendar),
    day date NOT NULL,
    PRIMARY KEY (calendar, day)
);

CREATE TABLE settlement_days (
    calendar text NOT NULL CHECK (calendar <> ''),
    day date NOT NULL,
    PRIMARY KEY (calendar, day)
);

-- What administrators did, for ever.
CREATE TABLE admin_events (
    id uuid PRIMARY KEY,
    -- The user's id, as the verified token said.
    actor uuid NOT NULL,
    act text NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION admin_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'admin_events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER admin_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_events
    FOR EACH STATEMENT EXECUTE FUNCTION admin_events_append_only();
