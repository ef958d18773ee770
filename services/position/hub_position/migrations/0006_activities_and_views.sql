-- squawk-ignore-file require-concurrent-index-creation
-- (migrations run in a transaction)

-- Activities by what they are about, holdings that are negative, and the parts that users make of positions.

-- Since when more is sold than was there; NULL where it is not so. Of positions that were negative before this column
-- was there it stays empty: they restricted their accounts at once.
ALTER TABLE positions ADD COLUMN negative_since timestamptz;
CREATE INDEX positions_negative ON positions (negative_since, position_id) WHERE negative_since IS NOT NULL;

-- What an account traded in one instrument, by the one line that every trade has and begins with, and what it did beside
-- trading. (All lines by their symbol would be a quarter more to write for every booking.)
CREATE INDEX postings_of_trades ON postings (account_id, symbol, posting_id)
    WHERE kind = 'trade' AND ledger_account = 'cash_unsettled';
CREATE INDEX postings_beside_trades ON postings (account_id, posting_id) WHERE kind NOT IN ('trade', 'settlement');

-- The account's first posting that is not older than a moment, or the number after its last. Postings are added in the
-- order of their time, but for what waited for the account's row: those are off by no more than a statement may take,
-- so whoever wants to be exact asks for a minute more, and compares times.
CREATE FUNCTION posting_at(account uuid, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, public AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    found record;
BEGIN
    SELECT min(posting_id), max(posting_id) + 1 INTO low, high FROM postings WHERE account_id = account;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        SELECT posting_id, posted_at INTO found FROM postings
         WHERE account_id = account AND posting_id >= middle ORDER BY posting_id LIMIT 1;
        IF found.posting_id >= high OR found.posted_at >= moment THEN
            high := middle;
        ELSE
            low := found.posting_id + 1;
        END IF;
    END LOOP;
    RETURN coalesce(low, 0);
END
$$;

-- Named parts of a position, as its owner sees it; nothing is booked by them.
CREATE TABLE position_views (
    view_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    symbol text NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    -- The name as names are compared. It is made by the code: what capitals are differs from server to server.
    name_key text NOT NULL CHECK (name_key <> ''),
    -- One of both: so many shares, or this part of however many there are.
    quantity numeric(20, 8) CHECK (quantity >= 0),
    percentage numeric(20, 8) CHECK (percentage > 0 AND percentage <= 100),
    created_at timestamptz NOT NULL,
    -- The position's when the quantity was said: splits since then multiply it.
    split_factor numeric NOT NULL,
    UNIQUE (account_id, symbol, name_key),
    CHECK (num_nonnulls(quantity, percentage) = 1)
);
