-- squawk-ignore-file ban-drop-constraint, require-concurrent-index-creation
-- (constraints are only widened; migrations run in a transaction)

-- Money that comes and goes beside trades, the settlement of trades, and their fees.

CREATE TABLE cash_movements (
    -- The ledger transaction that it is.
    movement_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'adjustment')),
    -- What it did to the account's cash.
    amount numeric(20, 8) NOT NULL CHECK (amount <> 0),
    -- owner, or admin:<user id>.
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    -- The actor's name for the request: the same one is never carried out twice.
    idempotency_key text,
    moved_at timestamptz NOT NULL,
    CHECK (kind = 'adjustment' OR (kind = 'deposit') = (amount > 0))
);
CREATE INDEX cash_movements_of_account ON cash_movements (account_id, movement_id);
CREATE UNIQUE INDEX cash_movements_by_key ON cash_movements (account_id, actor, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE TRIGGER cash_movements_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON cash_movements
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();

-- Wider than before, so every row there is passes; dividends and splits are for a later release to write.
ALTER TABLE postings
    DROP CONSTRAINT postings_kind_check,
    DROP CONSTRAINT postings_ledger_account_check,
    ADD CONSTRAINT postings_kind_check CHECK (kind IN
        ('deposit', 'withdrawal', 'trade', 'settlement', 'adjustment', 'dividend', 'split')) NOT VALID,
    ADD CONSTRAINT postings_ledger_account_check CHECK (ledger_account IN
        ('external', 'cash_settled', 'cash_unsettled', 'securities', 'realised_pnl', 'fees', 'dividends'))
        NOT VALID;

-- What is due, oldest first.
CREATE INDEX trades_to_settle ON trades (settles_on, account_id, trade_id) WHERE settled_at IS NULL;

-- The share of its value that a trade on this hold costs; NULL where nobody said when it was placed.
ALTER TABLE holds ADD COLUMN fee_rate numeric(9, 8);
