"""Builders for the tests of market-data."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hub_market_data.board import Board
from hub_market_data.domain import Bar, Quote, Tick, quoted
from hub_market_data.seed import INSTRUMENTS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CENT = Decimal("0.01")


def bar(*, open_: str, high: str, low: str, close: str, day: date = date(2026, 3, 1)) -> Bar:
    return Bar(
        day=day, open=Decimal(open_), high=Decimal(high), low=Decimal(low), close=Decimal(close), volume=1000
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
    board.catalogue(INSTRUMENTS, ())
    board.begin(epoch, NOON)
    board.loaded.set()
    return board
