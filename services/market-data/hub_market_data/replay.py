"""The replay feed: plays real daily bars as trading days, from the history's end to its start and back again.

It begins at the end, so that its first price is the last close; at both ends it turns without a jump.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from hub_market_data.domain.bars import Bar
from hub_market_data.domain.ticks import Tick
from hub_market_data.paths import Step, day_path
from hub_runtime import Clock

BEAT_S: Final = 0.25
TRADING_DAY_S: Final = 6.5 * 3600
_PLACE: Final = re.compile(r"(\d{1,9})/(\d\.\d{1,12})")


@dataclass(frozen=True)
class History:
    """What is played for one symbol."""

    tick_size: Decimal
    bars: Sequence[Bar]

    def day(self, number: int) -> Bar:
        """Day 0 is the last bar lived backwards; after the first bar the days go forwards again."""
        count = len(self.bars)
        turn = number % (2 * count)
        return self.bars[count - 1 - turn].mirrored() if turn < count else self.bars[turn - count]


class _Day:
    """One symbol's running day."""

    def __init__(self, *, bar: Bar, previous_close: Decimal, path: Iterator[Step], steps: int) -> None:
        self._bar = bar
        self._previous_close = previous_close
        self._path = path
        self._steps = steps
        self._done = 0
        self._high = self._low = bar.open

    def advance(self) -> Step:
        step = next(self._path)
        self._done += 1
        self._high = max(self._high, step.last)
        self._low = min(self._low, step.last)
        return step

    def tick(self, symbol: str, step: Step, market_time: datetime) -> Tick:
        return Tick(
            symbol=symbol,
            bid=step.bid,
            bid_size=Decimal(step.bid_size),
            ask=step.ask,
            ask_size=Decimal(step.ask_size),
            last=step.last,
            open=self._bar.open,
            high=self._high,
            low=self._low,
            previous_close=self._previous_close,
            volume=Decimal(self._bar.volume * self._done // self._steps),
            market_time=market_time,
        )


class Replay:
    """Its place is `day/part`: how many days were played, and which part of the running one."""

    kind = "replay"

    def __init__(
        self,
        histories: Mapping[str, History],
        *,
        seed: int,
        speed: float,
        clock: Clock,
        place: str = "",
        market_time: datetime | None = None,
    ) -> None:
        self._histories = {symbol: history for symbol, history in histories.items() if history.bars}
        self._seed = seed
        self._steps = round(TRADING_DAY_S / speed / BEAT_S)
        self._clock = clock
        self._market_time = market_time
        self._ahead = timedelta()
        if market_time is not None:
            self.move_to(market_time)
        if not self._histories:
            raise ValueError("there are no bars to play")
        number, part = _parsed(place)
        self._begin(number)
        for _ in range(round(part * self._steps)):
            self._advance()

    def unheard_s(self) -> float | None:
        return 0.0

    def move_to(self, market_time: datetime) -> None:
        """From there on market time runs as fast as wall time, and stays ahead of it."""
        self._ahead = max(self._ahead, market_time - self._clock())

    def market_time(self) -> datetime | None:
        return self._market_time

    def place(self) -> str:
        return f"{self._number}/{self._done / self._steps:.9f}"

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            yield self.beat()
            due = max(due + BEAT_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def beat(self) -> Sequence[Tick]:
        """The next tick of every symbol."""
        if self._done == self._steps:
            self._begin(self._number + 1)
        now = self._clock() + self._ahead
        self._market_time = now if self._market_time is None else max(self._market_time, now)
        steps = self._advance()
        return [self._days[symbol].tick(symbol, step, self._market_time) for symbol, step in steps.items()]

    def _begin(self, number: int) -> None:
        self._number = number
        self._done = 0
        self._days = {
            symbol: self._day(symbol, history, number) for symbol, history in self._histories.items()
        }

    def _day(self, symbol: str, history: History, number: int) -> _Day:
        bar = history.day(number)
        path = day_path(symbol, bar, seed=self._seed, steps=self._steps, tick_size=history.tick_size)
        return _Day(bar=bar, previous_close=history.day(number - 1).close, path=path, steps=self._steps)

    def _advance(self) -> dict[str, Step]:
        self._done += 1
        return {symbol: day.advance() for symbol, day in self._days.items()}


def _parsed(place: str) -> tuple[int, float]:
    found = _PLACE.fullmatch(place)
    return (int(found[1]), min(1.0, float(found[2]))) if found else (0, 0.0)
