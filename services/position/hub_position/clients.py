"""What this service asks of others: settlement days, asset classes and the market's clock."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from hub_errors import Unavailable
from hub_market_client import QuoteCache
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.trade import next_weekday


class Market:
    def __init__(self, cache: QuoteCache, fees: FeeSchedule | None = None) -> None:
        self._cache = cache
        self._fees = fees or FeeSchedule()

    def state(self) -> str:
        return self._cache.state()

    def time(self) -> datetime:
        """The market's own clock. Raises Unavailable before anything was heard of it."""
        if not self._cache.loaded.is_set():
            raise Unavailable("The market's data has not come yet.", code="market_data_unavailable")
        return self._cache.market_time()

    def settles_on(self, symbol: str, traded_at: datetime) -> date:
        """The first settlement day after the trading day. Where the calendar says nothing (an instrument that
        is gone, a trade that comes very late), the next weekday."""
        self.time()
        day = self._trading_day(symbol, traded_at)
        return self._cache.settlement_day(symbol, day) or next_weekday(day)

    def fee_rate(self, symbol: str) -> Decimal:
        """What a trade in the instrument costs beside its price, as a share of its value."""
        instrument = self._cache.instrument(symbol)
        return self._fees.rate("" if instrument is None else instrument.asset_class)

    def _trading_day(self, symbol: str, traded_at: datetime) -> date:
        """In the calendar's own time zone, as far as it is known: what is traded in the evening may be of the
        next day in UTC."""
        for session in self._cache.sessions(symbol):
            if session.opens_at <= traded_at < session.closes_at:
                return session.day
        calendar = self._cache.calendar(symbol)
        return traded_at.date() if calendar is None else calendar.day_of(traded_at)
