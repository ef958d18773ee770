-- squawk-ignore-file prefer-robust-stmts
-- (migrations run in a transaction)

-- Monthly statements, as they were issued.

CREATE TABLE statements (
    account_id uuid NOT NULL,
    -- The first day of the month.
    month date NOT NULL CHECK (extract(DAY FROM month) = 1),
    issued_at timestamptz NOT NULL,
    -- The account's ledger to here is in this statement or in one before it; the next one goes on from here.
    through bigint NOT NULL,
    -- What was issued, but for its lines.
    document text NOT NULL,
    line_count bigint NOT NULL CHECK (line_count >= 0),
    -- Of the document and its lines, each with the line feed after it.
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    PRIMARY KEY (account_id, month)
);

CREATE TABLE statement_lines (
    account_id uuid NOT NULL,
    month date NOT NULL,
    -- Counts from 1.
    number bigint NOT NULL CHECK (number > 0),
    line text NOT NULL,
    PRIMARY KEY (account_id, month, number),
    FOREIGN KEY (account_id, month) REFERENCES statements
);

CREATE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER statements_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON statements
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();
CREATE TRIGGER statement_lines_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_lines
    FOR EACH STATEMENT EXECUTE FUNCTION only_added();

-- A statement has as many lines as it says, all from when it was issued: nothing can be added to it later.
CREATE FUNCTION refuse_further_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN statements USING (account_id, month) WHERE added.number > line_count) THEN
        RAISE EXCEPTION 'the statement has no such line' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER statement_lines_are_of_the_statement AFTER INSERT ON statement_lines
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_further_lines();
CREATE FUNCTION refuse_missing_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM statement_lines
        WHERE account_id = NEW.account_id AND month = NEW.month) <> NEW.line_count
    THEN
        RAISE EXCEPTION 'the statement has other lines than it says' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER statements_are_whole AFTER INSERT ON statements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_missing_lines();
