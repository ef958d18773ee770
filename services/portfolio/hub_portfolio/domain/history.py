"""What a portfolio was worth, and what came of it: valuations in a row, and the history they make."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from enum import Enum
from typing import Final
from uuid import UUID

from hub_money import money
from hub_portfolio.domain.mark import EXACT_DIGITS, Mark, Split, percent

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
# As it is stored. Nobody earns that much; a booking that comes late may make it look so.
GROWTH_PLACES: Final = Decimal(1).scaleb(-18)
MOST_GROWTH: Final = Decimal(10) ** 18
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Period(Enum):
    """How far back, in days and in months; ALL has no end."""

    DAY = "1D"
    WEEK = "1W"
    MONTH = "1M"
    QUARTER = "3M"
    YEAR = "1A"
    ALL = "ALL"

    def start(self, today: date) -> date:
        """The last day before it. What a day is, its session says: DAY is not answered here."""
        if self is Period.ALL:
            return date.min
        if self is Period.WEEK:
            return today - timedelta(days=7)
        return _months_before(today, {"1M": 1, "3M": 3, "1A": 12}[self.value])


@dataclass(frozen=True)
class Owned:
    """Shares, and what they cost."""

    symbol: str
    quantity: Decimal
    total_cost: Decimal
    split: Split | None = None


@dataclass(frozen=True)
class OpenBooks:
    """Cash, what was paid in less what was paid out, and what is owned, all as of one moment."""

    account_id: UUID
    cash: Decimal
    paid_in: Decimal
    version: int
    opened_at: datetime
    positions: Sequence[Owned]

    def equity(self, marks: Mapping[str, Mark]) -> Decimal:
        """What has no price counts at its cost: left out, it would look like a loss."""
        with localcontext(prec=EXACT_DIGITS):
            return self.cash + sum((_worth(each, marks.get(each.symbol)) for each in self.positions), ZERO)


@dataclass(frozen=True)
class Point:
    """A valuation. `growth` is what one unit of money became since the account was opened."""

    at: datetime
    day: date
    equity: Decimal
    cash: Decimal
    paid_in: Decimal
    growth: Decimal

    def same_amounts(self, other: Point) -> bool:
        return (self.equity, self.cash, self.paid_in) == (other.equity, other.cash, other.paid_in)


OPENING: Final = Point(EPOCH, date.min, ZERO, ZERO, ZERO, ONE)
"""Before anything was paid in."""


def valued(
    books: OpenBooks, marks: Mapping[str, Mark], *, before: Point | None, at: datetime, day: date
) -> Point:
    """The valuation that comes after another one, or is the first."""
    equity, last = books.equity(marks), before or OPENING
    return Point(at, day, equity, books.cash, books.paid_in, _grown(last, equity, books.paid_in))


def _grown(last: Point, equity: Decimal, paid_in: Decimal) -> Decimal:
    """Of what moved between two valuations, what came in counts from the earlier one on and what went out
    until the later one: so neither is a return, and no part of it divides by less than there was."""
    flow = paid_in - last.paid_in
    at_work, became = last.equity + max(flow, ZERO), equity + max(-flow, ZERO)
    if at_work <= 0:
        return last.growth
    with localcontext(prec=EXACT_DIGITS):
        grown = last.growth * max(became, ZERO) / at_work
        return min(grown, MOST_GROWTH).quantize(GROWTH_PLACES)


@dataclass(frozen=True)
class Followed:
    """An account that is to be valued, and its last valuation."""

    account_id: UUID
    valued_at: datetime
    last: Point | None


@dataclass(frozen=True)
class Valuation:
    """What is written of an account at once."""

    followed: Followed
    point: Point
    version: int
    holds: bool
    opened_on: date

    @property
    def is_point(self) -> bool:
        last = self.followed.last
        return last is None or not self.point.same_amounts(last)

    @property
    def is_close(self) -> bool:
        last = self.followed.last
        return self.is_point or last is None or last.day != self.point.day


@dataclass(frozen=True)
class Recorded:
    """What there is of a period: the last valuation before it, if any, and those in it, oldest first.
    `opened_on` and `start` are days of the market's clock; the period begins after `start`."""

    opened_on: date
    start: date
    before: Point | None
    points: Sequence[Point]


@dataclass(frozen=True)
class Told:
    """A valuation, and what came of the period so far."""

    point: Point
    net_flow: Decimal
    profit_loss: Decimal
    return_percent: Decimal | None


def history(found: Recorded) -> list[Told]:
    """Everything since the start: the last valuation before the period; else the opening of the account, or,
    where that was earlier, the first valuation there is: what was before it, nobody knows."""
    points = [*([found.before] if found.before else []), *found.points]
    if found.before is None and found.opened_on > found.start:
        return [_told(OPENING, point) for point in points]
    return [_told(points[0], point) for point in points]


def _told(start: Point, point: Point) -> Told:
    net_flow = point.paid_in - start.paid_in
    return Told(
        point=point,
        net_flow=net_flow,
        profit_loss=point.equity - start.equity - net_flow,
        return_percent=percent(point.growth - start.growth, start.growth),
    )


def opened_on(opened_at: datetime, *, at: datetime, now: datetime) -> date:
    """By the market's clock, which may not be the wall's: the account is as old by either."""
    return (at - max(now - opened_at, timedelta(0))).date()


def step_of(at: datetime, every: timedelta) -> datetime:
    """The last step of the market's clock."""
    return at - (at - EPOCH) % every


def _worth(owned: Owned, mark: Mark | None) -> Decimal:
    price = None if mark is None else mark.in_shares_of(owned.split).price
    return owned.total_cost if price is None else money(owned.quantity * price)


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
