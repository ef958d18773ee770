"""Ticks into the running minute and day of each symbol. No input or output.

What has changed waits here until it was saved. A save that failed, or of which nobody knows whether it did,
is simply done again, because bars are saved as they are and not as differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Final

from hub_market_data.domain.bars import Bar, Timeframe, midnight
from hub_market_data.domain.ticks import Tick

# While the database is away the oldest minutes beyond this are given up.
MOST_UNSAVED: Final = 20_000
MOST_AT_ONCE: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Running:
    """One symbol's growing bars, and what the feed had counted as the day's volume when they grew last."""

    minute: Bar
    day: Bar
    counted: Decimal

    def then(self, tick: Tick, day: date) -> Running:
        """With a later tick, which belongs to that trading day; no bar is ever gone back to."""
        volume = self._grown(tick.volume, day) if tick.traded is None else tick.traded
        minute_starts = Timeframe.MINUTE.start(tick.market_time)
        if minute_starts > self.minute.starts_at:
            minute = _begun(tick, day, volume)
        else:
            minute = self.minute.traded(tick.last, volume)
        if day > self.day.day:
            whole_day = replace(_begun(tick, day, volume), starts_at=midnight(day))
        else:
            whole_day = self.day.traded(tick.last, volume)
        return Running(minute=minute, day=whole_day, counted=tick.volume)

    def _grown(self, counted: Decimal, day: date) -> Decimal:
        """A count that has fallen has begun anew. How much of a greater one is of a new day nobody knows."""
        if counted < self.counted:
            return counted
        return counted - self.counted if day == self.day.day else Decimal()


def first(tick: Tick, day: date) -> Running:
    """What was traded before is not known."""
    minute = _begun(tick, day, tick.traded or Decimal())
    return Running(minute=minute, day=replace(minute, starts_at=midnight(day)), counted=tick.volume)


def _begun(tick: Tick, day: date, volume: Decimal) -> Bar:
    return Bar(
        starts_at=Timeframe.MINUTE.start(tick.market_time),
        day=day,
        open=tick.last,
        high=tick.last,
        low=tick.last,
        close=tick.last,
        volume=volume,
    )


@dataclass(frozen=True, kw_only=True)
class Unsaved:
    """Bars by symbol; a symbol may have several."""

    minutes: tuple[tuple[str, Bar], ...]
    days: tuple[tuple[str, Bar], ...]


class Roller:
    """Goes on from the bars that were saved last."""

    def __init__(self, running: Mapping[str, Running]) -> None:
        self._running = dict(running)
        self._minutes: dict[tuple[str, object], Bar] = {}
        self._days: dict[tuple[str, object], Bar] = {}

    def take(self, tick: Tick, day: date) -> None:
        """A bar is of trades: what only moves the market around the last one is not in it."""
        if tick.traded == 0:
            return
        before = self._running.get(tick.symbol)
        now = before.then(tick, day) if before else first(tick, day)
        self._running[tick.symbol] = now
        self._minutes[tick.symbol, now.minute.starts_at] = now.minute
        self._days[tick.symbol, now.day.day] = now.day
        while len(self._minutes) > MOST_UNSAVED:
            del self._minutes[next(iter(self._minutes))]

    def unsaved(self) -> Unsaved:
        """The oldest, as many as are saved at once."""
        minutes = islice(self._minutes.items(), MOST_AT_ONCE)
        return Unsaved(
            minutes=tuple((symbol, bar) for (symbol, _), bar in minutes),
            days=tuple((symbol, bar) for (symbol, _), bar in self._days.items()),
        )

    def saved(self, bars: Unsaved) -> None:
        """Those that have not grown since need not be saved again."""
        for symbol, bar in bars.minutes:
            if self._minutes.get((symbol, bar.starts_at)) is bar:
                del self._minutes[symbol, bar.starts_at]
        for symbol, bar in bars.days:
            if self._days.get((symbol, bar.day)) is bar:
                del self._days[symbol, bar.day]
