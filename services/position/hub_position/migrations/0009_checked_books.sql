-- What the books of an account came to when a check last found nothing wrong in them, so that the next one adds up only
-- what was posted since. Only additions: the code before this one checks everything, as it did. A row that is missing or
-- old costs time, nothing else.
CREATE TABLE checked_accounts (
    account_id uuid PRIMARY KEY,
    -- The account's last posting then, of money or of shares.
    through bigint NOT NULL,
    cash_settled numeric(20, 8) NOT NULL,
    cash_unsettled numeric(20, 8) NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE checked_positions (
    account_id uuid NOT NULL,
    symbol text NOT NULL,
    -- Both of the position: one of them is another whenever a fact of it changes.
    version bigint NOT NULL,
    actions bigint NOT NULL,
    quantity numeric(20, 8) NOT NULL,
    total_cost numeric(20, 8) NOT NULL,
    realised_pnl numeric(20, 8) NOT NULL,
    fees numeric(20, 8) NOT NULL,
    -- What corporate actions paid in dividends, and the shares they made.
    dividends numeric NOT NULL,
    shares numeric NOT NULL,
    last_executed_at timestamptz NOT NULL,
    last_trade_id uuid NOT NULL,
    PRIMARY KEY (account_id, symbol)
);
