-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion
-- (migrations run in a transaction)

-- All open holds of an account, not only plain purchases: what is held is held against them. It takes the place of an
-- index of a part of them, so that placing a purchase costs what it did.
CREATE INDEX holds_open ON holds (account_id, symbol, hold_id) WHERE closed_at IS NULL;
DROP INDEX holds_buying;
