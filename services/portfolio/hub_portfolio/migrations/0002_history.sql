-- What portfolios were worth: who is followed, points within the day, daily closes, and the days there are.

CREATE TABLE followed_accounts (
    account_id uuid PRIMARY KEY,
    -- The account's version that was heard of last, and the one that was valued last.
    heard bigint NOT NULL DEFAULT 0,
    valued bigint NOT NULL DEFAULT 0,
    holds boolean NOT NULL DEFAULT false,
    -- The last valuation, which the next one goes on from; before the first one there is no opened_on.
    valued_at timestamptz NOT NULL DEFAULT to_timestamp(0),
    opened_on date,
    day date,
    -- A sum over positions may be more than any of them can be.
    equity numeric(38, 8),
    cash numeric(38, 8),
    paid_in numeric(38, 8),
    -- What one unit of money became since the account was opened: the time-weighted return, and 1.
    growth numeric(38, 18)
);
-- Whoever holds something, or changed since it was valued.
CREATE INDEX followed_accounts_due ON followed_accounts (valued_at, account_id) WHERE holds OR heard > valued;

-- One per account and step of the market's clock, where something changed; those of old days are deleted.
CREATE TABLE equity_points (
    account_id uuid NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL,
    equity numeric(38, 8) NOT NULL,
    cash numeric(38, 8) NOT NULL,
    paid_in numeric(38, 8) NOT NULL,
    growth numeric(38, 18) NOT NULL,
    PRIMARY KEY (account_id, day, at)
);
CREATE INDEX equity_points_of_day ON equity_points (day);

-- The last valuation of each session day.
CREATE TABLE equity_days (
    account_id uuid NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL,
    equity numeric(38, 8) NOT NULL,
    cash numeric(38, 8) NOT NULL,
    paid_in numeric(38, 8) NOT NULL,
    growth numeric(38, 18) NOT NULL,
    PRIMARY KEY (account_id, day)
);

-- Market-data tells of running and coming sessions; those that are over are remembered here.
CREATE TABLE session_days (
    day date PRIMARY KEY,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL
);
CREATE INDEX session_days_by_opening ON session_days (opens_at);
CREATE INDEX session_days_by_closing ON session_days (closes_at);
