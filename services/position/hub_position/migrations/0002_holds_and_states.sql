-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, require-concurrent-index-creation
-- (what is dropped is named below, the added checks hold for every row there is, and no table is large yet where this
-- is applied)

-- Holds of a cash amount, holds that come in another one's place, and who set what an account may do.

ALTER TABLE holds
    -- quantity is an amount of cash, booked_quantity what the executions cost; unit_price is 1.
    ADD COLUMN by_value boolean NOT NULL DEFAULT false,
    -- What the hold of the order that this one's order replaces still has for it, until it moves.
    ADD COLUMN covered numeric(20, 8) NOT NULL DEFAULT 0 CHECK (covered >= 0);
-- For limits of positions: what is being bought.
CREATE INDEX holds_buying ON holds (account_id, symbol)
    WHERE side = 'BUY' AND closed_at IS NULL AND NOT by_value;

ALTER TABLE accounts
    -- Why status and trading_state are as they are; empty where nobody ever set them.
    ADD COLUMN state_reason text NOT NULL DEFAULT '',
    ADD COLUMN state_actor text NOT NULL DEFAULT '',
    ADD COLUMN state_changed_at timestamptz;

CREATE TABLE account_state_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    from_status text NOT NULL,
    to_status text NOT NULL,
    from_trading_state text NOT NULL,
    to_trading_state text NOT NULL,
    reason text NOT NULL,
    -- admin:<user id>, or position where a rule of the books did it.
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX account_state_log_of_account ON account_state_log (account_id, id);

CREATE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER account_state_log_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON account_state_log
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();

-- Rows of these tables are written under the lock of their account's row, and trades beside their position, in the same
-- transaction: the references were true before they were checked. The checks were a query per row, seven for an order
-- that is filled at once, and a fifth of what the server did for it. What they kept from being deleted is kept here.
ALTER TABLE holds DROP CONSTRAINT holds_account_id_fkey;
ALTER TABLE postings DROP CONSTRAINT postings_account_id_fkey;
ALTER TABLE trades
    DROP CONSTRAINT trades_account_id_fkey,
    DROP CONSTRAINT trades_position_id_fkey;

CREATE FUNCTION never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER accounts_are_kept BEFORE DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
CREATE TRIGGER positions_are_kept BEFORE DELETE OR TRUNCATE ON positions
    FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
