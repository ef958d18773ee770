"""Whether the database answers, asked in the background so that a readiness probe never waits."""

from __future__ import annotations

import asyncio

from hub_errors import Unavailable
from hub_postgres.pool import Pool, acquire


class DatabaseProbe:
    """`run` is its forever-job, `state` the readiness check."""

    def __init__(self, pool: Pool, interval_s: float = 1.0) -> None:
        self._pool = pool
        self._interval_s = interval_s
        self._state = "not asked yet"

    def state(self) -> str:
        return self._state

    async def run(self) -> None:
        while True:
            try:
                async with acquire(self._pool) as connection:
                    await connection.execute("SELECT 1")
                self._state = "ok"
            except Unavailable as error:
                self._state = error.code
            await asyncio.sleep(self._interval_s)
