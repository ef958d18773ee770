"""Open, high, low and close of stretches of time, and how longer ones are made of shorter ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from itertools import groupby
from typing import Final

from hub_errors import Invalid

# What is asked about other times is asked about these: arithmetic with them cannot overflow.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2900, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """`day` is the trading day it belongs to, of a longer one the first. A day and longer starts at midnight
    UTC."""

    starts_at: datetime
    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def mirrored(self) -> Bar:
        """The same time lived backwards."""
        return replace(self, open=self.close, close=self.open)

    def on_grid(self, tick_size: Decimal) -> Bar:
        """With prices that are whole ticks; the nearest, half to even."""
        return replace(
            self,
            open=_nearest(self.open, tick_size),
            high=_nearest(self.high, tick_size),
            low=_nearest(self.low, tick_size),
            close=_nearest(self.close, tick_size),
        )

    def traded(self, price: Decimal, volume: Decimal) -> Bar:
        """A trade later."""
        return replace(
            self,
            high=max(self.high, price),
            low=min(self.low, price),
            close=price,
            volume=self.volume + volume,
        )


class Timeframe(Enum):
    """`minutes`: how many minute bars make one; 0 for those made of days."""

    MINUTE = "1Min", 1, 1
    FIVE_MINUTES = "5Min", 5, 5
    QUARTER_HOUR = "15Min", 15, 15
    HALF_HOUR = "30Min", 30, 30
    HOUR = "1Hour", 60, 60
    DAY = "1Day", 0, 1
    WEEK = "1Week", 0, 7
    MONTH = "1Month", 0, 31

    minutes: int
    most_rows: int  # minute bars, or day bars, that make one at most

    def __new__(cls, word: str, minutes: int, most_rows: int) -> Timeframe:
        made = object.__new__(cls)
        made._value_ = word
        made.minutes, made.most_rows = minutes, most_rows
        return made

    def start(self, moment: datetime) -> datetime:
        """Of the bar to which the moment, in UTC, belongs."""
        if self.minutes:
            return moment.replace(
                minute=moment.minute - moment.minute % self.minutes, second=0, microsecond=0
            )
        day = moment.date()
        if self is Timeframe.WEEK:
            day -= (day.isoweekday() - 1) * _DAY
        elif self is Timeframe.MONTH:
            day = day.replace(day=1)
        return midnight(day)

    def end(self, start: datetime) -> datetime:
        """Of the bar that starts then, exclusive."""
        if self is Timeframe.MONTH:
            return self.start(start + 31 * _DAY)
        return start + self.most_rows * (_MINUTE if self.minutes else _DAY)

    def first_start(self, moment: datetime) -> datetime:
        """Of the first bar that does not start before the moment."""
        start = self.start(moment)
        return start if start == moment else self.end(start)


def fold(bars: Iterable[Bar], timeframe: Timeframe) -> Sequence[Bar]:
    """Bars of a longer timeframe from shorter ones in time order. It may be done in several steps, or in
    parts: fold(fold(a) + b) is fold(a + b)."""
    return [
        _joined(list(own), start)
        for start, own in groupby(bars, key=lambda bar: timeframe.start(bar.starts_at))
    ]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def bar_range(
    start: datetime | None, end: datetime | None, timeframe: Timeframe
) -> tuple[datetime, datetime]:
    """From when, and until before when, the shorter bars lie of all bars that start in the range."""
    if start is not None and end is not None and end < start:
        raise Invalid("The range ends before it starts.", code="inverted_range", field="end")
    first, last = (min(LATEST, max(EARLIEST, each)) for each in (start or EARLIEST, end or LATEST))
    return timeframe.first_start(first), timeframe.first_start(last)


def _joined(bars: Sequence[Bar], start: datetime) -> Bar:
    return Bar(
        starts_at=start,
        day=bars[0].day,
        open=bars[0].open,
        high=max([bar.high for bar in bars]),
        low=min([bar.low for bar in bars]),
        close=bars[-1].close,
        volume=sum([bar.volume for bar in bars], Decimal()),
    )


def _nearest(price: Decimal, tick_size: Decimal) -> Decimal:
    return (price / tick_size).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * tick_size
