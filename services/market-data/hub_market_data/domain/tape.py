"""One symbol's trades and quotes, as they are told one by one, made into ticks. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from hub_market_data.domain.ticks import Tick

NEW_YORK: Final = ZoneInfo("America/New_York")
OPENS_AFTER: Final = timedelta(hours=9, minutes=30)
CLOSES_AFTER: Final = timedelta(hours=16)
_NOTHING: Final = Decimal()


def new_york_midnight(moment: datetime) -> datetime:
    """Of the day that New York has then, in UTC. Clocks are changed while nobody trades: hours since midnight
    are counted as they show."""
    noon = moment.astimezone(NEW_YORK).replace(hour=12, minute=0, second=0, microsecond=0)
    return noon.astimezone(UTC) - timedelta(hours=12)


class Tape:
    """A trade sets the last price, a quote the market around it. A side that a quote does not say stays.

    A market whose bid is above its ask, as happens when two exchanges are told one after the other, is not
    shown: the one before it stays until it is in order again. Before there is a first one, the last price
    stands on both sides, with nothing to trade.

    Open, high and low are those of the regular hours; before these have begun, of what was traded so far.
    """

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._bid = self._ask = self._last = self._open = self._previous_close = self._close = _NOTHING
        self._high = self._low = self._volume = self._bid_size = self._ask_size = _NOTHING
        self._market: tuple[Decimal, Decimal, Decimal, Decimal] | None = None
        self._opens_at = self._closes_at = self._ends_at = datetime.min.replace(tzinfo=UTC)
        self._in_hours = False

    def trade(self, price: Decimal, size: Decimal, at: datetime) -> Tick:
        if at >= self._ends_at:
            self._begin_day(at)
        if not self._open or (not self._in_hours and self._opens_at <= at < self._closes_at):
            self._in_hours = at >= self._opens_at
            self._open = self._high = self._low = price
        elif at < self._closes_at:
            self._high, self._low = max(self._high, price), min(self._low, price)
        if at < self._closes_at or not self._close:
            self._close = price
        self._last = price
        self._volume += size
        return self._tick(at, size)

    def quote(self, bid: Decimal, bid_size: Decimal, ask: Decimal, ask_size: Decimal) -> bool:
        """A price of 0: that side is not said. Whether there is something new to show."""
        if bid:
            self._bid, self._bid_size = bid, bid_size
        if ask:
            self._ask, self._ask_size = ask, ask_size
        if not self._bid or not self._ask or self._bid > self._ask:
            return False
        self._market = self._bid, self._bid_size, self._ask, self._ask_size
        return bool(self._last)

    def shown(self, at: datetime) -> Tick:
        """The last price with the market around it as it is now; to be asked after a trade only."""
        if at >= self._ends_at:
            self._begin_day(at)
        return self._tick(at, _NOTHING)

    def day_before(self, close: Decimal, at: datetime) -> None:
        """How the trading day before the one of that moment ended, from somebody who has seen it."""
        if at >= self._ends_at:
            self._begin_day(at)
        self._previous_close = close

    def last_was(self, price: Decimal) -> None:
        """What was last traded, without anything being traded now."""
        self._last = price

    def day_is(self, opened: Decimal, high: Decimal, low: Decimal, volume: Decimal) -> None:
        """What somebody who has seen the whole day says of it."""
        self._open, self._high, self._low, self._volume = opened, high, low, volume
        self._in_hours = True

    def _begin_day(self, at: datetime) -> None:
        midnight = new_york_midnight(at)
        self._ends_at = midnight + timedelta(days=1)
        self._opens_at, self._closes_at = midnight + OPENS_AFTER, midnight + CLOSES_AFTER
        self._previous_close = self._close
        self._open = self._high = self._low = self._volume = self._close = _NOTHING
        self._in_hours = False

    def _tick(self, at: datetime, traded: Decimal) -> Tick:
        last = self._last
        bid, bid_size, ask, ask_size = self._market or (last, _NOTHING, last, _NOTHING)
        opened = self._open or last
        return Tick(
            symbol=self._symbol,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            last=last,
            open=opened,
            high=self._high or last,
            low=self._low or last,
            previous_close=self._previous_close or opened,
            volume=self._volume,
            market_time=at,
            traded=traded,
        )
