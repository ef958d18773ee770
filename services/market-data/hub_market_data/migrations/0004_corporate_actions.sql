-- squawk-ignore-file require-concurrent-index-creation
-- (migrations run in a transaction)

-- Actions that are still to come, and how far they are. Only additions: the code before this one still runs on it, and
-- what it seeds is history.

ALTER TABLE corporate_actions
    -- By an administrator. What is not was before anybody held anything: it is never applied to positions.
    ADD COLUMN added boolean NOT NULL DEFAULT false,
    -- The opening of the ex-date's trading day, once that has come; it never changes again.
    ADD COLUMN effective_at timestamptz,
    -- When it was applied to all positions.
    ADD COLUMN applied_at timestamptz;

-- Whoever follows the market reads these again and again; there are few.
CREATE INDEX corporate_actions_added ON corporate_actions (ex_date) WHERE added;
