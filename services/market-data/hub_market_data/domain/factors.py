"""Splits and dividends out of factors: a row's hold up to its day, the next row's from the next trading day
on. Pure.

A price of before is multiplied by both factors to be one of today's. Files round them to seven places, so
what made them is found as the simplest number that fits: a split of small whole numbers, a dividend of whole
cents.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise
from typing import Final

from hub_market_data.domain.actions import ActionType, CorporateAction
from hub_money import money

_WIDE: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
_ROUNDED: Final = Decimal("0.00000005")
_MOST_OLD_SHARES: Final = 100
_FEWEST_PLACES, _MOST_PLACES = 2, 6


@dataclass(frozen=True, kw_only=True)
class Factors:
    """`close` is the price of the row's day as it was traded, where the row says it."""

    day: date
    price: Decimal
    split: Decimal
    close: Decimal | None


def actions_of(
    symbol: str, rows: Sequence[Factors], trading_days: Sequence[date], *, currency: str
) -> Iterator[CorporateAction]:
    """In the order of their days, a split before the dividend of its day, which is one for the new shares.
    Raises ValueError for rows that are not in order or cannot be of a dividend."""
    for before, after in pairwise(rows):
        if before.day >= after.day:
            raise ValueError(f"{after.day} comes after {before.day}")
        ex_date, ratio = _next(trading_days, before.day), Decimal(1)
        if before.split != after.split:
            ratio = _ratio(before.split, after.split)
        if ratio != 1:
            yield CorporateAction(symbol=symbol, ex_date=ex_date, type=ActionType.SPLIT, ratio=ratio)
        if before.price != after.price:
            amount = _amount(before, after, ratio)
            yield CorporateAction(
                symbol=symbol, ex_date=ex_date, type=ActionType.DIVIDEND, amount=amount, currency=currency
            )


def _next(trading_days: Sequence[date], day: date) -> date:
    """Beyond what is known of them every weekday is one."""
    place = bisect_right(trading_days, day)
    if 0 < place < len(trading_days):
        return trading_days[place]
    following = day + timedelta(days=1)
    while following.isoweekday() > 5:
        following += timedelta(days=1)
    return following


def _ratio(before: Decimal, after: Decimal) -> Decimal:
    """New shares for each old one."""
    found = _WIDE.divide(after, before)
    fault = found * _ROUNDED * (_WIDE.divide(1, before) + _WIDE.divide(1, after))
    for old in range(1, _MOST_OLD_SHARES + 1):
        new = (found * old).to_integral_value(ROUND_HALF_EVEN)
        simple = _WIDE.divide(new, old)
        if new and abs(simple - found) <= fault:
            return money(simple)
    return money(found)


def _amount(before: Factors, after: Factors, ratio: Decimal) -> Decimal:
    if before.close is None or before.close <= 0:
        raise ValueError(f"the row of {before.day} has no closing price, which its dividend is computed from")
    if before.price > after.price:
        raise ValueError(f"the price factor of {before.day} is above the next one")
    old_shares = before.close * (1 - _WIDE.divide(before.price, after.price))
    found = _WIDE.divide(old_shares, ratio)
    fault = _WIDE.divide(2 * _ROUNDED * before.close, after.price * ratio)
    for places in range(_FEWEST_PLACES, _MOST_PLACES + 1):
        simple = round(found, places)
        if simple and abs(simple - found) <= fault:
            return simple
    return money(found)
