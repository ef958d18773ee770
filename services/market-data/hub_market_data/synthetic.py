"""The random feed, for load tests: as many symbols and as many ticks a second as are wanted.

What it plays is a pure function of its seed; only when it plays it depends on the clock.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final

from hub_market_data.domain.ticks import Tick
from hub_runtime import Clock

BEAT_S: Final = 0.02
MOST_SYMBOLS: Final = 10_000
# Whoever is later than this does not run after the ticks that were lost.
LATE_S: Final = 1.0
_CENT: Final = Decimal("0.01")
_LOWEST: Final = 1_000  # cents
_HIGHEST: Final = 50_000


def random_symbols(count: int) -> Sequence[str]:
    return [f"R{number:05d}" for number in range(count)]


class Random:
    """It has no place: every start is a new walk of the same seed."""

    kind = "random"

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        rate: float,
        seed: int,
        clock: Clock,
        market_time: datetime | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not symbols:
            raise ValueError("there are no symbols to play")
        self._rate = rate
        self._clock = clock
        self._now = now
        self._walk = _walk(symbols, seed)
        self._market_time = market_time
        self._ahead = timedelta()
        if market_time is not None:
            self.move_to(market_time)

    def market_time(self) -> datetime | None:
        return self._market_time

    def unheard_s(self) -> float | None:
        return 0.0

    def move_to(self, market_time: datetime) -> None:
        self._ahead = max(self._ahead, market_time - self._clock())

    def place(self) -> str:
        return ""

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        began, played = self._now(), 0
        while True:
            due = int((self._now() - began) * self._rate) - played
            if due > LATE_S * self._rate + 1:
                began, played, due = self._now(), 0, 0
            for group in self.groups(due):
                played += len(group)
                yield group
            if not due:
                self._tick_clock()
                yield ()
            await asyncio.sleep(BEAT_S)

    def groups(self, count: int) -> Iterator[Sequence[Tick]]:
        """The next ticks, no symbol twice in a group."""
        market_time = self._tick_clock()
        group: dict[str, Tick] = {}
        for symbol, cents, spread, size, volume in islice(self._walk, count):
            if symbol in group:
                yield list(group.values())
                group = {}
            group[symbol] = _tick(symbol, cents, spread, size, volume, market_time)
        if group:
            yield list(group.values())

    def _tick_clock(self) -> datetime:
        now = self._clock() + self._ahead
        self._market_time = now if self._market_time is None else max(self._market_time, now)
        return self._market_time


def _walk(symbols: Sequence[str], seed: int) -> Iterator[tuple[str, int, int, int, int]]:
    """Symbol, last price and spread in cents, size and the volume so far."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    prices = [dice.randrange(_LOWEST, _HIGHEST) for _ in symbols]
    volumes = [0] * len(symbols)
    while True:
        number = dice.randrange(len(symbols))
        price = prices[number] + dice.choice((-2, -1, -1, 0, 1, 1, 2))
        prices[number] = min(_HIGHEST, max(_LOWEST, price))
        size = dice.randrange(1, 10) * 100
        volumes[number] += size
        yield symbols[number], prices[number], dice.randrange(1, 4), size, volumes[number]


def _tick(  # noqa: PLR0917 - one step of the walk
    symbol: str, cents: int, spread: int, size: int, volume: int, market_time: datetime
) -> Tick:
    last = cents * _CENT
    return Tick(
        symbol=symbol,
        bid=last - _CENT,
        bid_size=Decimal(size),
        ask=last + spread * _CENT,
        ask_size=Decimal(size),
        last=last,
        open=last,
        high=last,
        low=last,
        previous_close=last,
        volume=Decimal(volume),
        market_time=market_time,
        traded=Decimal(size),
    )
