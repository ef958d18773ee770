-- Calendars and instruments, real daily prices, and what the active feeder leaves for its successor.

CREATE TABLE calendars (
    calendar text PRIMARY KEY CHECK (calendar <> ''),
    -- Such a calendar has no rows in sessions: each UTC day is one.
    always_open boolean NOT NULL
);

CREATE TABLE sessions (
    calendar text NOT NULL REFERENCES calendars (calendar),
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    PRIMARY KEY (calendar, opens_at),
    CHECK (opens_at < closes_at)
);

CREATE INDEX sessions_by_close ON sessions (calendar, closes_at);

CREATE TABLE instruments (
    symbol text PRIMARY KEY CHECK (symbol ~ '^[A-Z0-9.]{1,12}$'),
    name text NOT NULL,
    asset_class text NOT NULL CHECK (asset_class IN ('STOCK', 'ETF', 'BOND', 'CRYPTO', 'FUND')),
    exchange text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    tick_size numeric(20, 8) NOT NULL CHECK (tick_size > 0),
    lot_size numeric(20, 8) NOT NULL CHECK (lot_size > 0),
    fractionable boolean NOT NULL,
    tradable boolean NOT NULL,
    halted boolean NOT NULL DEFAULT false,
    calendar text NOT NULL REFERENCES calendars (calendar)
);

CREATE TABLE daily_bars (
    symbol text NOT NULL REFERENCES instruments (symbol),
    day date NOT NULL,
    open numeric(20, 8) NOT NULL,
    high numeric(20, 8) NOT NULL,
    low numeric(20, 8) NOT NULL,
    close numeric(20, 8) NOT NULL,
    volume bigint NOT NULL CHECK (volume >= 0),
    PRIMARY KEY (symbol, day),
    CHECK (0 < low AND low <= least(open, close) AND greatest(open, close) <= high)
);

CREATE TABLE quotes_latest (
    symbol text PRIMARY KEY REFERENCES instruments (symbol),
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    bid numeric(20, 8) NOT NULL,
    bid_size numeric(20, 8) NOT NULL,
    ask numeric(20, 8) NOT NULL,
    ask_size numeric(20, 8) NOT NULL,
    last numeric(20, 8) NOT NULL,
    open numeric(20, 8) NOT NULL,
    high numeric(20, 8) NOT NULL,
    low numeric(20, 8) NOT NULL,
    previous_close numeric(20, 8) NOT NULL,
    volume numeric(20, 8) NOT NULL,
    market_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL
);

-- One row. Only the feeder that drew the epoch may write it and the quotes.
CREATE TABLE feed_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL,
    -- Null until a feed has run.
    market_time timestamptz,
    -- The kind of feed that wrote `place`, and where it was, in its own words.
    feed text NOT NULL,
    place text NOT NULL
);

INSERT INTO feed_state (epoch, market_time, feed, place) VALUES (0, NULL, '', '');

INSERT INTO calendars (calendar, always_open) VALUES ('24x7', true), ('XNYS', false);
