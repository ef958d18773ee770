"""How long each instrument was traded, in wall time, as this process has seen it. Pure.

The age of an order counts only what is known here: nights, weekends, halts and time that the market's clock
skips do not make an order older.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

# What is forgotten is not counted: an order gets more time then, never less.
MOST_STRETCHES = 16
NOTHING = timedelta(0)


@dataclass(slots=True)
class _Stretch:
    begins: datetime
    ends: datetime | None = None


class TradingTimes:
    def __init__(self) -> None:
        self._stretches: dict[str, deque[_Stretch]] = {}
        self._looked: dict[str, datetime] = {}

    def see(self, symbol: str, *, open_for: timedelta | None, now: datetime) -> None:
        """To be told again and again. `open_for`: since when the session runs; None while nothing trades."""
        known = self._stretches.setdefault(symbol, deque(maxlen=MOST_STRETCHES))
        looked = self._looked.get(symbol)
        self._looked[symbol] = now
        running = known[-1] if known and known[-1].ends is None else None
        if open_for is None:
            if running is not None:
                running.ends = looked
        elif running is None:
            began = now - open_for
            # A halt that ended, or a clock that was moved, begins a stretch in the middle of a session.
            known.append(_Stretch(began if looked is None else max(began, looked)))

    def traded(self, symbol: str, *, since: datetime, now: datetime) -> timedelta:
        """For how long since then."""
        stretches = self._backwards(symbol, now)
        return sum((max(ends - max(begins, since), NOTHING) for begins, ends in stretches), NOTHING)

    def before(self, symbol: str, *, age: timedelta, now: datetime) -> datetime | None:
        """What is older than this has seen more than `age` of trading; None: nothing is."""
        left = age
        for begins, ends in self._backwards(symbol, now):
            if ends - begins > left:
                return ends - left
            left -= ends - begins
        return None

    def _backwards(self, symbol: str, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        for stretch in reversed(self._stretches.get(symbol, ())):
            yield stretch.begins, now if stretch.ends is None else stretch.ends
