"""What the price of an instrument did beside a portfolio."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from hub_portfolio.domain.history import Point
from hub_portfolio.domain.mark import percent

# Bars within a day are of five minutes. Before a start there may be a weekend and a holiday without any.
WITHIN_DAY: Final = timedelta(minutes=5)
LOOK_BACK: Final = timedelta(days=5)


@dataclass(frozen=True)
class Bar:
    """A day's begins at midnight UTC."""

    starts_at: datetime
    close: Decimal


def first_needed(start: Point, *, within_day: bool) -> datetime:
    """From when on bars tell what the price was at the start."""
    return _last_start(start, within_day=within_day) - LOOK_BACK


def compare(points: Sequence[Point], bars: Sequence[Bar], *, within_day: bool) -> list[Decimal | None]:
    """For each point the change since the first one, in per cent; None where either price is not known."""
    starts = [bar.starts_at for bar in bars]
    closes = [None, *(bar.close for bar in bars)]
    prices = [closes[bisect_right(starts, _last_start(each, within_day=within_day))] for each in points]
    return [_change(prices[0], price) for price in prices]


def _last_start(point: Point, *, within_day: bool) -> datetime:
    """When the last bar began that is part of what the point is of: within a day one that is over by then, of
    days the point's own."""
    return point.at - WITHIN_DAY if within_day else datetime.combine(point.day, time(), tzinfo=UTC)


def _change(first: Decimal | None, price: Decimal | None) -> Decimal | None:
    return None if first is None or price is None else percent(price - first, first)
