"""The statements that hold the books of accounts against what they came to when a check last found nothing
wrong in them, and what was posted since: what they cost grows with that, not with the account's past.

Postings of an account get rising ids in the order of their commits, because every writer holds the account's
row: what comes after the last posting of then came since. Where a trade came late, or an action was folded
in, facts from before have changed, as they should; how they did is left to `checks`, which begins at the
beginning.
"""

from __future__ import annotations

from typing import Final

from hub_position.store.checks import amounts_of_trade, parts, wanted

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

CHECKED: Final = f"SELECT account_id FROM {wanted} JOIN checked_accounts USING (account_id)"

# Offsets and limits keep the planner, who may have seen these tables small, from any other way than from an
# account to what is its own.
_kept = f"{wanted} JOIN checked_accounts AS kept USING (account_id)"


def _own(table: str, of: str) -> str:
    """An account's rows of a table."""
    found = f"SELECT * FROM {table} WHERE {table}.account_id = kept.account_id AND {of} OFFSET 0"
    return f"{_kept} CROSS JOIN LATERAL ({found}) AS {table}"


def _its_trade(named: str) -> str:
    found = f"SELECT * FROM trades WHERE trades.trade_id = {named}.trade_id LIMIT 1"
    return f"CROSS JOIN LATERAL ({found}) AS trades"


_postings = _own("postings", "posting_id > kept.through")
_share_postings = _own("share_postings", "posting_id > kept.through")
_open_holds = _own("holds", "closed_at IS NULL")
_was = """LEFT JOIN checked_positions AS was
        ON was.account_id = positions.account_id AND was.symbol = positions.symbol"""
_positions = f"{_own('positions', 'true')} {_was}"
_acted = "coalesce(was.actions <> positions.actions, false)"

# Trades that were posted since, and those that stand behind the last one of then. `bent`: the fold of then
# does not simply go on with this position's: one comes before what is in it, or an action was added.
_booked = f"""
    traded AS (
        SELECT kept.account_id, trade_id FROM {_postings} WHERE kind = 'trade'
        UNION
        SELECT kept.account_id, trade_id FROM {_share_postings} WHERE kind = 'trade'
        UNION
        SELECT kept.account_id, newer.trade_id FROM {_positions}
        CROSS JOIN LATERAL (
            SELECT trade_id FROM trades
            WHERE trades.position_id = positions.position_id AND (executed_at, trade_id) > (
                coalesce(was.last_executed_at, '-infinity'),
                coalesce(was.last_trade_id, '00000000-0000-0000-0000-000000000000')) OFFSET 0) AS newer
    ), booked AS (
        SELECT trades.trade_id, trades.position_id, positions.account_id, positions.symbol, side,
               trades.quantity, price, gross, fee, net_cash, cost_removed, realised_gross, realised_net,
               executed_at, settled_at, coalesce(was.quantity, 0) AS held_then,
               coalesce(was.total_cost, 0) AS cost_then,
               CASE side WHEN 'BUY' THEN trades.quantity ELSE -trades.quantity END AS more,
               CASE side WHEN 'BUY' THEN gross ELSE 0 END - cost_removed AS cost,
               bool_or({_acted}
                   OR coalesce((executed_at, trades.trade_id)
                               <= (was.last_executed_at, was.last_trade_id), false)
                   OR EXISTS (SELECT FROM corporate_actions
                              WHERE corporate_actions.symbol = trades.symbol AND effective_at > market_time)
               ) OVER (PARTITION BY trades.position_id) AS bent
        FROM traded {_its_trade("traded")}
        JOIN positions ON positions.position_id = trades.position_id
                      AND positions.account_id = traded.account_id {_was}
    )
"""

# What the account itself has.
CASH: Final = f"""
    SELECT kind, account_id, '' AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, kept.account_id, expected, found FROM {_kept} JOIN accounts USING (account_id)
        CROSS JOIN LATERAL (VALUES ('cash_settled', kept.cash_settled, accounts.cash_settled),
                                   ('cash_unsettled', kept.cash_unsettled, accounts.cash_unsettled),
                                   ('cash_held', 0, held)) AS written (kind, expected, found)
        UNION ALL
        SELECT ledger_account, kept.account_id, amount, 0 FROM {_postings}
        WHERE ledger_account IN ('cash_settled', 'cash_unsettled')
        UNION ALL
        SELECT 'cash_held', kept.account_id, remaining, 0 FROM {_open_holds} WHERE side = 'BUY'
    ) AS sides GROUP BY kind, account_id HAVING sum(expected) <> sum(found)
"""

# Positions by their trades since and the shares that splits made; cost and profit where the fold went on.
POSITIONS: Final = f"""
    WITH {_booked}
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, positions.account_id, positions.symbol, expected, found, bent FROM {_positions}
        CROSS JOIN LATERAL (VALUES
            ('position_quantity', coalesce(was.quantity, 0), positions.quantity, false),
            ('position_cost', coalesce(was.total_cost, 0), positions.total_cost, {_acted}),
            ('position_realised', coalesce(was.realised_pnl, 0), positions.realised_pnl, {_acted}),
            ('position_fees', coalesce(was.fees, 0), positions.fees, false),
            ('position_held', 0, positions.held, false)) AS written (kind, expected, found, bent)
        UNION ALL
        SELECT kind, account_id, symbol, expected, 0, fact.bent FROM booked
        CROSS JOIN LATERAL (VALUES ('position_quantity', more, false), ('position_cost', cost, booked.bent),
                                   ('position_realised', realised_gross, booked.bent),
                                   ('position_fees', fee, false)) AS fact (kind, expected, bent)
        UNION ALL
        SELECT 'position_quantity', kept.account_id, symbol, quantity_after - quantity_before, 0, false
        FROM {_share_postings}
        UNION ALL
        SELECT 'position_held', kept.account_id, symbol, remaining, 0, false
        FROM {_open_holds} WHERE side = 'SELL'
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found) AND NOT bool_or(bent)
"""

# The ledger of each instrument by its position; by what actions did, where the position has changed: they are
# no more than its instrument had.
LEDGER: Final = f"""
    SELECT kind, account_id, symbol AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, kept.account_id, symbol, expected, 0 AS found
        FROM {_kept} JOIN positions ON positions.account_id = kept.account_id
        CROSS JOIN LATERAL (VALUES ('ledger_securities', total_cost), ('ledger_realised', realised_pnl),
                                   ('ledger_fees', fees)) AS written (kind, expected)
        UNION ALL
        SELECT kind, kept.account_id, symbol, 0, found
        FROM {_kept} JOIN checked_positions AS was ON was.account_id = kept.account_id
        CROSS JOIN LATERAL (VALUES ('ledger_securities', total_cost), ('ledger_realised', realised_pnl),
                                   ('ledger_fees', fees)) AS written (kind, found)
        UNION ALL
        SELECT kind, kept.account_id, positions.symbol, expected, found FROM {_positions}
        CROSS JOIN LATERAL (SELECT sum(cash) AS cash, sum(quantity_after - quantity_before) AS shares
                            FROM action_effects WHERE position_id = positions.position_id) AS done
        CROSS JOIN LATERAL (VALUES
            ('ledger_dividends', coalesce(cash, 0), coalesce(was.dividends, 0)),
            ('ledger_shares', coalesce(done.shares, 0), coalesce(was.shares, 0))
        ) AS fact (kind, expected, found)
        WHERE (was.version, was.actions) IS DISTINCT FROM (positions.version, positions.actions)
        UNION ALL
        SELECT 'ledger_shares', kept.account_id, symbol, 0, quantity_after - quantity_before
        FROM {_share_postings}
        UNION ALL
        SELECT CASE ledger_account WHEN 'securities' THEN 'ledger_securities' WHEN 'fees' THEN 'ledger_fees'
                                   WHEN 'dividends' THEN 'ledger_dividends' ELSE 'ledger_realised' END,
               kept.account_id, symbol, 0,
               CASE WHEN ledger_account IN ('realised_pnl', 'dividends') THEN -amount ELSE amount END
        FROM {_postings} WHERE ledger_account IN ('securities', 'realised_pnl', 'fees', 'dividends')
    ) AS sides GROUP BY kind, account_id, symbol HAVING sum(expected) <> sum(found)
"""

TRANSACTIONS: Final = f"""
    SELECT 'ledger_transaction' AS kind, kept.account_id, transaction_id::text AS id, 0 AS expected,
           sum(amount) AS found
    FROM {_postings} GROUP BY kept.account_id, transaction_id HAVING sum(amount) <> 0
"""

# What each new trade did to cash, and what was posted for each that settled since.
TRADES: Final = f"""
    WITH {_booked}
    SELECT kind, account_id, trade_id::text AS id, sum(expected) AS expected, sum(found) AS found FROM (
        SELECT kind, account_id, trade_id, expected, 0 AS found FROM booked
        CROSS JOIN LATERAL (VALUES
            ('trade_cash', net_cash),
            ('trade_settlement', CASE WHEN settled_at IS NULL THEN 0 ELSE net_cash END)
        ) AS fact (kind, expected)
        UNION ALL
        SELECT 'trade_settlement', settled.account_id, settled.trade_id,
               CASE WHEN settled_at IS NULL THEN 0 ELSE net_cash END, 0
        FROM (SELECT kept.account_id, trade_id FROM {_postings} WHERE kind = 'settlement'
              EXCEPT SELECT account_id, trade_id FROM booked) AS settled
        {_its_trade("settled")}
        JOIN positions ON positions.position_id = trades.position_id
                      AND positions.account_id = settled.account_id
        UNION ALL
        SELECT CASE postings.kind WHEN 'trade' THEN 'trade_cash' ELSE 'trade_settlement' END,
               kept.account_id, trade_id, 0, amount
        FROM {_postings}
        WHERE (postings.kind, ledger_account) IN (('trade', 'cash_unsettled'), ('settlement', 'cash_settled'))
    ) AS sides GROUP BY kind, account_id, trade_id HAVING sum(expected) <> sum(found)
"""

# Each new trade's amounts, and what it removes of cost by the position of then and the new trades before it.
EFFECTS: Final = f"""
    WITH {_booked}, steps AS (
        SELECT *, held_then + coalesce(sum(more) OVER before_it, 0) AS held_before,
               cost_then + coalesce(sum(cost) OVER before_it, 0) AS cost_before
        FROM booked
        WINDOW before_it AS (PARTITION BY position_id ORDER BY executed_at, trade_id
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), removals AS (SELECT *, {parts} FROM steps) {amounts_of_trade}
"""

ALL = (CASH, POSITIONS, LEDGER, TRANSACTIONS, TRADES, EFFECTS)

# What there is now is right: the next check begins here. Who read it later knows better.
KEEP_ACCOUNTS: Final = f"""
    INSERT INTO checked_accounts AS kept (account_id, through, cash_settled, cash_unsettled)
    SELECT account_id, greatest(
               (SELECT posting_id FROM postings WHERE postings.account_id = accounts.account_id
                ORDER BY posting_id DESC LIMIT 1),
               (SELECT posting_id FROM share_postings WHERE share_postings.account_id = accounts.account_id
                ORDER BY posting_id DESC LIMIT 1),
               0), cash_settled, cash_unsettled
    FROM {wanted} JOIN accounts USING (account_id) ORDER BY account_id
    ON CONFLICT (account_id) DO UPDATE SET through = excluded.through, cash_settled = excluded.cash_settled,
        cash_unsettled = excluded.cash_unsettled, checked_at = now()
    WHERE (kept.through, kept.cash_settled, kept.cash_unsettled)
          IS DISTINCT FROM (excluded.through, excluded.cash_settled, excluded.cash_unsettled)
"""
_position = {
    "version": "positions.version",
    "actions": "positions.actions",
    "quantity": "positions.quantity",
    "total_cost": "positions.total_cost",
    "realised_pnl": "positions.realised_pnl",
    "fees": "positions.fees",
    "dividends": "coalesce(done.cash, 0)",
    "shares": "coalesce(done.shares, 0)",
    "last_executed_at": "positions.last_executed_at",
    "last_trade_id": "positions.last_trade_id",
}
# $2: whatever of them has changed, or only what changed by a fact.
KEEP_POSITIONS: Final = f"""
    INSERT INTO checked_positions AS kept (account_id, symbol, {", ".join(_position)})
    SELECT positions.account_id, positions.symbol, {", ".join(_position.values())}
    FROM {wanted} JOIN positions USING (account_id) {_was}
    CROSS JOIN LATERAL (SELECT sum(cash) AS cash, sum(quantity_after - quantity_before) AS shares
                        FROM action_effects WHERE position_id = positions.position_id) AS done
    WHERE $2 OR (was.version, was.actions) IS DISTINCT FROM (positions.version, positions.actions)
    ORDER BY positions.account_id, positions.symbol
    ON CONFLICT (account_id, symbol) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _position)}
    WHERE ({", ".join(f"kept.{name}" for name in _position)})
          IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _position)})
"""
