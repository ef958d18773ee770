"""Watchlists: their rows. What may be in them comes in as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import asyncpg

from hub_portfolio.domain.watchlist import Owner, Watchlist
from hub_postgres import Connection, Pool, acquire, transaction
from hub_texts import Name

# Whoever changes a user's watchlists goes alone: so counts, names and contents are what they were decided on.
_USERS_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('watchlists ' || $1::text, 0))"
_COLUMNS: Final = "watchlist_id, user_id, account_id, name, symbols, version, created_at, updated_at"
_OF_USER: Final = f"SELECT {_COLUMNS} FROM watchlists WHERE user_id = $1 ORDER BY watchlist_id"  # noqa: S608
_ONE: Final = f"SELECT {_COLUMNS} FROM watchlists WHERE user_id = $1 AND watchlist_id = $2"  # noqa: S608
_COUNT: Final = "SELECT count(*) FROM watchlists WHERE user_id = $1"
_ADD: Final = """
    INSERT INTO watchlists
        (watchlist_id, user_id, account_id, name, name_key, symbols, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (user_id, name_key) DO NOTHING
    RETURNING watchlist_id
"""
_NAMESAKE: Final = """
    SELECT EXISTS (SELECT FROM watchlists WHERE user_id = $1 AND name_key = $2 AND watchlist_id <> $3)
"""
_WRITE: Final = """
    UPDATE watchlists SET name = $2, name_key = $3, symbols = $4, version = $5, updated_at = $6
     WHERE watchlist_id = $1
"""
_DELETE: Final = "DELETE FROM watchlists WHERE user_id = $1 AND watchlist_id = $2 RETURNING watchlist_id"


class NameTakenError(Exception):
    """The user has another watchlist of this name."""


class Watchlists:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_user(self, user_id: UUID) -> list[Watchlist]:
        async with acquire(self._pool) as connection:
            return [_watchlist(row) for row in await connection.fetch(_OF_USER, user_id)]

    async def one(self, user_id: UUID, watchlist_id: UUID) -> Watchlist | None:
        async with acquire(self._pool) as connection:
            return await _read(connection, user_id, watchlist_id)

    async def add(self, new: Watchlist, admit: Callable[[int], None]) -> None:
        """`admit` is told how many there are. Raises NameTakenError."""
        async with transaction(self._pool) as connection:
            await connection.execute(_USERS_LOCK, str(new.owner.user_id))
            admit(await connection.fetchval(_COUNT, new.owner.user_id))
            added = await connection.fetchval(
                _ADD,
                new.watchlist_id,
                new.owner.user_id,
                new.owner.account_id,
                new.name.text,
                new.name.key,
                list(new.symbols),
                new.version,
                new.created_at,
                new.updated_at,
            )
            if added is None:
                raise NameTakenError

    async def change(
        self, user_id: UUID, watchlist_id: UUID, decide: Callable[[Watchlist], Watchlist]
    ) -> Watchlist | None:
        """What `decide` makes of it, as it was when nobody else could change it. Raises NameTakenError."""
        async with transaction(self._pool) as connection:
            await connection.execute(_USERS_LOCK, str(user_id))
            before = await _read(connection, user_id, watchlist_id)
            if before is None:
                return None
            after = decide(before)
            if after != before:
                await _write(connection, after)
            return after

    async def delete(self, user_id: UUID, watchlist_id: UUID) -> bool:
        """Whether it was there."""
        async with transaction(self._pool) as connection:
            await connection.execute(_USERS_LOCK, str(user_id))
            return await connection.fetchval(_DELETE, user_id, watchlist_id) is not None


async def _read(connection: Connection, user_id: UUID, watchlist_id: UUID) -> Watchlist | None:
    row = await connection.fetchrow(_ONE, user_id, watchlist_id)
    return None if row is None else _watchlist(row)


async def _write(connection: Connection, after: Watchlist) -> None:
    if await connection.fetchval(_NAMESAKE, after.owner.user_id, after.name.key, after.watchlist_id):
        raise NameTakenError
    await connection.execute(
        _WRITE,
        after.watchlist_id,
        after.name.text,
        after.name.key,
        list(after.symbols),
        after.version,
        after.updated_at,
    )


def _watchlist(row: asyncpg.Record) -> Watchlist:
    return Watchlist(
        watchlist_id=row["watchlist_id"],
        owner=Owner(row["user_id"], row["account_id"]),
        name=Name(row["name"]),
        symbols=tuple(row["symbols"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )
