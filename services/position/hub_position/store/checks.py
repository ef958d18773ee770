"""The statements that hold the books against themselves: each adds up what is written in several places, for
many accounts at once, and answers only what differs.

What belongs together is added up under one name rather than joined: a side that is missing is a difference
too, and every table is read once, by an index.
"""

from __future__ import annotations

_wanted = "unnest($1::uuid[]) AS wanted (account_id)"

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

NEXT_ACCOUNTS = "SELECT account_id FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2"

# What the account itself has: cash by the ledger, cash held by the open holds.
CASH = f"""
    SELECT kind, account_id, '' AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, 0 AS expected, found FROM {_wanted} JOIN accounts USING (account_id)
        CROSS JOIN LATERAL (VALUES ('cash_settled', cash_settled), ('cash_unsettled', cash_unsettled),
                                   ('cash_held', held)) AS written (kind, found)
        UNION ALL
        SELECT ledger_account, account_id, amount, 0 FROM {_wanted} JOIN postings USING (account_id)
        WHERE ledger_account IN ('cash_settled', 'cash_unsettled')
        UNION ALL
        SELECT 'cash_held', account_id, remaining, 0 FROM {_wanted} JOIN holds USING (account_id)
        WHERE closed_at IS NULL AND side = 'BUY'
    ) AS sides GROUP BY kind, account_id HAVING sum(expected) <> sum(found)
"""

# Positions by their trades, shares held by the open holds.
POSITIONS = f"""
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, symbol, 0 AS expected, found FROM {_wanted} JOIN positions USING (account_id)
        CROSS JOIN LATERAL (VALUES ('position_quantity', quantity), ('position_cost', total_cost),
                                   ('position_realised', realised_pnl), ('position_fees', fees),
                                   ('position_held', held)) AS written (kind, found)
        UNION ALL
        SELECT kind, positions.account_id, positions.symbol, expected, 0
        FROM {_wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (VALUES
            ('position_quantity', CASE side WHEN 'BUY' THEN trades.quantity ELSE -trades.quantity END),
            ('position_cost', CASE side WHEN 'BUY' THEN gross ELSE 0 END - cost_removed),
            ('position_realised', realised_gross), ('position_fees', fee)) AS fact (kind, expected)
        UNION ALL
        SELECT 'position_held', account_id, symbol, remaining, 0 FROM {_wanted} JOIN holds USING (account_id)
        WHERE closed_at IS NULL AND side = 'SELL'
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found)
"""

# The ledger of each instrument by its position.
LEDGER = f"""
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, symbol, expected, 0 AS found FROM {_wanted} JOIN positions USING (account_id)
        CROSS JOIN LATERAL (VALUES ('ledger_securities', total_cost), ('ledger_realised', realised_pnl),
                                   ('ledger_fees', fees)) AS written (kind, expected)
        UNION ALL
        SELECT CASE ledger_account WHEN 'securities' THEN 'ledger_securities' WHEN 'fees' THEN 'ledger_fees'
                                   ELSE 'ledger_realised' END,
               account_id, symbol, 0, CASE ledger_account WHEN 'realised_pnl' THEN -amount ELSE amount END
        FROM {_wanted} JOIN postings USING (account_id)
        WHERE ledger_account IN ('securities', 'realised_pnl', 'fees')
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found)
"""

TRANSACTIONS = f"""
    SELECT 'ledger_transaction' AS kind, account_id, transaction_id::text AS id, 0 AS expected,
           sum(amount) AS found
    FROM {_wanted} JOIN postings USING (account_id)
    GROUP BY account_id, transaction_id HAVING sum(amount) <> 0
"""

# What each trade did to cash, at once and when it settled.
TRADES = f"""
    SELECT kind, account_id, trade_id::text AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, positions.account_id, trade_id, expected, 0 AS found
        FROM {_wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (VALUES
            ('trade_cash', net_cash),
            ('trade_settlement', CASE WHEN settled_at IS NULL THEN 0 ELSE net_cash END)
        ) AS fact (kind, expected)
        UNION ALL
        SELECT CASE postings.kind WHEN 'trade' THEN 'trade_cash' ELSE 'trade_settlement' END,
               account_id, trade_id, 0, amount
        FROM {_wanted} JOIN postings USING (account_id)
        WHERE (postings.kind, ledger_account) IN (('trade', 'cash_unsettled'), ('settlement', 'cash_settled'))
    ) AS sides GROUP BY kind, account_id, trade_id HAVING sum(expected) <> sum(found)
"""

# Each step of the fold by the steps before it: with the sums above that is the fold as a whole, and it names
# the step. What is rounded once may be half of the last place away; products are exact, quotients are not.
EFFECTS = f"""
    WITH steps AS (
        SELECT trades.*, sum(bought - sold) OVER before_it AS held_before,
               sum(cost) OVER before_it AS cost_before
        FROM {_wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (SELECT CASE side WHEN 'BUY' THEN trades.quantity ELSE 0 END AS bought,
                                   CASE side WHEN 'SELL' THEN trades.quantity ELSE 0 END AS sold,
                                   CASE side WHEN 'BUY' THEN gross ELSE 0 END - cost_removed AS cost) AS fact
        WINDOW before_it AS (PARTITION BY position_id ORDER BY executed_at, trade_id
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), removals AS (
        SELECT steps.*,
               CASE side WHEN 'BUY' THEN gross ELSE coalesce(cost_before, 0) END AS amount,
               CASE side WHEN 'BUY' THEN quantity ELSE coalesce(held_before, 0) END AS whole,
               least(quantity, greatest(
                   CASE side WHEN 'BUY' THEN -held_before ELSE held_before END, 0)) AS part
        FROM steps
    )
    SELECT kind, account_id, trade_id::text AS id, expected, found
    FROM removals CROSS JOIN LATERAL (VALUES
        ('trade_gross', round(price * quantity, 8), gross, abs(gross - price * quantity) * 2 > 1e-8),
        ('trade_net', CASE side WHEN 'BUY' THEN -gross ELSE gross END - fee, net_cash,
         net_cash <> CASE side WHEN 'BUY' THEN -gross ELSE gross END - fee),
        ('trade_cost', CASE WHEN part > 0 THEN round(amount * part / whole, 8) ELSE 0 END, cost_removed,
         CASE WHEN part > 0 THEN abs(cost_removed * whole - amount * part) * 2 > whole * 1e-8
              ELSE cost_removed <> 0 END),
        ('trade_realised', CASE side WHEN 'BUY' THEN 0 ELSE gross END - cost_removed - fee, realised_net,
         realised_gross <> CASE side WHEN 'BUY' THEN 0 ELSE gross END - cost_removed
         OR realised_net <> realised_gross - fee)
    ) AS step (kind, expected, found, wrong) WHERE wrong
"""

ALL = (CASH, POSITIONS, LEDGER, TRANSACTIONS, TRADES, EFFECTS)
