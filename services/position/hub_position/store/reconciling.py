"""What the order service reads to hold its own against the books. Nothing of them is locked or written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from hub_errors import Invalid
from hub_position.domain.hold import Hold
from hub_position.domain.reconciliation import BookDifference, Checked, TookTooLong
from hub_position.domain.trade import Trade
from hub_position.store import checks, checks_since, rows
from hub_postgres import Connection, Pool, acquire, transaction

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

# For a check, from its beginning.
LIMIT_S: Final = 20.0
LEAST_S: Final = 0.001
MOST_DIFFERENCES: Final = 1000
LOWEST: Final = UUID(int=0)
_MEANWHILE: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)

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

    async def check(
        self, account_ids: Sequence[UUID], *, since: bool = False, limit_s: float = LIMIT_S
    ) -> Checked:
        """The books of these accounts, as of one moment. `since`: where they were found right before, only
        what came since then. Where nothing is wrong now, the next such check begins here. Raises TookTooLong
        after the limit."""
        async with self._snapshot(limit_s) as snapshot:
            known = await snapshot.checked_before(account_ids) if since else set[UUID]()
            whole = [each for each in account_ids if each not in known]
            recent = [each for each in account_ids if each in known]
            await snapshot.hold(checks.ALL, whole)
            await snapshot.hold(checks_since.ALL, recent)
            await snapshot.keep(whole, anew=True)
            await snapshot.keep(recent, anew=False)
        listed = snapshot.differences[:MOST_DIFFERENCES]
        return Checked(account_ids, listed, snapshot.count - len(listed))

    async def next_accounts(self, account_id: UUID, *, limit: int) -> list[UUID]:
        """Those that come next, by id."""
        async with acquire(self._pool) as connection:
            found = await connection.fetch(checks.NEXT_ACCOUNTS, account_id, limit)
        return [row["account_id"] for row in found]

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
    async def _snapshot(self, limit_s: float) -> AsyncIterator[_Snapshot]:
        async with (
            acquire(self._pool) as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            try:
                yield _Snapshot(connection, time.monotonic() + limit_s)
            except asyncpg.QueryCanceledError as error:
                raise TookTooLong from error


class _Snapshot:
    """The books of one moment, and what was found in them so far."""

    def __init__(self, connection: Connection, until: float) -> None:
        self.differences: list[BookDifference] = []
        self.count = 0
        self._connection = connection
        self._until = until

    async def checked_before(self, account_ids: Sequence[UUID]) -> set[UUID]:
        found = await self._connection.fetch(checks_since.CHECKED, account_ids)
        return {row["account_id"] for row in found}

    async def hold(self, statements: Iterable[str], account_ids: Sequence[UUID]) -> None:
        """The books against themselves."""
        for statement in statements if account_ids else ():
            counted = f"SELECT *, count(*) OVER () AS count FROM ({statement}) AS wrong"
            left = await self._limited()
            limited = f"{counted} LIMIT {MOST_DIFFERENCES}"
            found = await self._connection.fetch(limited, account_ids, timeout=left + 1)
            self.count += found[0]["count"] if found else 0
            self.differences += [
                BookDifference(row["kind"], row["account_id"], row["id"], row["expected"], row["found"])
                for row in found
            ]

    async def keep(self, account_ids: Sequence[UUID], *, anew: bool) -> None:
        """Those in which nothing was found: the next check may begin here. `anew`: though nothing came since
        the last one, for somebody may have mended them. What somebody else keeps meanwhile stands."""
        if self.count > len(self.differences):
            return
        wrong = {each.account_id for each in self.differences}
        right = [each for each in account_ids if each not in wrong]
        if not right:
            return
        left = await self._limited()
        try:
            async with self._connection.transaction():
                await self._connection.execute(checks_since.KEEP_ACCOUNTS, right, timeout=left + 1)
                await self._connection.execute(checks_since.KEEP_POSITIONS, right, anew, timeout=left + 1)
        except _MEANWHILE:
            pass

    async def _limited(self) -> float:
        """An account may have traded for years: the next statement has no more than what is left."""
        left = self._until - time.monotonic()
        if left < LEAST_S:
            raise TookTooLong
        await self._connection.execute(f"SET LOCAL statement_timeout = '{left * 1000:.0f}ms'")
        return left


async def _place(connection: Connection, statement: str, after: UUID) -> tuple[Any, Any, Any]:
    row = await connection.fetchrow(statement, after)
    if row is None:
        raise Invalid("There is nothing to go on from.", code="invalid_page_token", field="after")
    return row[0], row[1], row[2]
