"""Asks where symbols stand: at each connect, and when a new day has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from hub_market_data.alpaca_protocol import Standing, standings
from hub_market_data.alpaca_rest import FAILURES, Snapshots
from hub_market_data.domain.tape import NEW_YORK
from hub_runtime import Clock, counter, get_logger

# After a request that failed.
AGAIN_S: Final = 30.0

log = get_logger("alpaca")


class Standings:
    """One question at a time; the stream goes on meanwhile. Without snapshots nothing is asked."""

    def __init__(
        self, snapshots: Snapshots | None, symbols: Sequence[str], *, clock: Clock, now: Callable[[], float]
    ) -> None:
        self._snapshots = snapshots
        self._symbols = symbols
        self._clock = clock
        self._now = now
        self._asked: asyncio.Task[Sequence[bytes]] | None = None
        self._day: date | None = None
        self._due_at = 0.0
        self._faults = counter(
            "hub_market_feed_faults_total", "What of a feed could not be used, by kind", ("kind",)
        )

    def ask(self) -> None:
        """Anew, whatever is known."""
        self._day, self._due_at = None, self._now()

    def answered(self) -> Sequence[Standing]:
        """What has come since the last look, once. To be asked again and again while the stream is there."""
        if self._asked is not None and self._asked.done():
            asked, self._asked = self._asked, None
            return self._read(asked)
        if self._snapshots is not None and self._asked is None and self._is_due():
            self._asked = asyncio.create_task(self._snapshots.read(self._symbols), name="alpaca snapshots")
        return ()

    def close(self) -> None:
        """The connection is over: what was asked on its behalf is of no use."""
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None

    def _is_due(self) -> bool:
        return self._day != self._today() and self._now() >= self._due_at

    def _today(self) -> date:
        return self._clock().astimezone(NEW_YORK).date()

    def _read(self, asked: asyncio.Task[Sequence[bytes]]) -> Sequence[Standing]:
        today = self._today()
        try:
            found = [each for body in asked.result() for each in standings(body, today)]
        except FAILURES as error:
            self._fault(error)
            self._due_at = self._now() + AGAIN_S
            return ()
        self._day = today
        for each in found:
            if isinstance(each, ValueError):
                self._fault(each)
        return [each for each in found if isinstance(each, Standing)]

    def _fault(self, error: Exception) -> None:
        self._faults.labels("snapshot").inc()
        log.warning("feed_snapshot_failed", error=repr(error)[:200])
