-- Watchlists: what a user wants to keep an eye on.

CREATE TABLE watchlists (
    watchlist_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    -- The name as names are compared. It is made by the code: what capitals are differs from server to server.
    name_key text NOT NULL CHECK (name_key <> ''),
    -- In the user's order. A list is read and written whole, and it is short.
    symbols text [] NOT NULL CHECK (cardinality(symbols) <= 20),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (user_id, name_key)
);
-- A user's lists in the order they were made in.
CREATE INDEX watchlists_of_user ON watchlists (user_id, watchlist_id);
