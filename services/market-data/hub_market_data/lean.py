"""The lean feed: plays a folder in LEAN's layout, with the market time of its files.

It is as fast as it is told to be, or as it can. Within a day it waits for each event; a night is a second
long, however many days have no file. At the end of the files it stays where it is.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final

from hub_market_data.domain.tape import Tape, new_york_midnight
from hub_market_data.domain.ticks import Tick
from hub_market_data.lean_files import Event, LeanFolder, Trade
from hub_runtime import get_logger

BEAT_S: Final = 0.25
NIGHT_S: Final = 1.0
# Closer together than this, events are not waited for one by one.
GRAIN_S: Final = 0.004
# Whoever is later than this does not run after the time that was lost.
LATE_S: Final = 1.0
EVENTS_AT_ONCE: Final = 2000
_PLACE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{1,12})/(\d{1,10})")

log = get_logger("lean")


class Lean:
    """Its place is `day/count/mark`: how many events of which day were played, and of which files. Raises
    ValueError where the folder has nothing to play that is later than the market's clock."""

    kind = "lean"

    def __init__(
        self,
        folder: LeanFolder,
        *,
        symbols: Collection[str],
        speed: float,
        start: datetime | None = None,
        place: str = "",
        market_time: datetime | None = None,
        night_s: float = NIGHT_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._speed = speed
        self._night_s = night_s
        self._now = now
        self.ended = False
        self._rested_at = now()
        self._skipped = 0
        self._anchor: tuple[datetime, float] | None = None
        self._tapes = {symbol: Tape(symbol) for symbol in folder.symbols if symbol in symbols}
        if left_out := [symbol for symbol in folder.symbols if symbol not in symbols]:
            log.warning("lean_symbols_unknown", symbols=left_out[:100], count=len(left_out))
        self._day, self._played, self._mark = _parsed(place) or (date.min, 0, 0)
        self._days = [day for day in folder.days if day >= self._day]
        self._from = max(filter(None, (start, market_time)), default=midnight(folder.days[0]))
        self._time = market_time or self._from
        self._begin_with(start, place, market_time)

    def _begin_with(self, start: datetime | None, place: str, market_time: datetime | None) -> None:
        first, last = midnight(self._folder.days[0]), midnight(self._folder.days[-1]) + timedelta(days=1)
        wanted = start or first
        if start is not None and start >= last:
            raise ValueError(f"the start {start.isoformat()} lies behind the last day of the files")
        if not place and market_time is not None and wanted < market_time:
            raise ValueError(
                f"the market's clock of this database stands at {market_time.isoformat()} and never goes "
                f"back, but the files are to be played from {wanted.isoformat()}: another database is needed"
            )
        # Whole days before it need not be read.
        self._days = [day for day in self._days if midnight(day) + timedelta(days=1) > self._from]
        if not self._days and self._day not in self._folder.days:
            raise ValueError(f"no file is later than the market's clock, {self._time.isoformat()}")

    def market_time(self) -> datetime | None:
        return self._time

    def place(self) -> str:
        return f"{self._day.isoformat()}/{self._played}/{self._mark}" if self._day > date.min else ""

    def unheard_s(self) -> float | None:
        """At the end of the files prices are those of a market that nobody follows any more."""
        return None if self.ended else 0.0

    def move_to(self, market_time: datetime) -> None:
        """What lies between is not shown."""
        if market_time > self._time:
            self._from = self._time = market_time
            self._anchor = (market_time, self._now())

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        for day in self._days:
            begins = midnight(day)
            async for count, event in self._events(day):
                at = begins + timedelta(microseconds=event.us)
                tick = self._seen(event, at)
                while not self._is_past(count, at) and await self._wait(at):
                    yield ()
                past = self._is_past(count, at)
                # Just before the tick is told, so that the place is that of what its reader has seen.
                self._played = max(self._played, count)
                if not past and tick is not None:
                    self._time = max(self._time, at)
                    yield (tick,)
            self._anchor = None
        self.ended = True
        log.info(
            "feed_at_its_end",
            highlight=True,
            text=f"the files end at {self._time.isoformat()}: the last prices stay",
            market_time=self._time.isoformat(),
        )
        while True:
            await asyncio.sleep(BEAT_S)
            yield ()

    async def _events(self, day: date) -> AsyncIterator[tuple[int, Event]]:
        """With their numbers; read in a thread, some at a time."""
        events = self._folder.events(day, self._tapes)
        mark = self._folder.mark(day, self._tapes)
        # Of other files only the market's clock tells what has been.
        self._skipped = self._played if (day, mark) == (self._day, self._mark) else 0
        self._day, self._played, self._mark = day, self._skipped, mark
        numbered = enumerate(events, start=1)
        while batch := await asyncio.to_thread(lambda: list(islice(numbered, EVENTS_AT_ONCE))):
            for each in batch:
                yield each

    def _is_past(self, count: int, at: datetime) -> bool:
        """Whether it was played before, or lies before the time from which on things are shown."""
        return count <= self._skipped or at < self._from

    def _seen(self, event: Event, at: datetime) -> Tick | None:
        tape = self._tapes[event.symbol]
        if isinstance(event, Trade):
            return tape.trade(event.price, event.size, at)
        changed = tape.quote(event.bid, event.bid_size, event.ask, event.ask_size)
        return tape.shown(at) if changed else None

    async def _wait(self, at: datetime) -> bool:
        """Waits for it a while. Whether there is something to tell meanwhile, if only what time it is."""
        now = self._now()
        if self._anchor is None:
            self._anchor = (at, now + self._night_s)
            self._time = max(self._time, at)
            return True
        anchored_at, anchor = self._anchor
        left = (at - anchored_at).total_seconds() / self._speed - (now - anchor)
        if left < -LATE_S:
            self._anchor = (at, now)
        if left > GRAIN_S:
            await self._rest(min(left, BEAT_S))
            passed = timedelta(seconds=max(0.0, self._now() - anchor) * self._speed)
            self._time = max(self._time, min(at, anchored_at + passed))
            return left > BEAT_S
        if now - self._rested_at > GRAIN_S:
            await self._rest(0)
        return False

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._rested_at = self._now()


def midnight(day: date) -> datetime:
    """In New York, where the times of the files are."""
    return new_york_midnight(datetime(day.year, day.month, day.day, 17, tzinfo=UTC))


def _parsed(place: str) -> tuple[date, int, int] | None:
    found = _PLACE.fullmatch(place)
    return (date.fromisoformat(found[1]), int(found[2]), int(found[3])) if found else None
