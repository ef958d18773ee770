"""The parts that users make of positions: their rows. What may be in them comes in as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import asyncpg

from hub_position.domain.views import View, Whole, after_splits
from hub_postgres import Connection, Pool, acquire, transaction
from hub_texts import Name

# Whoever changes the parts of a position goes alone; bookings take no notice of it.
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('views ' || $1::text || ' ' || $2, 0))"
WHOLE: Final = """
    SELECT position.quantity AS shares, total_cost, view_id, name, view.quantity, percentage, created_at,
           position.split_factor AS factor, view.split_factor AS said
    FROM positions AS position LEFT JOIN position_views AS view USING (account_id, symbol)
    WHERE account_id = $1 AND symbol = $2 ORDER BY view_id
"""
ADD: Final = """
    INSERT INTO position_views
        (account_id, symbol, view_id, name, name_key, quantity, percentage, created_at, split_factor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
REMOVE: Final = "DELETE FROM position_views WHERE view_id = $1"
RESIZE: Final = """
    UPDATE position_views SET quantity = $2, percentage = $3, split_factor = $4 WHERE view_id = $1
"""


class Views:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def whole(self, account_id: UUID, symbol: str) -> Whole | None:
        """The position as it is now, with its parts; None where there never was one."""
        async with acquire(self._pool) as connection:
            return await _read(connection, account_id, symbol)

    async def add(self, account_id: UUID, symbol: str, decide: Callable[[Whole | None], View]) -> Whole:
        """The part that `decide` makes, by those there were when nobody else could change them."""
        async with transaction(self._pool) as connection:
            await connection.execute(LOCK, str(account_id), symbol)
            found = await _read(connection, account_id, symbol)
            new = decide(found)
            await connection.execute(
                ADD,
                account_id,
                symbol,
                new.view_id,
                new.name.text,
                new.name.key,
                new.quantity,
                new.percentage,
                new.created_at,
                _there(found).split_factor,
            )
            return _there(await _read(connection, account_id, symbol))

    async def merge(
        self, account_id: UUID, symbol: str, decide: Callable[[Whole | None], tuple[View | None, View | None]]
    ) -> Whole:
        """`decide` says which one goes, and how another one is after it."""
        async with transaction(self._pool) as connection:
            await connection.execute(LOCK, str(account_id), symbol)
            found = await _read(connection, account_id, symbol)
            gone, after = decide(found)
            if gone is not None:
                await connection.execute(REMOVE, gone.view_id)
            if after is not None:
                factor = _there(found).split_factor
                await connection.execute(RESIZE, after.view_id, after.quantity, after.percentage, factor)
            return _there(await _read(connection, account_id, symbol))


async def _read(connection: Connection, account_id: UUID, symbol: str) -> Whole | None:
    rows = await connection.fetch(WHOLE, account_id, symbol)
    if not rows:
        return None
    views = [_view(row) for row in rows if row["view_id"] is not None]
    return Whole(symbol, rows[0]["shares"], rows[0]["total_cost"], views, rows[0]["factor"])


def _there(found: Whole | None) -> Whole:
    if found is None:
        raise AssertionError("a position that was there is gone")
    return found


def _view(row: asyncpg.Record) -> View:
    """As large as it is by the splits since it was made."""
    quantity = row["quantity"]
    if quantity is not None:
        quantity = after_splits(quantity, row["said"], row["factor"])
    return View(
        view_id=row["view_id"],
        name=Name(row["name"]),
        quantity=quantity,
        percentage=row["percentage"],
        created_at=row["created_at"],
    )
