-- What the newest pass over the books of both services found: whoever is asked can tell, and whoever makes the next
-- pass knows what was seen before.
CREATE TABLE reconciliation (
    -- There is one.
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    finished_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    cut timestamptz NOT NULL,
    counts jsonb NOT NULL,
    -- Seen in two passes, one after the other.
    differences jsonb NOT NULL,
    -- Seen in this one, and not before.
    suspects jsonb NOT NULL,
    more bigint NOT NULL
);
