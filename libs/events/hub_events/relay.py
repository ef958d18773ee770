"""Moves the outbox to the broker: at least once, in order within a shard. Never decides what is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from hub.event.v1 import event_pb2
from hub_events.amqp import Amqp, Link
from hub_events.depths import watch_depths
from hub_events.envelope import pack
from hub_events.labels import Label, label_of, label_of_many
from hub_postgres import Connection, Pool, Wakeup, acquire
from hub_runtime import SIZE_BUCKETS, counter, crash_point, gauge, get_logger, histogram, utc_now

EVENTS_PER_MESSAGE: Final = 256
ROWS_PER_ROUND: Final = 2048
ACQUIRE_TIMEOUT_S: Final = 2.0
POLL_S: Final = 1.0
LOCK_POLL_S: Final = 0.5
LOOK_S: Final = 5.0

_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('outbox relay', 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended('outbox relay', 0))"
# No cursor: ids are drawn in another order than transactions commit, so what is there is what is left to do.
_SELECT: Final = """
SELECT id, exchange, routing_key, event_id, envelope, created_at FROM outbox ORDER BY id LIMIT $1
"""
# A deletion that a crash undoes is an event told twice, as consumers expect: it does not wait for the disk.
_IN_NO_HURRY: Final = "SET synchronous_commit = off"
_AS_BEFORE: Final = "RESET synchronous_commit"
# Bounded, so that looking costs little when much has piled up.
_WAITING: Final = """
SELECT count(*), min(created_at) FROM (SELECT created_at FROM outbox ORDER BY id LIMIT 100000) AS waiting
"""
_DELETE: Final = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

log = get_logger("relay")


class Row(NamedTuple):
    id: int
    exchange: str
    routing_key: str
    event_id: UUID
    envelope: bytes
    created_at: datetime


class Relay:
    """`run` is a forever-job; of many instances one works, the one with the lock of its database."""

    def __init__(self, pool: Pool, wakeup: Wakeup, amqp: Amqp, name: str, *, look_s: float = LOOK_S) -> None:
        self._pool = pool
        self._wakeup = wakeup
        self._amqp = amqp
        self._name = name
        self._lag = gauge("hub_events_outbox_lag_seconds", "Age of the oldest event not yet relayed")
        self._rows = gauge("hub_events_outbox_rows", "Events not yet relayed, counted to 100000")
        self._look_s = look_s
        self._unheeded = amqp.topology.unheeded()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_outbox())
            await self._amqp.keep(f"relay {self._name}", self._relay)

    async def _watch_outbox(self) -> None:
        """By whoever could relay, so that it is also seen while nobody can."""
        while True:
            try:
                async with acquire(self._pool) as connection:
                    [(rows, oldest)] = await connection.fetch(_WAITING)
            except Exception as error:  # noqa: BLE001 - the relay itself says what is wrong
                log.debug("outbox_unknown", error=repr(error))
            else:
                self._rows.set(rows)
                self._lag.set(_age(oldest) if oldest else 0)
            await asyncio.sleep(self._look_s)

    async def _relay(self, link: Link) -> None:
        async with self._leading(link) as connection, asyncio.TaskGroup() as group:
            log.info("relay_leads", relay=self._name)
            watching = group.create_task(watch_depths(link, self._look_s))
            while not link.lost.is_set():
                # What came while a round was under way has notified, too.
                if await self._round(connection, link) < ROWS_PER_ROUND:
                    await self._wakeup.wait(POLL_S)
            watching.cancel()

    @asynccontextmanager
    async def _leading(self, link: Link) -> AsyncIterator[Connection]:
        """The session that has the lock also does the work: whoever loses one cannot do the other."""
        connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            while not await connection.fetchval(_TRY_LOCK):
                if link.lost.is_set():
                    raise ConnectionError("the broker went away")
                await asyncio.sleep(LOCK_POLL_S)
            await connection.execute(_IN_NO_HURRY)
            yield connection
            await connection.execute(_AS_BEFORE)
            await connection.execute(_UNLOCK)
        except BaseException:
            connection.terminate()  # a session whose lock is in doubt must not go back to the pool
            raise
        finally:
            await self._pool.release(connection)

    async def _round(self, connection: Connection, link: Link) -> int:
        """How many rows there were. One message at a time is unconfirmed per shard, so that order is kept."""
        rows = [Row(*record) for record in await connection.fetch(_SELECT, ROWS_PER_ROUND)]
        self._lag.set(_age(rows[0].created_at) if rows else 0)
        if rows:
            crash_point(f"relay.{self._name}.before_publish")
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row.exchange, row.routing_key), []).append(row)
        confirmed: list[int] = []
        faults = await asyncio.gather(*(self._publish(link, group, confirmed) for group in groups.values()))
        if confirmed:
            crash_point(f"relay.{self._name}.before_delete")
            await connection.execute(_DELETE, confirmed)
            crash_point(f"relay.{self._name}.after_delete")
        for fault in faults:
            if fault is not None:
                raise fault
        return len(rows)

    async def _publish(self, link: Link, group: Sequence[Row], confirmed: list[int]) -> Exception | None:
        """A group that fails leaves its rows and does not keep the others from going."""
        exchange, routing_key = group[0].exchange, group[0].routing_key
        for start in range(0, len(group), EVENTS_PER_MESSAGE):
            rows = group[start : start + EVENTS_PER_MESSAGE]
            try:
                body = pack(row.envelope for row in rows)
                mandatory = exchange not in self._unheeded
                await link.publish(exchange, routing_key, body, mandatory=mandatory, label=_label(rows))
            except Exception as error:  # noqa: BLE001 - raised by the round, after the others are done
                log.warning("relay_failed", exchange=exchange, routing_key=routing_key, error=repr(error))
                return error
            confirmed.extend(row.id for row in rows)
            counter("hub_events_relayed_total", "Events the broker has confirmed", ("exchange",)).labels(
                exchange
            ).inc(len(rows))
            histogram("hub_events_message_size", "Events per message", (), SIZE_BUCKETS).observe(len(rows))
        return None


def _age(moment: datetime) -> float:
    """Seconds."""
    return (utc_now() - moment).total_seconds()


def _label(rows: Sequence[Row]) -> Label:
    if len(rows) == 1:
        return label_of(event_pb2.Envelope.FromString(rows[0].envelope))
    return label_of_many(str(rows[0].event_id), len(rows))
