-- Parts of shares that a split leaves, paid out in cash. Only additions: of an action without a price they stay, as they did.

ALTER TABLE corporate_actions
    -- Of a split: what a new share is worth, at which parts of shares are paid out; NULL where they stay.
    ADD COLUMN lieu_price numeric(20, 8) CHECK (lieu_price > 0);
ALTER TABLE action_effects
    -- The part of a share that was paid out, and the cash for it.
    ADD COLUMN fraction numeric(20, 8) NOT NULL DEFAULT 0,
    ADD COLUMN lieu numeric(20, 8) NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION corporate_actions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.action_id, new.symbol, new.type, new.number, new.effective_at)
       <> (old.action_id, old.symbol, old.type, old.number, old.effective_at)
       OR new.lieu_price IS DISTINCT FROM old.lieu_price THEN
        RAISE EXCEPTION 'corporate actions are never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN new;
END
$$;
