"""What the order service reads to hold its own against the books. Nothing is locked, nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from hub_errors import Invalid
from hub_position.domain.hold import Hold
from hub_position.domain.reconciliation import BookDifference, Checked
from hub_position.domain.trade import Trade
from hub_position.store import checks, rows
from hub_postgres import Connection, Pool, acquire, transaction

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

STATEMENT_LIMIT_S: Final = 20.0
MOST_DIFFERENCES: Final = 1000
LOWEST: Final = UUID(int=0)

Stretch = tuple[datetime, datetime]

TRADES_BY_ID = f"""
    SELECT {rows.TRADE} FROM unnest($1::uuid[]) AS wanted (trade_id) JOIN trades USING (trade_id)
"""

PLACE_OF_TRADE = "SELECT position_id, executed_at, trade_id FROM trades WHERE trade_id = $1"
PLACE_OF_HOLD = "SELECT account_id, symbol, hold_id FROM holds WHERE hold_id = $1"

# A trade is found by its account's positions, each of which has its trades in the order of time. The limit
# inside keeps the planner from walking through the trades of all positions instead, and what is set before it
# from reading all that a position has to sort it: of each no more than a page is read.
IN_ORDER = "SET LOCAL enable_bitmapscan = off"
TRADES_OF_ACCOUNTS = f"""
    SELECT {", ".join(f"trades.{column.strip()}" for column in rows.TRADE.split(","))}
    FROM (SELECT positions.position_id FROM unnest($1::uuid[]) AS named (account_id)
          JOIN positions USING (account_id) WHERE positions.position_id >= $4
          ORDER BY positions.position_id) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM trades
        WHERE trades.position_id = wanted.position_id AND executed_at >= $2 AND executed_at < $3
          AND (trades.position_id, executed_at, trade_id) > ($4, $5, $6)
        ORDER BY executed_at, trade_id LIMIT $7) AS trades
    ORDER BY wanted.position_id, trades.executed_at, trades.trade_id LIMIT $7
"""

HOLDS_BY_ID = f"SELECT {rows.HOLD} FROM unnest($1::uuid[]) AS wanted (hold_id) JOIN holds USING (hold_id)"

OPEN_HOLDS = f"""
    SELECT {rows.HOLD} FROM holds
    WHERE closed_at IS NULL AND (account_id, symbol, hold_id) > ($1, $2, $3)
    ORDER BY account_id, symbol, hold_id LIMIT $4
"""


class Reconciling:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def check(self, account_ids: Sequence[UUID]) -> Checked:
        """The books of these accounts, as of one moment."""
        async with self._snapshot() as connection:
            return await _check(connection, account_ids)

    async def check_after(self, account_id: UUID, *, limit: int) -> Checked:
        """Those of the accounts that come next, by id."""
        async with self._snapshot() as connection:
            found = await connection.fetch(checks.NEXT_ACCOUNTS, account_id, limit)
            return await _check(connection, [row["account_id"] for row in found])

    async def trades(self, trade_ids: Sequence[UUID]) -> list[Trade]:
        async with acquire(self._pool) as connection:
            return [rows.booked(row).trade for row in await connection.fetch(TRADES_BY_ID, trade_ids)]

    async def trades_of(
        self, account_ids: Sequence[UUID], stretch: Stretch, *, after: UUID | None, limit: int
    ) -> list[Trade]:
        """Executed in the stretch, whose end does not belong to it; by position and time."""
        start, until = stretch
        async with transaction(self._pool) as connection:
            await connection.execute(IN_ORDER)
            place: tuple[Any, Any, Any] = (LOWEST, start, LOWEST)
            if after is not None:
                place = await _place(connection, PLACE_OF_TRADE, after)
            found = await connection.fetch(TRADES_OF_ACCOUNTS, account_ids, start, until, *place, limit)
        return [rows.booked(row).trade for row in found]

    async def holds(self, hold_ids: Sequence[UUID]) -> list[Hold]:
        async with acquire(self._pool) as connection:
            return [rows.hold(row) for row in await connection.fetch(HOLDS_BY_ID, hold_ids)]

    async def open_holds(self, *, after: UUID | None, limit: int) -> list[Hold]:
        """By account, symbol and id. One that was closed meanwhile is still a place to go on from."""
        async with acquire(self._pool) as connection:
            place: tuple[Any, Any, Any] = (LOWEST, "", LOWEST)
            if after is not None:
                place = await _place(connection, PLACE_OF_HOLD, after)
            found = await connection.fetch(OPEN_HOLDS, *place, limit)
        return [rows.hold(row) for row in found]

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        async with (
            acquire(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            # An account may have traded for years; nobody waits for the answer.
            await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT_S:g}s'")
            yield connection


async def _place(connection: Connection, statement: str, after: UUID) -> tuple[Any, Any, Any]:
    row = await connection.fetchrow(statement, after)
    if row is None:
        raise Invalid("There is nothing to go on from.", code="invalid_page_token", field="after")
    return row[0], row[1], row[2]


async def _check(connection: Connection, account_ids: Sequence[UUID]) -> Checked:
    differences, count = list[BookDifference](), 0
    for statement in checks.ALL if account_ids else ():
        limited = f"SELECT *, count(*) OVER () AS count FROM ({statement}) AS wrong LIMIT {MOST_DIFFERENCES}"
        found = await connection.fetch(limited, account_ids, timeout=STATEMENT_LIMIT_S + 1)
        count += found[0]["count"] if found else 0
        differences += [
            BookDifference(row["kind"], row["account_id"], row["id"], row["expected"], row["found"])
            for row in found
        ]
    differences = differences[:MOST_DIFFERENCES]
    return Checked(account_ids, differences, count - len(differences))
