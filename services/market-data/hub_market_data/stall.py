"""Whether a feed that should have prices has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from hub_market_data.board import Board
from hub_runtime import gauge, get_logger

LOOK_S: Final = 1.0

log = get_logger("feed")


class Stall:
    """Of the feed that is active here, by wall time. While every market is closed none is expected."""

    def __init__(self, board: Board, limit_s: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._limit_s = limit_s
        self._now = now
        self._expected_since = now()
        self._stalled = False
        self._gauge = gauge(
            "hub_market_feed_stalled",
            "1 while the feed here had no price for too long in an open session",
        )

    @property
    def stalled(self) -> bool:
        """As of the last look."""
        return self._stalled

    def ticked(self) -> None:
        self._expected_since = self._now()

    async def watch(self) -> None:
        self._expected_since = self._now()
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._gauge.set(0)

    def look(self) -> bool:
        if not self._is_open():
            self._expected_since = self._now()
        silent_s = self._now() - self._expected_since
        stalled = silent_s > self._limit_s
        if stalled and not self._stalled:
            text = f"the feed has had no price for {silent_s:.0f} s while the market is open"
            log.error("feed_stalled", silent_s=round(silent_s), highlight=True, text=text)
        elif self._stalled and not stalled:
            log.info("feed_goes_on", highlight=True, text="the feed is no longer stalled")
        self._stalled = stalled
        self._gauge.set(stalled)
        return stalled

    def _is_open(self) -> bool:
        at = self._board.market_time
        calendars = {each.calendar for each in self._board.instruments.values() if not each.halted}
        return at is not None and any(self._board.session(calendar, at) is not None for calendar in calendars)
