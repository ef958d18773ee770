"""Who leads a job that only one process may do, when the leader may also be paused.

A leader holds an advisory lock in a session of its own and says every second, in its row of `leaderships`,
that it lives. Taking the lock draws the next epoch: what a leader sends carries it, so that the receiver can
drop what comes from an older one. A process that is stopped keeps its session, and with it the lock; so a
standby that finds the beat older than STALE_S ends that session and takes over. The leader itself counts from
its last confirmed beat, by its own clock: after STALE_S it is none any more, also when it was paused and does
not know it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hub_postgres.faults import passes
from hub_postgres.pool import Connection
from hub_postgres.session import close_session, open_session
from hub_runtime import Backoff, get_logger

POLL_S = 0.5
BEAT_S = 1.0
BEAT_TIMEOUT_S = 1.5
STALE_S = 3.0

# In one statement: whoever has the lock has its row too, however it is paused afterwards.
_TAKE = """
    WITH mine AS (SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS got)
    INSERT INTO leaderships AS last (name, epoch, backend, beat_at)
    SELECT $1, 1, pg_backend_pid(), clock_timestamp() FROM mine WHERE got
    ON CONFLICT (name) DO UPDATE
    SET epoch = last.epoch + 1, backend = excluded.backend, beat_at = excluded.beat_at
    RETURNING epoch
"""

_BEAT = "UPDATE leaderships SET beat_at = clock_timestamp() WHERE name = $1 AND epoch = $2 RETURNING epoch"

# Only a session that still holds this very lock: process ids are used again.
_END_STALE = """
    SELECT pg_terminate_backend(locks.pid) FROM leaderships, pg_locks AS locks
    WHERE name = $1 AND clock_timestamp() - beat_at > $2 * interval '1 second'
      AND locks.pid = backend AND locktype = 'advisory' AND granted AND objsubid = 1
      AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0)
"""

log = get_logger("postgres")


class LeadershipLostError(Exception):
    """Somebody else may be leading now: start anew."""


@dataclass(slots=True)
class Leadership:
    """`lost` is set when it is over for certain; `holds` knows it earlier."""

    name: str
    epoch: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    confirmed_at: float = math.inf
    """When the last beat was sent that was confirmed, by the loop's clock; until then without an end."""

    @property
    def holds(self) -> bool:
        """Whether nobody can have taken over yet."""
        now = asyncio.get_running_loop().time()
        return not self.lost.is_set() and now - self.confirmed_at < STALE_S

    def check(self) -> None:
        """To be asked before every act; LeadershipLostError when it is over."""
        if not self.holds:
            self.lost.set()
            raise LeadershipLostError(self.name)


@asynccontextmanager
async def leading(url: str, password: str, name: str) -> AsyncIterator[Leadership]:
    """Waits for the leadership as long as it takes, through outages too; gives it back at the end.

    The database has the table `leaderships (name text PRIMARY KEY, epoch bigint, backend integer,
    beat_at timestamptz)`, and all who want to lead are the same role there.
    """
    connection, leadership = await _acquire(url, password, name)
    log.info("leadership_taken", name=name, epoch=leadership.epoch)
    connection.add_termination_listener(lambda _: leadership.lost.set())
    beats = asyncio.create_task(_beat(connection, leadership), name=f"leadership {name}")
    try:
        yield leadership
    finally:
        beats.cancel()
        await asyncio.wait({beats})
        await close_session(connection)


async def _acquire(url: str, password: str, name: str) -> tuple[Connection, Leadership]:
    backoff = Backoff(POLL_S, 2 * POLL_S)
    while True:
        try:
            return await _stand_by(url, password, name)
        except Exception as error:
            if not passes(error):
                raise
            log.warning("leadership_waits_for_database", name=name, error=repr(error))
        await backoff.wait()


async def _stand_by(url: str, password: str, name: str) -> tuple[Connection, Leadership]:
    clock = asyncio.get_running_loop().time
    connection = await open_session(url, password, f"leadership {name}", BEAT_TIMEOUT_S)
    try:
        while True:
            asked_at = clock()
            epoch: int | None = await connection.fetchval(_TAKE, name)
            if epoch is not None:
                return connection, Leadership(name, epoch, confirmed_at=asked_at)
            ended = await connection.fetch(_END_STALE, name, STALE_S)
            if ended:
                log.warning("stale_leader_ended", name=name)
            await asyncio.sleep(POLL_S / 10 if ended else POLL_S)
    except BaseException:
        await close_session(connection)
        raise


async def _beat(connection: Connection, leadership: Leadership) -> None:
    """Ends with the leadership: the session failed, hangs, or somebody else has drawn another epoch."""
    clock = asyncio.get_running_loop().time
    name, epoch = leadership.name, leadership.epoch
    try:
        while leadership.holds:
            await asyncio.sleep(BEAT_S)
            asked_at = clock()
            answer = await connection.fetchval(_BEAT, name, epoch)
            if answer is None:
                log.warning("leadership_taken_by_another", name=name, epoch=epoch)
                return
            leadership.confirmed_at = asked_at
    except Exception as error:  # noqa: BLE001 - whatever it was, the leadership is not certain any more
        log.warning("leadership_lost", name=name, epoch=epoch, error=repr(error))
    finally:
        leadership.lost.set()
