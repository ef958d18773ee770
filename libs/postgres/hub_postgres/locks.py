"""Leadership: a session-level advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
import math
import time
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
# A session that holds the lock says something at every probe, so long as its process runs.
_END_STALE = """
    SELECT pg_terminate_backend(pid)
      FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND objsubid = 1
       AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0)
       AND state = 'idle' AND clock_timestamp() - state_change > $2 * interval '1 second'
"""

log = get_logger("postgres")


@dataclass
class HeldLock:
    """`lost` is set when the session has failed: someone else may hold the lock from then on.

    `confirmed_at`: when the last probe was sent that was answered.
    """

    key: str
    stale_s: float | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    confirmed_at: float = math.inf

    @property
    def holds(self) -> bool:
        """Whether nobody can have taken it yet. A process that was paused does not know of that, but what
        time it is; it is not asked of the loop, whose time stands while it is busy."""
        if self.lost.is_set():
            return False
        return self.stale_s is None or time.monotonic() - self.confirmed_at < self.stale_s


@asynccontextmanager
async def holding_lock(
    url: str, password: str, key: str, *, stale_s: float | None = None
) -> AsyncIterator[HeldLock]:
    """Waits for the lock as long as it takes, through outages too; gives it back at the end.

    With `stale_s` a holder who says nothing for so long has it no more: a process that is stopped keeps its
    session, so whoever waits ends that. It is to be much more than PROBE_S, the same for all who want the
    lock, and they are the same role in the database. The holder asks `holds` before every act.
    """
    connection, asked_at = await _acquire(url, password, key, stale_s)
    lock = HeldLock(key, stale_s, confirmed_at=asked_at)
    connection.add_termination_listener(lambda _: lock.lost.set())
    probe = asyncio.create_task(_probe(connection, lock), name=f"lock {key}")
    try:
        yield lock
    finally:
        probe.cancel()
        await asyncio.wait({probe})
        await close_session(connection)


async def _acquire(url: str, password: str, key: str, stale_s: float | None) -> tuple[Connection, float]:
    backoff = Backoff(POLL_S, 4 * POLL_S)
    while True:
        try:
            return await _wait_in_session(url, password, key, stale_s)
        except Exception as error:
            if not passes(error):
                raise
            log.warning("lock_waits_for_database", lock=key, error=repr(error))
        await backoff.wait()


async def _wait_in_session(
    url: str, password: str, key: str, stale_s: float | None
) -> tuple[Connection, float]:
    """The session, and when it asked for the lock that it got."""
    connection = await open_session(url, password, f"lock {key}")
    try:
        while True:
            asked_at = time.monotonic()
            if await connection.fetchval(_TRY, key):
                return connection, asked_at
            ended = stale_s is not None and await connection.fetch(_END_STALE, key, stale_s)
            if ended:
                log.warning("stale_lock_ended", lock=key)
            await asyncio.sleep(POLL_S / 10 if ended else POLL_S)
    except BaseException:
        await close_session(connection)
        raise


async def _probe(connection: Connection, lock: HeldLock) -> None:
    """A connection that hangs without being closed is as lost as one that is."""
    try:
        while not lock.lost.is_set():
            asked_at = time.monotonic()
            await connection.execute("SELECT 1", timeout=PROBE_TIMEOUT_S)
            lock.confirmed_at = asked_at
            await asyncio.sleep(PROBE_S)
    except Exception as error:  # noqa: BLE001 - whatever it was, the lock is not certain any more
        log.warning("lock_lost", lock=lock.key, error=repr(error))
    finally:
        lock.lost.set()
