-- Minute and day bars, splits and dividends. Only additions: daily_bars stays, for the code before this one.

-- Prices as they were traded. The last row of a symbol may still grow.
CREATE TABLE day_bars (
    symbol text NOT NULL REFERENCES instruments (symbol),
    day date NOT NULL,
    open numeric(20, 8) NOT NULL,
    high numeric(20, 8) NOT NULL,
    low numeric(20, 8) NOT NULL,
    close numeric(20, 8) NOT NULL,
    volume numeric(20, 8) NOT NULL CHECK (volume >= 0),
    -- Whether it is of the committed history, which the replay plays, or was made from ticks.
    seeded boolean NOT NULL,
    PRIMARY KEY (symbol, day),
    CHECK (0 < low AND low <= least(open, close) AND greatest(open, close) <= high)
);

CREATE TABLE minute_bars (
    symbol text NOT NULL REFERENCES instruments (symbol),
    starts_at timestamptz NOT NULL,
    -- The trading day it belongs to.
    day date NOT NULL,
    open numeric(20, 8) NOT NULL,
    high numeric(20, 8) NOT NULL,
    low numeric(20, 8) NOT NULL,
    close numeric(20, 8) NOT NULL,
    volume numeric(20, 8) NOT NULL CHECK (volume >= 0),
    PRIMARY KEY (symbol, starts_at),
    CHECK (0 < low AND low <= least(open, close) AND greatest(open, close) <= high)
);

CREATE TABLE corporate_actions (
    symbol text NOT NULL REFERENCES instruments (symbol),
    -- The first trading day without it.
    ex_date date NOT NULL,
    type text NOT NULL CHECK (type IN ('SPLIT', 'DIVIDEND')),
    -- Of a split: new shares for each old one.
    ratio numeric(20, 8) CHECK (ratio > 0),
    -- Of a dividend: cash for each share of the ex-date.
    amount numeric(20, 8) CHECK (amount > 0),
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (symbol, ex_date, type),
    CHECK (CASE type WHEN 'SPLIT' THEN ratio IS NOT NULL AND amount IS NULL AND currency IS NULL
                     ELSE ratio IS NULL AND amount IS NOT NULL AND currency IS NOT NULL END)
);
