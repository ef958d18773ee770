"""What happened in accounts, read from their ledgers. A transaction is an event: its first posting says where
it is, and its postings together what it did. Where it moves no money, its posting is one of shares."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import asyncpg

from hub_position.domain.activity import (
    IN_LIEU,
    LATE,
    LATE_ACTION,
    Activity,
    Fill,
    Shares,
    Wanted,
)
from hub_position.domain.trade import Side
from hub_position.store.cuts import WAITED
from hub_postgres import Pool, acquire

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters


# Counted, not asked for by EXISTS or min: those may be planned as a walk through the whole ledger.
IS_FIRST: Final = """(
    SELECT count(*) FROM postings AS line
    WHERE line.transaction_id = head.transaction_id AND line.posting_id < head.posting_id) = 0"""
MOVES_NO_MONEY: Final = """(
    SELECT count(*) FROM postings AS line WHERE line.transaction_id = head.transaction_id) = 0"""


def _activities(heads: str, order: str) -> str:
    """The transactions of these first postings, with what they are about."""
    return f"""
        SELECT head.*, did.*, trade.*, shares.*, (SELECT reason FROM cash_movements
                                        WHERE movement_id = head.transaction_id) AS reason
        FROM ({heads}) AS head
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_settled'), 0) AS settled,
                   coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_unsettled'), 0) AS unsettled,
                   coalesce(sum(amount) FILTER (WHERE ledger_account = 'securities'), 0) AS cost,
                   -coalesce(sum(amount) FILTER (WHERE ledger_account = 'realised_pnl'), 0) AS realised,
                   coalesce(sum(amount) FILTER (WHERE ledger_account = 'fees'), 0) AS fee,
                   -coalesce(sum(amount) FILTER (WHERE ledger_account = 'dividends'), 0) AS dividend
            FROM postings AS line WHERE line.transaction_id = head.transaction_id) AS did
        LEFT JOIN LATERAL (
            SELECT order_id, side, quantity, price, executed_at FROM trades
            WHERE trades.trade_id = head.trade_id LIMIT 1) AS trade ON true
        LEFT JOIN LATERAL (
            SELECT quantity_before, quantity_after, ratio FROM share_postings
            WHERE share_postings.transaction_id = head.transaction_id AND kind <> 'trade'
            LIMIT 1) AS shares ON true
        ORDER BY posting_id {order}
    """


HEAD: Final = "posting_id, transaction_id, kind, symbol, trade_id, posted_at"


def _heads(narrower: str) -> str:
    return f"""
        SELECT {HEAD} FROM postings AS head
        WHERE account_id = $1 AND kind = ANY ($3::text[]) AND {narrower}
          AND posting_id < least($2, (SELECT CASE WHEN $6::timestamptz IS NULL THEN $2
                                                  ELSE posting_at($1, $6 + {WAITED}) END))
          AND posting_id >= (SELECT CASE WHEN $5::timestamptz IS NULL THEN 0
                                         ELSE posting_at($1, $5 - {WAITED}) END)
          AND ($5 IS NULL OR posted_at >= $5) AND ($6 IS NULL OR posted_at < $6)
          AND {IS_FIRST}
        ORDER BY posting_id DESC LIMIT $7
    """


def _newest(*heads: str) -> str:
    """The newest of all of these, each of which is read in the order of an index and to its own limit."""
    either = " UNION ALL ".join(f"SELECT * FROM ({head}) AS part" for head in heads)
    return _activities(f"SELECT * FROM ({either}) AS heads ORDER BY posting_id DESC LIMIT $7", "DESC")


# Each as the index that it is read in the order of says.
_TRADED: Final = _heads("symbol = $4 AND kind = 'trade' AND ledger_account = 'cash_unsettled'")
# Sales that brought no more than their fee have no such line. There are few.
_FOR_NOTHING: Final = f"""
    SELECT {HEAD}
    FROM (SELECT trade_id AS sold FROM trades WHERE account_id = $1 AND symbol = $4 AND net_cash = 0) AS sales
    CROSS JOIN LATERAL (SELECT * FROM postings WHERE transaction_id = sold
                        ORDER BY posting_id LIMIT 1) AS head
    WHERE kind = ANY ($3::text[]) AND posting_id < $2
      AND ($5 IS NULL OR posted_at >= $5) AND ($6 IS NULL OR posted_at < $6)
    ORDER BY posting_id DESC LIMIT $7
"""
_BESIDE: Final = _heads("kind NOT IN ('trade', 'settlement') AND ($4 = '' OR symbol = $4)")
# An account has few of these, so they are narrowed while they are read.
_OF_SHARES: Final = f"""
    SELECT {HEAD} FROM share_postings AS head
    WHERE account_id = $1 AND kind = ANY ($3::text[]) AND ($4 = '' OR symbol = $4) AND posting_id < $2
      AND ($5 IS NULL OR posted_at >= $5) AND ($6 IS NULL OR posted_at < $6) AND {MOVES_NO_MONEY}
    ORDER BY posting_id DESC LIMIT $7
"""
OF_ALL: Final = _newest(_heads("($4 = '' OR symbol = $4)"), _OF_SHARES)
OF_SYMBOL: Final = _newest(_TRADED, _FOR_NOTHING, _BESIDE, _OF_SHARES)
BESIDE_TRADES: Final = _newest(_BESIDE, _OF_SHARES)

_STRETCH: Final = "account_id = $1 AND posting_id > $2 AND posting_id <= $3"
BETWEEN: Final = _activities(
    f"""
        SELECT * FROM (
            (SELECT {HEAD} FROM postings AS head WHERE {_STRETCH} AND {IS_FIRST}
             ORDER BY posting_id LIMIT $4)
            UNION ALL
            (SELECT {HEAD} FROM share_postings AS head WHERE {_STRETCH} AND {MOVES_NO_MONEY}
             ORDER BY posting_id LIMIT $4)
        ) AS heads ORDER BY posting_id LIMIT $4
    """,
    "ASC",
)


class Activities:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def newest(self, account_id: UUID, wanted: Wanted, *, before: int, limit: int) -> list[Activity]:
        statement = OF_ALL
        if wanted.beside_trades:
            statement = BESIDE_TRADES
        elif wanted.symbol and not wanted.settlements:
            statement = OF_SYMBOL
        parameters = (wanted.symbol, wanted.posted_from, wanted.posted_before)
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(
                statement, account_id, before, list(wanted.kinds), *parameters, limit
            )
        return [_activity(row) for row in rows]

    async def between(self, account_id: UUID, after: int, through: int, *, limit: int) -> list[Activity]:
        """Oldest first: after one posting and not after another."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(BETWEEN, account_id, after, through, limit)
        return [_activity(row) for row in rows]


def _activity(row: asyncpg.Record) -> Activity:
    fill = None
    if row["order_id"] is not None:
        fill = Fill(
            trade_id=row["trade_id"],
            order_id=row["order_id"],
            side=Side(row["side"]),
            quantity=row["quantity"],
            price=row["price"],
            executed_at=row["executed_at"],
        )
    return Activity(
        activity_id=row["posting_id"],
        transaction_id=row["transaction_id"],
        kind=row["kind"],
        posted_at=row["posted_at"],
        symbol=row["symbol"],
        settled=row["settled"],
        unsettled=row["unsettled"],
        cost=row["cost"],
        realised=row["realised"],
        fee=row["fee"],
        dividend=row["dividend"],
        fill=fill,
        shares=_shares(row),
        reason=row["reason"] or _reason(row, fill),
    )


def _shares(row: asyncpg.Record) -> Shares | None:
    if row["quantity_before"] is None:
        return None
    return Shares(row["quantity_before"], row["quantity_after"], row["ratio"])


def _reason(row: asyncpg.Record, fill: Fill | None) -> str:
    """Of an adjustment of an instrument's facts, and of a split that moved cash."""
    if row["kind"] == "split" and row["settled"]:
        return IN_LIEU
    if row["kind"] != "adjustment" or not row["symbol"]:
        return ""
    return LATE if fill else LATE_ACTION
