"""Whether the database answers and has the tables this code needs, asked in the background: a readiness probe
never waits."""

from __future__ import annotations

import asyncio

import asyncpg

from hub_errors import Unavailable
from hub_postgres.migrations import read_migrations
from hub_postgres.pool import Pool, acquire

_APPLIED = "SELECT version FROM schema_migrations"


class DatabaseProbe:
    """`run` is its forever-job, `state` the readiness check."""

    def __init__(self, pool: Pool, *, package: str | None = None, interval_s: float = 1.0) -> None:
        """With a package, its migrations must have been applied; a schema ahead of the code is fine."""
        self._pool = pool
        self._interval_s = interval_s
        self._state = "not asked yet"
        self._wanted = {each.version: each.name for each in read_migrations(package)} if package else {}

    def state(self) -> str:
        return self._state

    def schema(self) -> str:
        """A readiness check for who can do without the database at times: good once the tables were seen."""
        return self._state if self._wanted else "ok"

    async def run(self) -> None:
        while True:
            try:
                self._state = await self._look()
            except Unavailable as error:
                self._state = error.code
            await asyncio.sleep(self._interval_s)

    async def _look(self) -> str:
        async with acquire(self._pool) as connection:
            if not self._wanted:
                await connection.execute("SELECT 1")
                return "ok"
            try:
                applied = {row["version"] for row in await connection.fetch(_APPLIED)}
            except asyncpg.UndefinedTableError:
                applied = set()
        for version, name in self._wanted.items():
            if version not in applied:
                return f"schema is behind: {name} has not been applied"
        self._wanted = {}  # a schema never goes back
        return "ok"
