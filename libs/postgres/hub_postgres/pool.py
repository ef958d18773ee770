"""A pool whose every wait has an end. Its connections keep no session state: no SET, LISTEN or lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from hub_postgres.faults import database_faults
from hub_runtime import DatabaseSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

CONNECT_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 2.0
CLOSE_TIMEOUT_S = 2.0
COMMAND_TIMEOUT_S = 5.0  # above the server's own limit, which explains itself better

SERVER_SETTINGS = {
    "jit": "off",
    # A plan is made once for a connection, while the table may still be small, and kept as it grows. To read
    # all of a small table is cheap: such plans would scan it, or join with the whole of it, for good.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "statement_timeout": "4s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "4s",
    "timezone": "UTC",
}


class _StatelessConnection(asyncpg.Connection):
    """Saves the round trip that resets session state at each release."""

    def get_reset_query(self) -> str:
        return ""


async def connect_pool(
    database: DatabaseSettings | str, password: str = "", size: int = 10, application_name: str = "hub"
) -> Pool:
    """Made without connecting, so that a service starts before its database; close it, or `async with` it."""
    if isinstance(database, DatabaseSettings):
        dsn, password = database.database_url, database.database_password
        size = database.database_pool_size
    else:
        dsn = database
    return await asyncpg.create_pool(
        dsn,
        password=password or None,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        connection_class=_StatelessConnection,
        server_settings=SERVER_SETTINGS | {"application_name": application_name},
    )


@asynccontextmanager
async def pooled(database: DatabaseSettings, *, application_name: str) -> AsyncIterator[Pool]:
    """A pool for as long as the block. Connections that are still busy at its end, with nobody left to use
    them, are cut."""
    pool = await connect_pool(database, application_name=application_name)
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def acquire(pool: Pool, deadline_s: float = ACQUIRE_TIMEOUT_S) -> AsyncIterator[Connection]:
    """A connection within the deadline. A database that is away comes out as Unavailable."""
    with database_faults():
        connection: Any = await pool.acquire(timeout=deadline_s)
        try:
            yield connection
        finally:
            await pool.release(connection, timeout=COMMAND_TIMEOUT_S)


@asynccontextmanager
async def transaction(pool: Pool, deadline_s: float = ACQUIRE_TIMEOUT_S) -> AsyncIterator[Connection]:
    """Commits at the end, rolls back on any error. No remote call inside."""
    async with acquire(pool, deadline_s) as connection, connection.transaction():
        yield connection
