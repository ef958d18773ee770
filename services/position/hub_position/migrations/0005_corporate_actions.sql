-- squawk-ignore-file require-concurrent-index-creation
-- (migrations run in a transaction)

-- Splits and dividends. Only additions: the code before this one still runs on it, and books as before as long as no
-- action is known.

CREATE TABLE corporate_actions (
    action_id uuid PRIMARY KEY,
    symbol text NOT NULL,
    type text NOT NULL CHECK (type IN ('SPLIT', 'DIVIDEND')),
    -- Of a split new shares for each old one, of a dividend cash for each share.
    number numeric(20, 8) NOT NULL CHECK (number > 0),
    -- The opening of the ex-date's trading day, in the market's own time.
    effective_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    -- The last account that it was applied to, in the order of their ids.
    applied_through uuid,
    -- When it was applied to all.
    applied_at timestamptz
);
CREATE INDEX corporate_actions_of_symbol ON corporate_actions (symbol, effective_at);

-- A fact stays as it is; only how far it is applied changes.
CREATE FUNCTION corporate_actions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.action_id, new.symbol, new.type, new.number, new.effective_at)
       <> (old.action_id, old.symbol, old.type, old.number, old.effective_at) THEN
        RAISE EXCEPTION 'corporate actions are never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER corporate_actions_stay BEFORE UPDATE ON corporate_actions
    FOR EACH ROW EXECUTE FUNCTION corporate_actions_stay();
CREATE TRIGGER corporate_actions_are_kept BEFORE DELETE OR TRUNCATE ON corporate_actions
    FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();

-- What an action did to a position at its place in the fold; restated when a late trade comes before it. There is none
-- where the position held nothing.
CREATE TABLE action_effects (
    action_id uuid NOT NULL,
    account_id uuid NOT NULL,
    position_id uuid NOT NULL,
    symbol text NOT NULL,
    quantity_before numeric(20, 8) NOT NULL,
    quantity_after numeric(20, 8) NOT NULL,
    cost_removed numeric(20, 8) NOT NULL,
    -- A dividend, negative for who owed shares.
    cash numeric(20, 8) NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (position_id, action_id)
);
CREATE TRIGGER action_effects_are_kept BEFORE DELETE OR TRUNCATE ON action_effects
    FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();

-- Shares that a position has more or less without a trade: what a split did to it, and what a late fact changed in that.
-- Their ids are of the same sequence as those of postings, and a transaction that moves money too has the same id there, so
-- both are one ledger. A trade of an amount that is rounded to nothing has no other posting: it stands here with no shares.
CREATE TABLE share_postings (
    posting_id bigint PRIMARY KEY DEFAULT nextval('postings_posting_id_seq'),
    transaction_id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('trade', 'split', 'adjustment')),
    symbol text NOT NULL,
    trade_id uuid,
    quantity_before numeric(20, 8) NOT NULL,
    quantity_after numeric(20, 8) NOT NULL,
    -- Of a split.
    ratio numeric(20, 8),
    posted_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'trade') = (quantity_before = quantity_after)),
    CHECK ((kind = 'split') = (ratio IS NOT NULL))
);
CREATE INDEX share_postings_of_account ON share_postings (account_id, posting_id);
-- Trades from before this table that have no posting.
INSERT INTO share_postings (transaction_id, account_id, kind, symbol, trade_id, quantity_before, quantity_after)
SELECT trade_id, account_id, 'trade', symbol, trade_id, 0, 0 FROM trades
WHERE gross = 0 AND fee = 0 AND NOT EXISTS (SELECT FROM postings WHERE transaction_id = trades.trade_id);
CREATE TRIGGER share_postings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON share_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE positions
    -- How many of its instrument's corporate actions are folded in, whatever they did.
    ADD COLUMN actions bigint NOT NULL DEFAULT 0,
    -- The last split among them: a quote from before is for old shares.
    ADD COLUMN split_at timestamptz,
    ADD COLUMN split_ratio numeric(20, 8),
    -- The ratios of all of them, multiplied: how many shares of now one of the first ones is.
    ADD COLUMN split_factor numeric NOT NULL DEFAULT 1;
-- Who holds an instrument, in pages.
CREATE INDEX positions_of_symbol ON positions (symbol, account_id);
