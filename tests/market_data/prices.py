"""Builders for the tests of market-data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from hub_market_data.board import Board
from hub_market_data.domain.actions import ActionType
from hub_market_data.domain.bars import Bar, midnight
from hub_market_data.domain.calendars import Calendar
from hub_market_data.domain.ticks import Quote, Tick, quoted
from hub_market_data.exchange import XNYS
from hub_market_data.history import read_series
from hub_market_data.seed import INSTRUMENTS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CENT = Decimal("0.01")
CALENDARS = (Calendar(calendar="24x7", always_open=True, timezone="UTC"), XNYS)


def bar(*, open_: str, high: str, low: str, close: str, day: date = date(2026, 3, 1)) -> Bar:
    return Bar(
        starts_at=midnight(day),
        day=day,
        open=Decimal(open_),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
        volume=Decimal(1000),
    )


def tick(symbol: str = "AAPL", *, bid: str = "99.99", ask: str = "100.01", at: datetime = NOON) -> Tick:
    return Tick(
        symbol=symbol,
        bid=Decimal(bid),
        bid_size=Decimal(100),
        ask=Decimal(ask),
        ask_size=Decimal(200),
        last=Decimal(100),
        open=Decimal(99),
        high=Decimal(101),
        low=Decimal(98),
        previous_close=Decimal(99),
        volume=Decimal(5000),
        market_time=at,
    )


def quote(
    symbol: str = "AAPL", *, epoch: int = 1, seq: int = 1, bid: str = "99.99", ask: str = "100.01"
) -> Quote:
    return quoted(tick(symbol, bid=bid, ask=ask), epoch=epoch, seq=seq, received_at=NOON)


def open_board(*, epoch: int = 1) -> Board:
    """A board that knows the seeded instruments and may be asked."""
    board = Board()
    board.catalogue(INSTRUMENTS, (), calendars=CALENDARS)
    board.begin(epoch, NOON)
    board.loaded.set()
    return board


def played_histories() -> Mapping[str, Sequence[Bar]]:
    """What the replay plays, on the days on which it was."""
    found = {}
    for symbol, series in read_series().items():
        splits = [action.ex_date for action in series.actions if action.type is ActionType.SPLIT]
        start = max(splits, default=date.min)
        found[symbol] = [each.on_grid(CENT) for each in series.bars if each.day >= start]
    return found
