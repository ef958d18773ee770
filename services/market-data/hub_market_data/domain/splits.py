"""Splits that an administrator has added: what they keep from being quoted, and prices in new shares.

From the opening of its ex-date on no price of the instrument is taken before the split was applied to
everybody; until there is one of new shares the instrument is halted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from hub_market_data.domain.calendars import Calendar, Hours, Session, extended
from hub_market_data.domain.ticks import Tick
from hub_money import money

HALT_REASON: Final = "corporate_action"
# Feeds whose prices know nothing of splits that were added: all of them are divided.
OWN_PRICES: Final = frozenset({"replay", "random"})
_WIDE: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, kw_only=True)
class Split:
    """`effective_at` is None as long as the trading day is too far away to be known."""

    symbol: str
    ratio: Decimal
    effective_at: datetime | None
    applied: bool

    def is_effective(self, at: datetime) -> bool:
        return self.effective_at is not None and self.effective_at <= at


class Splits:
    def __init__(self, splits: Iterable[Split] = ()) -> None:
        self._of: dict[str, list[Split]] = {}
        for split in splits:
            self._of.setdefault(split.symbol, []).append(split)

    def holds_back(self, symbol: str, at: datetime) -> bool:
        """Whether a price of that moment has to wait: it may be for shares that nobody has yet."""
        return any(not split.applied and split.is_effective(at) for split in self._of.get(symbol, ()))

    def halts(self, symbol: str, now: datetime, quoted_at: datetime | None) -> bool:
        """Whether nobody may trade; `quoted_at` is the time of the last price."""
        return any(
            not split.applied or quoted_at is None or not split.is_effective(quoted_at)
            for split in self._of.get(symbol, ())
            if split.is_effective(now)
        )

    def coming(self) -> list[datetime]:
        """When those take effect that are not applied."""
        return [
            split.effective_at
            for splits in self._of.values()
            for split in splits
            if not split.applied and split.effective_at is not None
        ]

    def restated(self, tick: Tick, kind: str, *, tick_size: Decimal, timezone: str) -> Tick:
        """In the shares of its moment. Who has real prices has them so, but for the close of the day before
        the ex-date."""
        past = [split for split in self._of.get(tick.symbol, ()) if split.is_effective(tick.market_time)]
        if not past:
            return tick
        if kind in OWN_PRICES:
            return _divided(tick, _product(past), tick_size)
        zone = ZoneInfo(timezone)
        today = [split for split in past if _day(split.effective_at, zone) == _day(tick.market_time, zone)]
        if not today:
            return tick
        close = money(_WIDE.divide(tick.previous_close, _product(today)))
        return replace(tick, previous_close=close)


def begins_at(
    calendar: Calendar, day: date, sessions: Collection[Session], hours: Hours | None
) -> datetime | None:
    """When the trading day begins, extended hours included, or the next one where that day has no session;
    None where none of the sessions is so late."""
    if calendar.always_open:
        return datetime.combine(day, time(), tzinfo=UTC)
    own = [each for each in sessions if each.calendar == calendar.calendar and each.day >= day]
    first = min((each.day for each in own), default=None)
    of_day = [each for each in own if each.day == first]
    around: Sequence[Session] = extended(of_day, [calendar], hours)
    return min((each.opens_at for each in [*of_day, *around]), default=None)


def _day(moment: datetime | None, zone: ZoneInfo) -> date | None:
    return None if moment is None else moment.astimezone(zone).date()


def _product(splits: Iterable[Split]) -> Decimal:
    ratio = Decimal(1)
    for split in splits:
        ratio = _WIDE.multiply(ratio, split.ratio)
    return ratio


def _divided(tick: Tick, ratio: Decimal, tick_size: Decimal) -> Tick:
    """All prices, in whole ticks; volume and sizes stay."""

    def price(old: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
        ticks = _WIDE.divide(_WIDE.divide(old, ratio), tick_size).to_integral_value(rounding)
        return max(ticks, Decimal(1)) * tick_size

    return replace(
        tick,
        bid=price(tick.bid, ROUND_FLOOR),
        ask=price(tick.ask, ROUND_CEILING),
        last=price(tick.last),
        open=price(tick.open),
        high=price(tick.high),
        low=price(tick.low),
        previous_close=price(tick.previous_close),
    )
