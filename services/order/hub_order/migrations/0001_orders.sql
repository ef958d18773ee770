-- Orders, what venues did to them, and the chain of everything that ever happened to them.

CREATE TABLE orders (
    id                uuid PRIMARY KEY,
    account_id        uuid NOT NULL,
    user_id           uuid NOT NULL,
    client_order_id   text,
    symbol            text NOT NULL,
    side              text NOT NULL,
    type              text NOT NULL,
    time_in_force     text NOT NULL,
    quantity          numeric(20, 8) NOT NULL,
    limit_price       numeric(20, 8),
    protection_price  numeric(20, 8),
    hold_id           uuid NOT NULL,
    replaces          uuid REFERENCES orders (id),
    parent_order_id   uuid REFERENCES orders (id),
    body_hash         bytea NOT NULL,
    traceparent       text NOT NULL,
    status            text NOT NULL,
    reason            text NOT NULL,
    filled_quantity   numeric(20, 8) NOT NULL,
    filled_value      numeric(20, 8) NOT NULL,
    execution_count   integer NOT NULL,
    rested            boolean NOT NULL,
    version           bigint NOT NULL,
    chain             bytea NOT NULL,
    accepted_at       timestamptz NOT NULL,
    market_time       timestamptz,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT orders_side CHECK (side IN ('BUY', 'SELL')),
    CONSTRAINT orders_type CHECK (type IN ('MARKET', 'LIMIT')),
    CONSTRAINT orders_time_in_force CHECK (time_in_force IN ('DAY', 'GTC')),
    CONSTRAINT orders_status CHECK (status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED', 'EXECUTED',
                                               'CANCELLED', 'EXPIRED', 'REPLACED', 'FAILED')),
    CONSTRAINT orders_reason CHECK (status <> 'FAILED' OR reason <> ''),
    CONSTRAINT orders_quantity CHECK (quantity > 0),
    CONSTRAINT orders_limit_price CHECK ((type = 'LIMIT') = (limit_price IS NOT NULL) AND limit_price > 0),
    CONSTRAINT orders_protection_price CHECK (
        CASE WHEN type = 'MARKET' AND side = 'BUY' AND reason <> 'ABANDONED'
             THEN protection_price IS NOT NULL AND protection_price > 0
             ELSE protection_price IS NULL END),
    CONSTRAINT orders_filled CHECK (filled_quantity >= 0 AND filled_value >= 0 AND execution_count >= 0
                                    AND (execution_count = 0) = (filled_quantity = 0)),
    CONSTRAINT orders_executed CHECK (status <> 'EXECUTED' OR filled_quantity >= quantity),
    CONSTRAINT orders_client_order_id_length CHECK (char_length(client_order_id) BETWEEN 1 AND 128),
    CONSTRAINT orders_version CHECK (version >= 1)
);

CREATE UNIQUE INDEX orders_client_order_id ON orders (account_id, client_order_id)
    WHERE client_order_id IS NOT NULL;
CREATE INDEX orders_of_account ON orders (account_id, id);
CREATE INDEX orders_open_of_account ON orders (account_id, id)
    WHERE status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED');
CREATE INDEX orders_open_market ON orders (accepted_at)
    WHERE type = 'MARKET' AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED');
CREATE INDEX orders_resting ON orders (id) WHERE status IN ('PROCESSING', 'PARTIALLY_EXECUTED');
CREATE INDEX orders_rested ON orders (updated_at, id) WHERE rested;

-- The transition table once more, for writers that do not go through the domain. What is final stays final; only facts
-- (executions that came late) may still be added to it.
CREATE FUNCTION orders_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'order %: version % does not follow %', OLD.id, NEW.version, OLD.version
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status <> OLD.status AND NEW.status <> ALL (CASE OLD.status
            WHEN 'PENDING' THEN ARRAY['PROCESSING', 'PARTIALLY_EXECUTED', 'EXECUTED',
                                      'CANCELLED', 'EXPIRED', 'REPLACED', 'FAILED']
            WHEN 'PROCESSING' THEN ARRAY['PARTIALLY_EXECUTED', 'EXECUTED',
                                         'CANCELLED', 'EXPIRED', 'REPLACED', 'FAILED']
            WHEN 'PARTIALLY_EXECUTED' THEN ARRAY['EXECUTED', 'CANCELLED', 'EXPIRED', 'REPLACED', 'FAILED']
            ELSE ARRAY[]::text[] END) THEN
        RAISE EXCEPTION 'order %: % does not follow %', OLD.id, NEW.status, OLD.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER orders_guard BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION orders_guard();

CREATE TABLE executions (
    id                  uuid PRIMARY KEY,
    order_id            uuid NOT NULL REFERENCES orders (id),
    account_id          uuid NOT NULL,
    venue               text NOT NULL,
    venue_execution_id  text NOT NULL,
    quantity            numeric(20, 8) NOT NULL CHECK (quantity > 0),
    price               numeric(20, 8) NOT NULL CHECK (price > 0),
    quote_epoch         bigint NOT NULL,
    quote_seq           bigint NOT NULL,
    quote_bid           numeric(20, 8) NOT NULL,
    quote_ask           numeric(20, 8) NOT NULL,
    executed_at         timestamptz NOT NULL,
    venue_time          timestamptz NOT NULL,
    market_time         timestamptz NOT NULL,
    settled_at          timestamptz,
    CONSTRAINT executions_once UNIQUE (order_id, venue_execution_id)
);

CREATE TABLE order_events (
    order_id     uuid NOT NULL REFERENCES orders (id),
    version      bigint NOT NULL,
    account_id   uuid NOT NULL,
    kind         text NOT NULL,
    status       text NOT NULL,
    reason       text NOT NULL,
    actor        text NOT NULL,
    occurred_at  timestamptz NOT NULL,
    detail       jsonb NOT NULL,
    quote        jsonb,
    prev_hash    bytea NOT NULL,
    hash         bytea NOT NULL,
    PRIMARY KEY (order_id, version)
);

CREATE FUNCTION order_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order_events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER order_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION order_events_append_only();

CREATE TABLE idempotency_keys (
    account_id  uuid NOT NULL,
    key         text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    body_hash   bytea NOT NULL,
    order_id    uuid NOT NULL,
    answer      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    event_id uuid NOT NULL,
    envelope bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
