-- What the position worker writes for a batch of executions, without the worker: pgbench runs it.
SELECT nextval('bench_batches') AS batch \gset
BEGIN;
SELECT count(*) FROM (SELECT 1 FROM accounts WHERE account_id IN
    (SELECT account_id FROM bench_fills WHERE batch = :batch) ORDER BY account_id FOR UPDATE) AS locked;
SELECT count(*) FROM (SELECT 1 FROM positions JOIN bench_fills USING (account_id, symbol)
    WHERE batch = :batch ORDER BY positions.position_id FOR UPDATE OF positions) AS locked;
INSERT INTO positions (position_id, account_id, symbol, quantity, total_cost, realised_pnl, fees, status,
                       last_executed_at, last_trade_id, version, opened_at, updated_at)
    SELECT position_id, account_id, symbol, 1, 100, 0, 0, 'ACTIVE', now(), fill_id, 1, now(), now()
    FROM bench_fills WHERE batch = :batch
    ON CONFLICT (account_id, symbol) DO UPDATE SET quantity = positions.quantity + 1,
        total_cost = positions.total_cost + 100, last_executed_at = excluded.last_executed_at,
        last_trade_id = excluded.last_trade_id, version = positions.version + 1, updated_at = now();
INSERT INTO trades (trade_id, account_id, position_id, order_id, hold_id, symbol, side, quantity, price, gross, fee,
                    net_cash, cost_removed, realised_gross, realised_net, executed_at, market_time, settles_on)
    SELECT fill_id, account_id, position_id, fill_id, fill_id, symbol, 'BUY', 1, 100, 100, 0, -100, 0, 0, 0, now(),
           now(), current_date + 1
    FROM bench_fills WHERE batch = :batch;
INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, symbol, trade_id, settles_on)
    SELECT fill_id, account_id, 'trade', line, amount, symbol, fill_id, settles_on
    FROM bench_fills, (VALUES ('cash_unsettled', -100, current_date + 1), ('securities', 100, NULL))
        AS lines (line, amount, settles_on)
    WHERE batch = :batch;
UPDATE holds SET remaining = 0, booked_quantity = 1, booked_count = 1, final_quantity = 1, final_count = 1,
       closed_at = now()
    FROM bench_fills WHERE batch = :batch AND hold_id = fill_id;
UPDATE accounts SET cash_unsettled = cash_unsettled - 100, held = held - 100, version = version + 1, updated_at = now()
    FROM bench_fills WHERE batch = :batch AND accounts.account_id = bench_fills.account_id;
INSERT INTO outbox (shard, exchange, routing_key, event_id, envelope)
    SELECT 0, 'positions.status', '', fill_id, envelope
    FROM bench_fills, generate_series(1, 2) WHERE batch = :batch;
COMMIT;
