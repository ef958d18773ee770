"""LISTEN as a wake-up call. It may come late or not at all: whoever waits polls as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub_postgres.pool import Connection
from hub_postgres.session import close_session, open_session
from hub_runtime import Backoff, get_logger

PROBE_S = 5.0

log = get_logger("postgres")


class Wakeup:
    """`run` is its forever-job; one waiter calls `wait` in its loop."""

    def __init__(self, url: str, password: str, channel: str) -> None:
        self._url = url
        self._password = password
        self._channel = channel
        self.event = asyncio.Event()

    async def wait(self, timeout_s: float = 1.0) -> None:
        """Until a notification has come since the last wait, or the time has passed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            pass
        self.event.clear()

    async def run(self) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                connection = await open_session(self._url, self._password, f"listen {self._channel}")
                try:
                    await self._listen(connection, backoff)
                finally:
                    await close_session(connection)
            except Exception as error:  # noqa: BLE001 - polling goes on meanwhile
                log.warning("listen_failed", channel=self._channel, error=repr(error))
            await backoff.wait()

    async def _listen(self, connection: Connection, backoff: Backoff) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(self._channel, self._notified)
        backoff.reset()
        self.event.set()  # something may have been said before anyone listened
        while not closed.is_set():
            try:
                async with asyncio.timeout(PROBE_S):
                    await closed.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
        raise ConnectionError("the listening connection was closed")

    def _notified(self, *_: Any) -> None:
        self.event.set()


@asynccontextmanager
async def listen(url: str, password: str, channel: str) -> AsyncIterator[Wakeup]:
    """A wake-up with its job running, for whoever has no process to spawn it in."""
    wakeup = Wakeup(url, password, channel)
    job = asyncio.create_task(wakeup.run(), name=f"listen {channel}")
    try:
        yield wakeup
    finally:
        job.cancel()
        await asyncio.wait({job})
