-- Accounts, the cash ledger, holds, positions and trades.

CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    currency text NOT NULL DEFAULT 'USD',
    status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'RESTRICTED', 'CLOSED')),
    trading_state text NOT NULL DEFAULT 'ACTIVE' CHECK (trading_state IN ('ACTIVE', 'REDUCING', 'HALTED')),
    cash_settled numeric(20, 8) NOT NULL DEFAULT 0,
    cash_unsettled numeric(20, 8) NOT NULL DEFAULT 0,
    -- The sum of what is left of the account's open cash holds.
    held numeric(20, 8) NOT NULL DEFAULT 0 CHECK (held >= 0),
    version bigint NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE positions (
    position_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    symbol text NOT NULL,
    quantity numeric(20, 8) NOT NULL,
    -- The sum of what is left of the position's open share holds.
    held numeric(20, 8) NOT NULL DEFAULT 0 CHECK (held >= 0),
    total_cost numeric(20, 8) NOT NULL CHECK (total_cost >= 0),
    realised_pnl numeric(20, 8) NOT NULL,
    fees numeric(20, 8) NOT NULL,
    status text NOT NULL CHECK (status IN ('ACTIVE', 'PARTIAL', 'CLOSED')),
    -- The newest trade that is folded in: an older one is late.
    last_executed_at timestamptz NOT NULL,
    last_trade_id uuid NOT NULL,
    version bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (account_id, symbol),
    CHECK (total_cost = 0 OR quantity > 0),
    CHECK ((status = 'CLOSED') = (quantity = 0))
);

CREATE TABLE holds (
    hold_id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts,
    -- Given up when another hold may answer the key.
    idempotency_key text,
    side text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    symbol text NOT NULL,
    quantity numeric(20, 8) NOT NULL CHECK (quantity > 0),
    unit_price numeric(20, 8) NOT NULL CHECK (unit_price >= 0),
    -- Cash or shares still set aside.
    remaining numeric(20, 8) NOT NULL CHECK (remaining >= 0),
    booked_quantity numeric(20, 8) NOT NULL DEFAULT 0,
    booked_count bigint NOT NULL DEFAULT 0,
    -- As the order ended; known before the last executions are booked when the events come in another order.
    final_quantity numeric(20, 8),
    final_count bigint,
    -- An order is known to exist for it.
    confirmed boolean NOT NULL DEFAULT false,
    placed_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CHECK (closed_at IS NULL OR remaining = 0)
);
CREATE UNIQUE INDEX holds_by_key ON holds (account_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX holds_unconfirmed ON holds (placed_at, hold_id) WHERE NOT confirmed AND closed_at IS NULL;

CREATE TABLE trades (
    -- The id of the execution.
    trade_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    position_id uuid NOT NULL REFERENCES positions,
    order_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity numeric(20, 8) NOT NULL CHECK (quantity > 0),
    price numeric(20, 8) NOT NULL CHECK (price >= 0),
    gross numeric(20, 8) NOT NULL,
    fee numeric(20, 8) NOT NULL,
    net_cash numeric(20, 8) NOT NULL,
    -- What the trade does at its place in the fold; restated when a late trade comes before it.
    cost_removed numeric(20, 8) NOT NULL,
    realised_gross numeric(20, 8) NOT NULL,
    realised_net numeric(20, 8) NOT NULL,
    executed_at timestamptz NOT NULL,
    market_time timestamptz NOT NULL,
    settles_on date NOT NULL,
    settled_at timestamptz,
    booked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX trades_in_fold_order ON trades (position_id, executed_at, trade_id);
CREATE INDEX trades_unsettled_debits ON trades (account_id) INCLUDE (net_cash)
    WHERE settled_at IS NULL AND net_cash < 0;

CREATE TABLE postings (
    posting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('deposit', 'trade', 'adjustment')),
    ledger_account text NOT NULL CHECK (ledger_account IN
        ('external', 'cash_settled', 'cash_unsettled', 'securities', 'realised_pnl', 'fees')),
    amount numeric(20, 8) NOT NULL CHECK (amount <> 0),
    symbol text NOT NULL DEFAULT '',
    trade_id uuid,
    settles_on date,
    posted_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (transaction_id, ledger_account)
);
CREATE INDEX postings_of_account ON postings (account_id, posting_id);

-- A ledger transaction is inserted whole, by one statement, so it can be checked once per statement.
CREATE FUNCTION refuse_lopsided_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added GROUP BY transaction_id HAVING sum(amount) <> 0 OR count(DISTINCT account_id) > 1)
    THEN
        RAISE EXCEPTION 'postings of a transaction do not add up to zero' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER postings_add_up AFTER INSERT ON postings
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_lopsided_postings();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'postings are only ever added' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER postings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    event_id uuid NOT NULL,
    envelope bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
