"""What happened in accounts, read from their ledgers. A transaction is an event: its first posting says where
it is, and its postings together what it did. Where it moves no money, its posting is one of shares."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from hub_position.domain.activity import (
    LATE,
    LATE_ACTION,
    Activity,
    Cut,
    CutPosition,
    Fill,
    Shares,
    Wanted,
)
from hub_position.domain.trade import Side
from hub_postgres import Pool, acquire

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

LAST: Final = 2**63 - 1
# By how much postings of an account can be out of the order of their time: as long as a transaction may wait.
WAITED: Final = "interval '1 minute'"

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
_BESIDE: Final = _heads("kind NOT IN ('trade', 'settlement') AND ($4 = '' OR symbol = $4)")
# An account has few of these, so they are narrowed while they are read.
_OF_SHARES: Final = f"""
    SELECT {HEAD} FROM share_postings AS head
    WHERE account_id = $1 AND kind = ANY ($3::text[]) AND ($4 = '' OR symbol = $4) AND posting_id < $2
      AND ($5 IS NULL OR posted_at >= $5) AND ($6 IS NULL OR posted_at < $6) AND {MOVES_NO_MONEY}
    ORDER BY posting_id DESC LIMIT $7
"""
OF_ALL: Final = _newest(_heads("($4 = '' OR symbol = $4)"), _OF_SHARES)
OF_SYMBOL: Final = _newest(_TRADED, _BESIDE, _OF_SHARES)
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

ACCOUNT: Final = "SELECT currency, opened_at FROM accounts WHERE account_id = $1"

# What is posted after the first posting of a later time is of that later time as well, whatever it says: so a
# cut stays where it is.
THROUGH: Final = f"""
    SELECT greatest($2, coalesce(
        least(
            (SELECT posting_id - 1 FROM postings
             WHERE account_id = $1 AND posting_id > $2 AND posted_at >= $3::timestamptz
               AND posting_id >= posting_at($1, $3 - {WAITED})
             ORDER BY posting_id LIMIT 1),
            (SELECT posting_id - 1 FROM share_postings
             WHERE account_id = $1 AND posting_id > $2 AND posted_at >= $3
             ORDER BY posting_id LIMIT 1)),
        greatest(
            (SELECT posting_id FROM postings WHERE account_id = $1 ORDER BY posting_id DESC LIMIT 1),
            (SELECT posting_id FROM share_postings WHERE account_id = $1 ORDER BY posting_id DESC LIMIT 1)),
        0))
"""

SUMS: Final = """
    SELECT coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_settled'), 0) AS settled,
           coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_unsettled'), 0) AS unsettled
    FROM postings WHERE account_id = $1 AND posting_id <= $2
"""

# What is held now without what was traded since and what splits and late facts have made of it since; and its
# cost by the postings to there.
HOLDINGS: Final = """
    SELECT symbol, held.quantity - coalesce(traded, 0) - coalesce(made, 0) AS quantity,
           coalesce(cost, 0) AS total_cost
    FROM positions AS held
    LEFT JOIN (
        SELECT symbol, sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS traded
        FROM (SELECT trade_id FROM postings
              WHERE account_id = $1 AND posting_id > $2 AND kind = 'trade'
              UNION SELECT trade_id FROM share_postings
              WHERE account_id = $1 AND posting_id > $2 AND kind = 'trade') AS booked
        CROSS JOIN LATERAL (SELECT symbol, side, quantity FROM trades
                            WHERE trades.trade_id = booked.trade_id LIMIT 1) AS trade
        GROUP BY symbol) AS since USING (symbol)
    LEFT JOIN (
        SELECT symbol, sum(quantity_after - quantity_before) AS made FROM share_postings
        WHERE account_id = $1 AND posting_id > $2
        GROUP BY symbol) AS splits USING (symbol)
    LEFT JOIN (
        SELECT symbol, sum(amount) AS cost FROM postings
        WHERE account_id = $1 AND posting_id <= $2 AND ledger_account = 'securities'
        GROUP BY symbol) AS before USING (symbol)
    WHERE account_id = $1
      AND (held.quantity <> coalesce(traded, 0) + coalesce(made, 0) OR coalesce(cost, 0) <> 0)
    ORDER BY symbol
"""


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

    async def cut(self, account_id: UUID, after: int, until: datetime | None) -> Cut | None:
        """None where there is no such account. A booking is in all of it or in nothing."""
        async with (
            acquire(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            account = await connection.fetchrow(ACCOUNT, account_id)
            if account is None:
                return None
            through = await connection.fetchval(THROUGH, account_id, after, until)
            [sums] = await connection.fetch(SUMS, account_id, through)
            positions = await connection.fetch(HOLDINGS, account_id, through)
        held = [CutPosition(row["symbol"], row["quantity"], row["total_cost"]) for row in positions]
        return Cut(through=through, positions=held, **account, **sums)


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
        reason=row["reason"] or _reason(row["kind"], row["symbol"], fill),
    )


def _shares(row: asyncpg.Record) -> Shares | None:
    if row["quantity_before"] is None:
        return None
    return Shares(row["quantity_before"], row["quantity_after"], row["ratio"])


def _reason(kind: str, symbol: str, fill: Fill | None) -> str:
    """Of an adjustment of an instrument's facts."""
    if kind != "adjustment" or not symbol:
        return ""
    return LATE if fill else LATE_ACTION
