-- squawk-ignore-file require-concurrent-index-creation
-- (migrations run in a transaction)

-- What an account's ledger comes to at some of its postings, so that nobody has to add up more than what came after
-- one of them. A posting that is there has all of the account before it there too, and they never change: so these
-- sums never do, whoever adds them up. What is missing is added up again; reconciliation holds them against the postings.
CREATE TABLE ledger_cuts (
    account_id uuid NOT NULL,
    -- The last posting that is in it; the last line of its transaction.
    through bigint NOT NULL,
    cash_settled numeric(20, 8) NOT NULL,
    cash_unsettled numeric(20, 8) NOT NULL,
    added_up_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, through)
);
CREATE TABLE ledger_cut_positions (
    account_id uuid NOT NULL,
    through bigint NOT NULL,
    symbol text NOT NULL,
    quantity numeric(20, 8) NOT NULL,
    total_cost numeric(20, 8) NOT NULL,
    PRIMARY KEY (account_id, through, symbol),
    CHECK (quantity <> 0 OR total_cost <> 0)
);
CREATE TRIGGER ledger_cuts_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cuts
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();
CREATE TRIGGER ledger_cut_positions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cut_positions
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();

-- Sales that brought no more than their fee: of all trades that have postings these alone have none of cash, by which
-- the others of an instrument are found. There are few.
CREATE INDEX trades_without_cash ON trades (account_id, symbol) WHERE net_cash = 0;
