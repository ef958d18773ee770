"""Books with a long past: a million trades in a hundred thousand positions, written by SQL, in balance."""

from __future__ import annotations

from typing import Final

import asyncpg

ACCOUNTS: Final = 5_000
SYMBOLS: Final = 20
TRADES: Final = 10  # of each position
CASH: Final = 10_000_000
PRICE: Final = 100

# Ids are functions of numbers, so that the runs know them.
ACCOUNT: Final = "md5('account' || {a})::uuid"
POSITION: Final = "md5('position' || {a} || '/' || {s})::uuid"
NAME: Final = "'S' || lpad({s}::text, 2, '0')"

_ACCOUNT, _POSITION = ACCOUNT.format(a="a"), POSITION.format(a="a", s="s")
_NAME = NAME.format(s="s")
_TRADE = "md5('trade' || a || '/' || s || '/' || t)::uuid"
_HOLD = "md5('hold' || a || '/' || s || '/' || t)::uuid"
_DAY = "timestamptz '2026-01-05 15:00Z' + t * interval '1 day'"
_SPENT = SYMBOLS * TRADES * PRICE

STATEMENTS: Final = (
    f"""
    INSERT INTO accounts (account_id, user_id, cash_settled)
    SELECT {_ACCOUNT}, {_ACCOUNT}, {CASH} - {_SPENT} FROM generate_series($1::int, $2::int) AS a
    """,
    f"""
    INSERT INTO positions (position_id, account_id, symbol, quantity, total_cost, realised_pnl, fees, status,
                           last_executed_at, last_trade_id, version, opened_at, updated_at)
    SELECT {_POSITION}, {_ACCOUNT}, {_NAME}, {TRADES}, {TRADES * PRICE}, 0, 0, 'ACTIVE', {_DAY}, {_TRADE},
           {TRADES}, {_DAY}, {_DAY}
    FROM generate_series($1::int, $2::int) AS a, generate_series(1, {SYMBOLS}) AS s,
         (SELECT {TRADES} AS t) AS last
    """,
    f"""
    INSERT INTO holds (hold_id, order_id, account_id, side, symbol, quantity, unit_price, remaining,
                       booked_quantity, booked_count, final_quantity, final_count, confirmed, closed_at)
    SELECT {_HOLD}, {_HOLD}, {_ACCOUNT}, 'BUY', {_NAME}, 1, {PRICE}, 0, 1, 1, 1, 1, true, now()
    FROM generate_series($1::int, $2::int) AS a, generate_series(1, {SYMBOLS}) AS s,
         generate_series(1, {TRADES}) AS t
    """,
    f"""
    INSERT INTO trades (trade_id, account_id, position_id, order_id, hold_id, symbol, side, quantity, price,
                        gross, fee, net_cash, cost_removed, realised_gross, realised_net, executed_at,
                        market_time, settles_on, settled_at)
    SELECT {_TRADE}, {_ACCOUNT}, {_POSITION}, {_HOLD}, {_HOLD}, {_NAME}, 'BUY', 1, {PRICE}, {PRICE}, 0,
           -{PRICE}, 0, 0, 0, {_DAY}, {_DAY}, ({_DAY})::date + 1, now()
    FROM generate_series($1::int, $2::int) AS a, generate_series(1, {SYMBOLS}) AS s,
         generate_series(1, {TRADES}) AS t
    """,
    f"""
    INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount)
    SELECT {_ACCOUNT}, {_ACCOUNT}, 'deposit', line, amount
    FROM generate_series($1::int, $2::int) AS a,
         (VALUES ('external', -{CASH}), ('cash_settled', {CASH})) AS lines (line, amount)
    """,
    f"""
    INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, symbol, trade_id)
    SELECT {_TRADE}, {_ACCOUNT}, 'trade', line, amount, {_NAME}, {_TRADE}
    FROM generate_series($1::int, $2::int) AS a, generate_series(1, {SYMBOLS}) AS s,
         generate_series(1, {TRADES}) AS t,
         (VALUES ('cash_settled', -{PRICE}), ('securities', {PRICE})) AS lines (line, amount)
    """,
)
CHUNK: Final = 500


async def insert_past(superuser_dsn: str) -> None:
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        for first in range(1, ACCOUNTS + 1, CHUNK):
            for statement in STATEMENTS:
                await connection.execute(statement, first, first + CHUNK - 1, timeout=300)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()
