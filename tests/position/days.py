"""The market's calendar as the position service hears of it, with what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_pb2
from hub_market_client import QuoteCache
from hub_position.clients import Market

# Friday to Friday, with a Monday on which nothing settles.
DAYS = tuple(date(2026, 1, day) for day in (2, 5, 6, 7, 8, 9, 13, 14, 15, 16))
SYDNEY_OPENS, SYDNEY_CLOSES = datetime(2026, 1, 4, 23, tzinfo=UTC), datetime(2026, 1, 5, 5, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def snapshot(
    *, market_time: datetime = SYDNEY_OPENS, days: Sequence[date] = DAYS
) -> market_data_pb2.StreamQuotesResponse:
    """AAPL is traded round the clock, BHP in Sydney on what is Sunday evening in UTC; both settle on the same
    days."""
    instruments = [
        market_data_pb2.Instrument(symbol=symbol, calendar=calendar, settlement_calendar="US")
        for symbol, calendar in [("AAPL", "24x7"), ("BHP", "XASX")]
    ]
    session = market_data_pb2.Session(
        calendar="XASX", opens_at=stamp(SYDNEY_OPENS), closes_at=stamp(SYDNEY_CLOSES), day="2026-01-05"
    )
    sydney = market_data_pb2.TradingCalendar(calendar="XASX", timezone="Australia/Sydney")
    calendar = market_data_pb2.SettlementCalendar(calendar="US", days=[day.isoformat() for day in days])
    return market_data_pb2.StreamQuotesResponse(
        snapshot=market_data_pb2.Snapshot(
            instruments=instruments,
            sessions=[session],
            epoch=1,
            market_time=stamp(market_time),
            settlement_calendars=[calendar],
            calendars=[sydney],
        )
    )


def market() -> Market:
    cache = QuoteCache()
    cache.apply(snapshot())
    return Market(cache)
