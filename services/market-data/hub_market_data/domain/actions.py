"""Splits and dividends, and prices adjusted for them.

An adjusted series is what one share would have become: a split makes it more shares, and each dividend buys
more of them at the close of the ex-date. Prices before an action are multiplied by its factor.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from typing import Final
from uuid import UUID, uuid5

from hub_market_data.domain.bars import Bar
from hub_money import money

# A product of hundreds of factors is still exact to far more than is stored.
_WIDE: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
_ONE: Final = Decimal(1)
_NAMESPACE: Final = UUID("0f3c5e58-8f0e-5f4e-9d5e-6f6a1d1f7c21")


class ActionType(Enum):
    SPLIT = "SPLIT"
    DIVIDEND = "DIVIDEND"


class Adjustment(Enum):
    RAW = "raw"
    SPLIT = "split"
    DIVIDEND = "dividend"
    ALL = "all"

    def counts(self, action: ActionType) -> bool:
        return self is Adjustment.ALL or self.value == action.value.lower()


@dataclass(frozen=True, kw_only=True)
class CorporateAction:
    """A split has a ratio, new shares for each old one; a dividend an amount for each share of the ex-date,
    the first trading day without it."""

    symbol: str
    ex_date: date
    type: ActionType
    ratio: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    added: bool = False
    """By an administrator: what is not was before anybody held anything."""
    effective_at: datetime | None = None
    applied_at: datetime | None = None

    @property
    def key(self) -> tuple[str, date, ActionType]:
        """There is one of a type and day."""
        return self.symbol, self.ex_date, self.type

    @property
    def terms(self) -> tuple[Decimal | None, Decimal | None, str | None]:
        return self.ratio, self.amount, self.currency

    @property
    def action_id(self) -> UUID:
        return uuid5(_NAMESPACE, f"{self.symbol}/{self.ex_date.isoformat()}/{self.type.value}")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An action that has happened: `close` is that of the first day without it."""

    action: CorporateAction
    close: Decimal

    @property
    def shares(self) -> Decimal:
        """What a share became: that many."""
        return self.action.ratio or _ONE

    @property
    def factor(self) -> Decimal:
        """For the prices before."""
        if self.action.amount is not None:
            return _WIDE.divide(self.close, _WIDE.add(self.close, self.action.amount))
        return _WIDE.divide(_ONE, self.shares)


class Adjuster:
    """Adjusts bars for the actions that came after them."""

    def __init__(self, effects: Iterable[Effect], adjustment: Adjustment) -> None:
        counted = [effect for effect in effects if adjustment.counts(effect.action.type)]
        counted.sort(key=lambda effect: effect.action.ex_date)
        self._ex_dates = [effect.action.ex_date for effect in counted]
        self._factors = _products([effect.factor for effect in counted])
        self._shares = _products([effect.shares for effect in counted])

    def factor(self, day: date) -> Decimal:
        """For the prices of that trading day."""
        return self._factors[bisect_right(self._ex_dates, day)]

    def adjusted(self, bar: Bar) -> Bar:
        place = bisect_right(self._ex_dates, bar.day)
        if place == len(self._ex_dates):
            return bar
        factor = self._factors[place]
        return replace(
            bar,
            open=_scaled(bar.open, factor),
            high=_scaled(bar.high, factor),
            low=_scaled(bar.low, factor),
            close=_scaled(bar.close, factor),
            volume=_scaled(bar.volume, self._shares[place]),
        )


def _products(numbers: Sequence[Decimal]) -> Sequence[Decimal]:
    """At each place, of the number there and all behind it; at the end, of none."""
    found = [_ONE]
    for number in reversed(numbers):
        found.append(_WIDE.multiply(found[-1], number))
    return found[::-1]


def _scaled(number: Decimal, factor: Decimal) -> Decimal:
    return money(_WIDE.multiply(number, factor))
