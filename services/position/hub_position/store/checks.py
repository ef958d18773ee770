"""The statements that hold the books against themselves: each adds up what is written in several places, for
many accounts at once, and answers only what differs.

What belongs together is added up under one name rather than joined: a side that is missing is a difference
too, and every table is read once, by an index.
"""

from __future__ import annotations

wanted = "unnest($1::uuid[]) AS wanted (account_id)"

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

NEXT_ACCOUNTS = "SELECT account_id FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2"

# What the account itself has: cash by the ledger, cash held by the open holds.
CASH = f"""
    SELECT kind, account_id, '' AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, 0 AS expected, found FROM {wanted} JOIN accounts USING (account_id)
        CROSS JOIN LATERAL (VALUES ('cash_settled', cash_settled), ('cash_unsettled', cash_unsettled),
                                   ('cash_held', held)) AS written (kind, found)
        UNION ALL
        SELECT ledger_account, account_id, amount, 0 FROM {wanted} JOIN postings USING (account_id)
        WHERE ledger_account IN ('cash_settled', 'cash_unsettled')
        UNION ALL
        SELECT 'cash_held', account_id, remaining, 0 FROM {wanted} JOIN holds USING (account_id)
        WHERE closed_at IS NULL AND side = 'BUY'
    ) AS sides GROUP BY kind, account_id HAVING sum(expected) <> sum(found)
"""

# Positions by their trades and corporate actions, shares held by the open holds.
POSITIONS = f"""
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, symbol, 0 AS expected, found FROM {wanted} JOIN positions USING (account_id)
        CROSS JOIN LATERAL (VALUES ('position_quantity', quantity), ('position_cost', total_cost),
                                   ('position_realised', realised_pnl), ('position_fees', fees),
                                   ('position_held', held)) AS written (kind, found)
        UNION ALL
        SELECT kind, positions.account_id, positions.symbol, expected, 0
        FROM {wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (VALUES
            ('position_quantity', CASE side WHEN 'BUY' THEN trades.quantity ELSE -trades.quantity END),
            ('position_cost', CASE side WHEN 'BUY' THEN gross ELSE 0 END - cost_removed),
            ('position_realised', realised_gross), ('position_fees', fee)) AS fact (kind, expected)
        UNION ALL
        SELECT kind, positions.account_id, positions.symbol, expected, 0
        FROM {wanted} JOIN positions USING (account_id) JOIN action_effects USING (position_id)
        CROSS JOIN LATERAL (VALUES ('position_quantity', quantity_after - quantity_before),
                                   ('position_cost', -cost_removed),
                                   ('position_realised', lieu - cost_removed)) AS fact (kind, expected)
        UNION ALL
        SELECT 'position_held', account_id, symbol, remaining, 0 FROM {wanted} JOIN holds USING (account_id)
        WHERE closed_at IS NULL AND side = 'SELL'
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found)
"""

# The ledger of each instrument by its position, and what actions did by what is posted of it.
LEDGER = f"""
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, symbol, expected, 0 AS found FROM {wanted} JOIN positions USING (account_id)
        CROSS JOIN LATERAL (VALUES ('ledger_securities', total_cost), ('ledger_realised', realised_pnl),
                                   ('ledger_fees', fees)) AS written (kind, expected)
        UNION ALL
        SELECT kind, positions.account_id, positions.symbol, expected, 0
        FROM {wanted} JOIN positions USING (account_id) JOIN action_effects USING (position_id)
        CROSS JOIN LATERAL (VALUES ('ledger_dividends', cash),
                                   ('ledger_shares', quantity_after - quantity_before)
        ) AS fact (kind, expected)
        UNION ALL
        SELECT 'ledger_shares', account_id, symbol, 0, quantity_after - quantity_before
        FROM {wanted} JOIN share_postings USING (account_id)
        UNION ALL
        SELECT CASE ledger_account WHEN 'securities' THEN 'ledger_securities' WHEN 'fees' THEN 'ledger_fees'
                                   WHEN 'dividends' THEN 'ledger_dividends' ELSE 'ledger_realised' END,
               account_id, symbol, 0,
               CASE WHEN ledger_account IN ('realised_pnl', 'dividends') THEN -amount ELSE amount END
        FROM {wanted} JOIN postings USING (account_id)
        WHERE ledger_account IN ('securities', 'realised_pnl', 'fees', 'dividends')
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found)
"""

TRANSACTIONS = f"""
    SELECT 'ledger_transaction' AS kind, account_id, transaction_id::text AS id, 0 AS expected,
           sum(amount) AS found
    FROM {wanted} JOIN postings USING (account_id)
    GROUP BY account_id, transaction_id HAVING sum(amount) <> 0
"""

# What each trade did to cash, at once and when it settled.
TRADES = f"""
    SELECT kind, account_id, trade_id::text AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, positions.account_id, trade_id, expected, 0 AS found
        FROM {wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (VALUES
            ('trade_cash', net_cash),
            ('trade_settlement', CASE WHEN settled_at IS NULL THEN 0 ELSE net_cash END)
        ) AS fact (kind, expected)
        UNION ALL
        SELECT CASE postings.kind WHEN 'trade' THEN 'trade_cash' ELSE 'trade_settlement' END,
               account_id, trade_id, 0, amount
        FROM {wanted} JOIN postings USING (account_id)
        WHERE (postings.kind, ledger_account) IN (('trade', 'cash_unsettled'), ('settlement', 'cash_settled'))
    ) AS sides GROUP BY kind, account_id, trade_id HAVING sum(expected) <> sum(found)
"""

# Each step of the fold by the steps before it: with the sums above that is the fold as a whole, and it names
# the step. What is rounded once may be half of the last place away; products are exact, quotients are not.
# A trade comes after the actions that took effect by the market time of its quote; `stretch` counts them.
_steps = f"""
    known AS (
        SELECT position_id, positions.account_id, corporate_actions.*,
               row_number() OVER (PARTITION BY position_id
                                  ORDER BY effective_at, type = 'DIVIDEND', action_id) AS stretch
        FROM {wanted} JOIN positions USING (account_id) JOIN corporate_actions USING (symbol)
    ), facts AS (
        SELECT trades.position_id, trades.account_id, stretch, 1 AS place, executed_at, trade_id AS id, side,
               CASE side WHEN 'BUY' THEN trades.quantity ELSE -trades.quantity END AS more,
               CASE side WHEN 'BUY' THEN gross ELSE 0 END - trades.cost_removed AS cost
        FROM {wanted} JOIN positions USING (account_id) JOIN trades USING (position_id)
        CROSS JOIN LATERAL (SELECT count(*) AS stretch FROM corporate_actions
                            WHERE corporate_actions.symbol = trades.symbol
                              AND effective_at <= trades.market_time) AS before_it
        UNION ALL
        SELECT position_id, known.account_id, stretch, 0, effective_at, action_id, type,
               coalesce(quantity_after - quantity_before, 0), -coalesce(cost_removed, 0)
        FROM known LEFT JOIN action_effects USING (position_id, action_id)
    ), steps AS (
        SELECT facts.*, sum(more) OVER before_it AS held_before, sum(cost) OVER before_it AS cost_before
        FROM facts
        WINDOW before_it AS (PARTITION BY position_id ORDER BY stretch, place, executed_at, id
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
"""

# What a trade removes of the cost before it: its part of the amount, of that whole.
parts = """
    CASE side WHEN 'BUY' THEN gross ELSE coalesce(cost_before, 0) END AS amount,
    CASE side WHEN 'BUY' THEN quantity ELSE coalesce(held_before, 0) END AS whole,
    least(quantity, greatest(CASE side WHEN 'BUY' THEN -held_before ELSE held_before END, 0)) AS part
"""
amounts_of_trade = """
    SELECT kind, account_id, trade_id::text AS id, expected, found
    FROM removals CROSS JOIN LATERAL (VALUES
        ('trade_gross', round(price * quantity, 8), gross, abs(gross - price * quantity) * 2 > 1e-8),
        ('trade_net', CASE side WHEN 'BUY' THEN -gross ELSE gross END - fee, net_cash,
         net_cash <> CASE side WHEN 'BUY' THEN -gross ELSE gross END - fee),
        ('trade_cost', CASE WHEN part > 0 THEN round(amount * part / whole, 8) ELSE 0 END, cost_removed,
         CASE WHEN bent THEN false
              WHEN part > 0 THEN abs(cost_removed * whole - amount * part) * 2 > whole * 1e-8
              ELSE cost_removed <> 0 END),
        ('trade_realised', CASE side WHEN 'BUY' THEN 0 ELSE gross END - cost_removed - fee, realised_net,
         realised_gross <> CASE side WHEN 'BUY' THEN 0 ELSE gross END - cost_removed
         OR realised_net <> realised_gross - fee)
    ) AS step (kind, expected, found, wrong) WHERE wrong
"""

EFFECTS = f"""
    WITH {_steps}, removals AS (
        SELECT trades.*, {parts}, false AS bent
        FROM (SELECT id, held_before, cost_before FROM steps WHERE place = 1) AS steps
        JOIN trades ON trade_id = id
    ) {amounts_of_trade}
"""

# What each action did by what was held then; one that is not applied to everybody yet may have done nothing.
ACTIONS = f"""
    WITH {_steps}, done AS (
        SELECT known.account_id, known.action_id, type, number, lieu_price, coalesce(held_before, 0) AS held,
               coalesce(cost_before, 0) AS cost, coalesce(quantity_before, 0) AS quantity_before,
               coalesce(quantity_after, 0) AS quantity_after, coalesce(cost_removed, 0) AS cost_removed,
               coalesce(cash, 0) AS cash, coalesce(fraction, 0) AS fraction, coalesce(lieu, 0) AS lieu,
               coalesce(quantity_after + fraction, 0) AS made
        FROM steps JOIN known ON known.position_id = steps.position_id AND known.action_id = id
        LEFT JOIN action_effects ON action_effects.position_id = known.position_id
              AND action_effects.action_id = known.action_id
        WHERE place = 0 AND (known.applied_at IS NOT NULL OR action_effects.action_id IS NOT NULL)
    )
    SELECT kind, account_id, action_id::text AS id, expected, found
    FROM done CROSS JOIN LATERAL (VALUES
        ('action_held', held, quantity_before, quantity_before <> held),
        ('action_split', CASE type WHEN 'SPLIT' THEN round(held * number, 8) ELSE held END, made,
         CASE type WHEN 'SPLIT' THEN abs(made - held * number) * 2 > 1e-8 ELSE made <> held END),
        ('action_cost', CASE WHEN quantity_after = 0 THEN cost ELSE round(cost * fraction / made, 8) END,
         cost_removed,
         CASE WHEN quantity_after = 0 THEN cost_removed <> cost
              ELSE abs(cost_removed * made - cost * fraction) * 2 > abs(made) * 1e-8 END),
        ('action_fraction', CASE WHEN lieu_price IS NULL OR made <= 0 THEN 0 ELSE made - trunc(made) END,
         fraction, fraction <> CASE WHEN lieu_price IS NULL OR made <= 0 THEN 0 ELSE made - trunc(made) END),
        ('action_lieu', round(fraction * coalesce(lieu_price, 0), 8), lieu,
         abs(lieu - fraction * coalesce(lieu_price, 0)) * 2 > 1e-8),
        ('action_cash', CASE type WHEN 'DIVIDEND' THEN round(held * number, 8) ELSE 0 END, cash,
         CASE type WHEN 'DIVIDEND' THEN abs(cash - held * number) * 2 > 1e-8 ELSE cash <> 0 END)
    ) AS step (kind, expected, found, wrong) WHERE wrong
"""

# What a kept cut has more than the one before it, by the postings between them.
CUTS = f"""
    WITH cuts AS (
        SELECT account_id, through, cash_settled, cash_unsettled,
               lag(through, 1, 0::bigint) OVER of_account AS after, lead(through) OVER of_account AS next
        FROM {wanted} JOIN ledger_cuts USING (account_id)
        WINDOW of_account AS (PARTITION BY account_id ORDER BY through)
    ), kept AS (
        SELECT kind, account_id, through, next, '' AS symbol, found
        FROM cuts CROSS JOIN LATERAL (VALUES ('cut_settled', cash_settled), ('cut_unsettled', cash_unsettled)
        ) AS written (kind, found)
        UNION ALL
        SELECT kind, account_id, through, next, symbol, found
        FROM cuts JOIN ledger_cut_positions USING (account_id, through)
        CROSS JOIN LATERAL (VALUES ('cut_quantity', quantity), ('cut_cost', total_cost)
        ) AS written (kind, found)
    )
    SELECT kind, account_id, concat_ws('/', through, nullif(symbol, '')) AS id, sum(expected) AS expected,
           sum(found) AS found
    FROM (
        SELECT kind, account_id, through, symbol, 0 AS expected, found FROM kept
        UNION ALL
        SELECT kind, account_id, next, symbol, 0, -found FROM kept WHERE next IS NOT NULL
        UNION ALL
        SELECT CASE ledger_account WHEN 'cash_settled' THEN 'cut_settled' WHEN 'securities' THEN 'cut_cost'
                                   ELSE 'cut_unsettled' END,
               cuts.account_id, through, CASE ledger_account WHEN 'securities' THEN symbol ELSE '' END,
               amount, 0
        FROM cuts JOIN postings ON postings.account_id = cuts.account_id
                               AND posting_id > after AND posting_id <= through
        WHERE ledger_account IN ('cash_settled', 'cash_unsettled', 'securities')
        UNION ALL
        SELECT 'cut_quantity', cuts.account_id, through, symbol, quantity_after - quantity_before, 0
        FROM cuts JOIN share_postings ON share_postings.account_id = cuts.account_id
                                     AND posting_id > after AND posting_id <= through
        UNION ALL
        SELECT 'cut_quantity', cuts.account_id, through, trades.symbol,
               CASE side WHEN 'BUY' THEN quantity ELSE -quantity END, 0
        FROM cuts CROSS JOIN LATERAL (
            SELECT trade_id FROM postings WHERE postings.account_id = cuts.account_id
               AND posting_id > after AND posting_id <= through AND kind = 'trade'
            UNION SELECT trade_id FROM share_postings WHERE share_postings.account_id = cuts.account_id
               AND posting_id > after AND posting_id <= through AND kind = 'trade') AS booked
        JOIN trades USING (trade_id)
    ) AS sides GROUP BY kind, account_id, through, symbol HAVING sum(expected) <> sum(found)
"""

ALL = (CASH, POSITIONS, LEDGER, TRANSACTIONS, TRADES, EFFECTS, ACTIONS, CUTS)
