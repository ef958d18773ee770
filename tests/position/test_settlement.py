"""When a trade settles: on the next settlement day of its instrument after its trading day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from hub_errors import Unavailable
from hub_market_client import QuoteCache
from hub_position.clients import Market
from tests.position.days import SYDNEY_CLOSES, SYDNEY_OPENS, market


def at(day: int, hour: int = 15) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("symbol", "traded_at", "settles_on"),
    [
        ("AAPL", at(5), date(2026, 1, 6)),
        ("AAPL", at(9), date(2026, 1, 13)),
        ("AAPL", at(10), date(2026, 1, 13)),
        ("AAPL", at(12), date(2026, 1, 13)),
        ("BHP", SYDNEY_OPENS, date(2026, 1, 6)),
        ("BHP", SYDNEY_CLOSES - timedelta(seconds=1), date(2026, 1, 6)),
        ("BHP", SYDNEY_OPENS - timedelta(hours=1), date(2026, 1, 6)),
        ("BHP", SYDNEY_OPENS + timedelta(hours=24), date(2026, 1, 7)),
        ("AAPL", SYDNEY_OPENS, date(2026, 1, 5)),
        ("GONE", at(9), date(2026, 1, 12)),
        ("AAPL", datetime(2025, 12, 24, 15, tzinfo=UTC), date(2025, 12, 25)),
        ("AAPL", at(23), date(2026, 1, 26)),
    ],
    ids=[
        "the next day",
        "over a weekend and a holiday",
        "a Saturday",
        "the holiday itself",
        "Monday in Sydney is Sunday in UTC",
        "until the session ends",
        "before the session",
        "when another session runs",
        "Sunday round the clock",
        "an instrument that is gone: the next weekday",
        "before what is known: the next weekday",
        "beyond what is known: the next weekday",
    ],
)
def test_settles_on(symbol: str, traded_at: datetime, settles_on: date) -> None:
    assert market().settles_on(symbol, traded_at) == settles_on


def test_nothing_is_said_before_the_calendars_are_known() -> None:
    with pytest.raises(Unavailable) as refused:
        Market(QuoteCache()).settles_on("AAPL", at(5))
    assert refused.value.code == "market_data_unavailable"
