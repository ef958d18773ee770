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

-- What a venue did is never changed, whoever asks; only the time of its settlement comes later, once.
CREATE FUNCTION executions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.settled_at IS NOT NULL OR (to_jsonb(new) - 'settled_at') <> (to_jsonb(old) - 'settled_at') THEN
        RAISE EXCEPTION 'executions are never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER executions_are_kept BEFORE UPDATE ON executions
    FOR EACH ROW EXECUTE FUNCTION executions_stay();
