-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, require-concurrent-index-creation
-- (constraints are only widened, and no table is large yet where this is applied)

-- The whole life of an order: stops, trailing stops, cash amounts, ends by time and by replacement, venues that keep
-- an order until they answer; and what is kept beside the orders.

ALTER TABLE orders
    ADD COLUMN stop_price numeric(20, 8),
    ADD COLUMN trail_amount numeric(20, 8),
    ADD COLUMN trail_percent numeric(20, 8),
    ADD COLUMN notional numeric(20, 8),
    ADD COLUMN extended_hours boolean NOT NULL DEFAULT false,
    ADD COLUMN replaced_by uuid,
    ADD COLUMN reprice boolean NOT NULL DEFAULT false,
    ADD COLUMN triggered_at timestamptz,
    -- Where it is while a venue keeps it: venue, quote, time.
    ADD COLUMN route jsonb,
    ADD COLUMN ending text NOT NULL DEFAULT '',
    ADD COLUMN ending_actor text NOT NULL DEFAULT '',
    -- All that the venue says it filled, while not all of that has been heard of.
    ADD COLUMN venue_filled numeric(20, 8),
    -- In the market's time.
    ADD COLUMN expires_at timestamptz;

ALTER TABLE orders
    DROP CONSTRAINT orders_type,
    DROP CONSTRAINT orders_time_in_force,
    DROP CONSTRAINT orders_limit_price,
    DROP CONSTRAINT orders_protection_price;

ALTER TABLE orders
    ADD CONSTRAINT orders_type CHECK (type IN ('MARKET', 'LIMIT', 'STOP_LOSS', 'STOP_LIMIT', 'TRAILING_STOP'))
        NOT VALID,
    ADD CONSTRAINT orders_time_in_force CHECK (time_in_force IN ('DAY', 'GTC', 'IOC', 'FOK')) NOT VALID,
    ADD CONSTRAINT orders_limit_price CHECK (
        (type IN ('LIMIT', 'STOP_LIMIT')) = (limit_price IS NOT NULL) AND limit_price > 0) NOT VALID,
    ADD CONSTRAINT orders_protection_price CHECK (
        CASE WHEN type IN ('MARKET', 'STOP_LOSS', 'TRAILING_STOP') AND side = 'BUY' AND reason <> 'ABANDONED'
             THEN protection_price IS NOT NULL AND protection_price > 0
             ELSE protection_price IS NULL END) NOT VALID,
    ADD CONSTRAINT orders_stop_price CHECK (
        CASE WHEN type IN ('STOP_LOSS', 'STOP_LIMIT') THEN stop_price IS NOT NULL AND stop_price > 0
             WHEN type = 'TRAILING_STOP' THEN (stop_price IS NOT NULL) = (triggered_at IS NOT NULL)
             ELSE stop_price IS NULL AND triggered_at IS NULL END) NOT VALID,
    ADD CONSTRAINT orders_trail CHECK (
        num_nonnulls(trail_amount, trail_percent) = CASE WHEN type = 'TRAILING_STOP' THEN 1 ELSE 0 END
        AND (trail_amount IS NULL OR trail_amount > 0)
        AND (trail_percent IS NULL OR (trail_percent > 0 AND trail_percent < 100))) NOT VALID,
    ADD CONSTRAINT orders_notional CHECK (notional IS NULL OR (type = 'MARKET' AND notional > 0)) NOT VALID,
    ADD CONSTRAINT orders_ending CHECK (ending IN ('', 'CANCELLED', 'EXPIRED')) NOT VALID,
    ADD CONSTRAINT orders_replaced CHECK ((status = 'REPLACED') = (replaced_by IS NOT NULL)) NOT VALID;

ALTER TABLE orders
    VALIDATE CONSTRAINT orders_type,
    VALIDATE CONSTRAINT orders_time_in_force,
    VALIDATE CONSTRAINT orders_limit_price,
    VALIDATE CONSTRAINT orders_protection_price,
    VALIDATE CONSTRAINT orders_stop_price,
    VALIDATE CONSTRAINT orders_trail,
    VALIDATE CONSTRAINT orders_notional,
    VALIDATE CONSTRAINT orders_ending,
    VALIDATE CONSTRAINT orders_replaced;

-- Records and executions are written in the transaction that has inserted or locked their order, and orders are never
-- deleted: a check for every row would only cost. `verify-audit` finds what has no order.
ALTER TABLE executions DROP CONSTRAINT executions_order_id_fkey;
ALTER TABLE order_events DROP CONSTRAINT order_events_order_id_fkey;

CREATE FUNCTION orders_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'orders are never deleted' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER orders_are_kept BEFORE DELETE OR TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION orders_are_kept();

-- Orders that are filled at once are in none of these: they never rest.
CREATE INDEX orders_expiring ON orders (expires_at, id)
    WHERE expires_at IS NOT NULL AND rested AND status IN ('PROCESSING', 'PARTIALLY_EXECUTED');
-- The price is the worst one the order trades at, and null while it awaits its stop: which of an account's orders comes
-- nearest to a new one on the other side is a single probe.
CREATE INDEX orders_resting_of_account ON orders (
    account_id, symbol, side,
    (CASE WHEN type IN ('MARKET', 'LIMIT') OR triggered_at IS NOT NULL
          THEN coalesce(limit_price, protection_price, 0) END)
) WHERE rested AND status IN ('PROCESSING', 'PARTIALLY_EXECUTED');
CREATE INDEX orders_at_venue ON orders (id) WHERE route IS NOT NULL;
CREATE INDEX orders_ended_of_account ON orders (account_id, status, id)
    WHERE status IN ('CANCELLED', 'EXPIRED', 'REPLACED', 'FAILED');
CREATE INDEX orders_of_account_and_symbol ON orders (account_id, symbol, id);

-- The blotter.
CREATE INDEX executions_of_account ON executions (account_id, executed_at, id);
CREATE INDEX executions_in_time ON executions (executed_at, id);

-- Executions that no order of ours explains: facts that a person has to look at.
CREATE TABLE stray_executions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL,
    venue_execution_id text NOT NULL,
    order_id uuid NOT NULL,
    quantity numeric(20, 8) NOT NULL,
    price numeric(20, 8) NOT NULL,
    venue_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (venue, order_id, venue_execution_id)
);

-- Records that were added on one day are found by the database's own clock, which no writer can be late for. Rows are
-- added in its order, so that an index of a few pages is enough.
ALTER TABLE order_events ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX order_events_recorded ON order_events USING brin (recorded_at) WITH (autosummarize = on);

CREATE OR REPLACE FUNCTION order_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- What was not done and why: requests about orders that were refused. Append-only; each carries the hash of the one
-- before of the same order id.
CREATE TABLE refusals (
    order_id uuid NOT NULL,
    number bigint NOT NULL,
    account_id uuid NOT NULL,
    request text NOT NULL,
    code text NOT NULL,
    field text NOT NULL,
    sentence text NOT NULL,
    actor text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    detail jsonb NOT NULL,
    quote jsonb,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (order_id, number)
);
CREATE INDEX refusals_of_account ON refusals (account_id, occurred_at);
CREATE INDEX refusals_recorded ON refusals USING brin (recorded_at) WITH (autosummarize = on);
CREATE TRIGGER refusals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refusals
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_append_only();

-- A refusal comes with the hash of its content, and gets its place in the chain under a lock of its order id: what
-- follows the lock is read anew, so that two processes never follow the same one.
CREATE FUNCTION refusals_chained() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('refusals ' || NEW.order_id, 0));
    SELECT number, hash INTO last FROM refusals WHERE order_id = NEW.order_id ORDER BY number DESC LIMIT 1;
    NEW.number := coalesce(last.number, 0) + 1;
    NEW.prev_hash := coalesce(last.hash, '');
    NEW.hash := sha256(NEW.prev_hash || NEW.hash);
    RETURN NEW;
END $$;
CREATE TRIGGER refusals_chained BEFORE INSERT ON refusals FOR EACH ROW EXECUTE FUNCTION refusals_chained();

-- What was recorded on each day: counts, digests over it, and the digest of the day before.
CREATE TABLE audit_anchors (
    day date PRIMARY KEY,
    orders bigint NOT NULL,
    records bigint NOT NULL,
    refusals bigint NOT NULL,
    executions bigint NOT NULL,
    records_digest bytea NOT NULL,
    refusals_digest bytea NOT NULL,
    executions_digest bytea NOT NULL,
    prev_digest bytea NOT NULL,
    digest bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER audit_anchors_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_anchors
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_append_only();

-- Limits of single accounts, instead of those of the settings. A row without any stays, so that whoever keeps a copy of
-- them learns that they were taken away: `change_id` grows with every change, and is given in the order of commits.
CREATE TABLE account_limits (
    account_id uuid PRIMARY KEY,
    most_value numeric(20, 8) CHECK (most_value > 0),
    most_quantity numeric(20, 8) CHECK (most_quantity > 0),
    most_position numeric(20, 8) CHECK (most_position > 0),
    orders_per_minute integer CHECK (orders_per_minute > 0),
    change_id bigint NOT NULL UNIQUE
);

-- Who changed them, when and why: what they were from then on. Append-only.
CREATE TABLE account_limit_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    most_value numeric(20, 8),
    most_quantity numeric(20, 8),
    most_position numeric(20, 8),
    orders_per_minute integer,
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX account_limit_changes_of_account ON account_limit_changes (account_id, id);
CREATE TRIGGER account_limit_changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_limit_changes
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_append_only();

-- Who leads a job that only one may do: each leader draws a new epoch and says again and again that it lives.
CREATE TABLE leaderships (
    name text PRIMARY KEY,
    epoch bigint NOT NULL,
    backend integer NOT NULL,
    beat_at timestamptz NOT NULL
);

-- How far the market went in each stretch of time, for trailing stops: what a trigger that starts anew has not seen.
CREATE TABLE quote_extremes (
    symbol text NOT NULL,
    starts_at timestamptz NOT NULL,
    high_bid numeric(20, 8) NOT NULL,
    low_ask numeric(20, 8) NOT NULL,
    PRIMARY KEY (symbol, starts_at)
);
