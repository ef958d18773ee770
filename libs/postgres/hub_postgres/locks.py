"""Leadership: a session-level advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hub_postgres.faults import passes
from hub_postgres.pool import Connection
from hub_postgres.session import close_session, open_session
from hub_runtime import Backoff, get_logger

POLL_S = 0.5
PROBE_S = 1.0
PROBE_TIMEOUT_S = 2.0
_TRY = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"

log = get_logger("postgres")


@dataclass(frozen=True)
class HeldLock:
    """`lost` is set when the session has failed: someone else may hold the lock from then on."""

    key: str
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def holding_lock(url: str, password: str, key: str) -> AsyncIterator[HeldLock]:
    """Waits for the lock as long as it takes, through outages too; gives it back at the end."""
    connection = await _acquire(url, password, key)
    lock = HeldLock(key)
    connection.add_termination_listener(lambda _: lock.lost.set())
    probe = asyncio.create_task(_probe(connection, lock), name=f"lock {key}")
    try:
        yield lock
    finally:
        probe.cancel()
        await asyncio.wait({probe})
        await close_session(connection)


async def _acquire(url: str, password: str, key: str) -> Connection:
    backoff = Backoff(POLL_S, 4 * POLL_S)
    while True:
        try:
            return await _wait_in_session(url, password, key)
        except Exception as error:
            if not passes(error):
                raise
            log.warning("lock_waits_for_database", lock=key, error=repr(error))
        await backoff.wait()


async def _wait_in_session(url: str, password: str, key: str) -> Connection:
    connection = await open_session(url, password, f"lock {key}")
    try:
        while not await connection.fetchval(_TRY, key):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(POLL_S)
    except BaseException:
        await close_session(connection)
        raise
    return connection


async def _probe(connection: Connection, lock: HeldLock) -> None:
    """A connection that hangs without being closed is as lost as one that is."""
    try:
        while not lock.lost.is_set():
            await connection.execute("SELECT 1", timeout=PROBE_TIMEOUT_S)
            await asyncio.sleep(PROBE_S)
    except Exception as error:  # noqa: BLE001 - whatever it was, the lock is not certain any more
        log.warning("lock_lost", lock=lock.key, error=repr(error))
    finally:
        lock.lost.set()
