"""Statements as they were issued. They are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import count, islice
from typing import Final
from uuid import UUID

import asyncpg

from hub_portfolio.domain.history import Point
from hub_portfolio.domain.month import Month
from hub_portfolio.domain.statement import Issued, Valuations
from hub_portfolio.store.history import POINT
from hub_postgres import Connection, Pool, acquire, transaction

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

LINES_AT_ONCE: Final = 2_000
ISSUED: Final = "month, issued_at, through, document, line_count, content_hash"

LAST: Final = f"SELECT {ISSUED} FROM statements WHERE account_id = $1 ORDER BY month DESC LIMIT 1"
ONE: Final = f"SELECT {ISSUED} FROM statements WHERE account_id = $1 AND month = $2"
BETWEEN: Final = f"SELECT {ISSUED} FROM statements WHERE account_id = $1 AND month BETWEEN $2 AND $3"

# Who issues the same month at once waits here for the first, and adds nothing.
ADD: Final = f"""
    INSERT INTO statements (account_id, {ISSUED}) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (account_id, month) DO NOTHING RETURNING month
"""
ADD_LINES: Final = """
    INSERT INTO statement_lines (account_id, month, number, line)
    SELECT $1, $2, number, line FROM unnest($3::bigint[], $4::text[]) AS new (number, line)
"""
LINES: Final = """
    SELECT line FROM statement_lines WHERE account_id = $1 AND month = $2 AND number > $3
    ORDER BY number LIMIT $4
"""

CLOSE: Final = f"""
    SELECT {POINT} FROM equity_days WHERE account_id = $1 AND day < $2 ORDER BY day DESC LIMIT 1
"""
OPENED_ON: Final = "SELECT opened_on FROM followed_accounts WHERE account_id = $1"


class Statements:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def last(self, account_id: UUID) -> Issued | None:
        async with acquire(self._pool) as connection:
            return _issued(await connection.fetchrow(LAST, account_id))

    async def one(self, account_id: UUID, month: Month) -> Issued | None:
        async with acquire(self._pool) as connection:
            return _issued(await connection.fetchrow(ONE, account_id, month.first_day))

    async def between(self, account_id: UUID, first: Month, last: Month) -> dict[Month, Issued]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(BETWEEN, account_id, first.first_day, last.first_day)
        return {each.month: each for row in rows if (each := _issued(row)) is not None}

    async def add(self, account_id: UUID, new: Issued, lines: Sequence[str]) -> Issued:
        """It with all its lines; or the one that somebody else has issued meanwhile."""
        day = new.month.first_day
        async with transaction(self._pool) as connection:
            added = await connection.fetchval(
                ADD,
                account_id,
                day,
                new.issued_at,
                new.through,
                new.document,
                new.line_count,
                new.content_hash,
            )
            if added is not None:
                await _add_lines(connection, account_id, day, lines)
                return new
            first = _issued(await connection.fetchrow(ONE, account_id, day))
        if first is None:
            raise AssertionError("a statement that kept another one out is not there")
        return first

    async def lines(self, account_id: UUID, month: Month, *, after: int, limit: int) -> list[str]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(LINES, account_id, month.first_day, after, limit)
        return [row["line"] for row in rows]

    async def valuations(self, account_id: UUID, month: Month) -> Valuations:
        async with acquire(self._pool) as connection:
            before = await connection.fetchrow(CLOSE, account_id, month.first_day)
            end = await connection.fetchrow(CLOSE, account_id, month.next.first_day)
            opened_on: date | None = await connection.fetchval(OPENED_ON, account_id)
        return Valuations(_point(before), _point(end), opened_on)


async def _add_lines(connection: Connection, account_id: UUID, month: date, lines: Sequence[str]) -> None:
    left, numbers = iter(lines), count(1)
    while some := list(islice(left, LINES_AT_ONCE)):
        await connection.execute(ADD_LINES, account_id, month, list(islice(numbers, len(some))), some)


def _issued(row: asyncpg.Record | None) -> Issued | None:
    if row is None:
        return None
    return Issued(
        month=Month(row["month"]),
        issued_at=row["issued_at"],
        through=row["through"],
        document=row["document"],
        line_count=row["line_count"],
        content_hash=row["content_hash"],
    )


def _point(row: asyncpg.Record | None) -> Point | None:
    return None if row is None else Point(*row)
