"""A feed that should have prices and has none is told of, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from hub_market_data.board import Board
from hub_market_data.domain.calendars import Session
from hub_market_data.seed import INSTRUMENTS
from hub_market_data.stall import Stall
from tests.market_data.prices import CALENDARS, NOON

HOUR = timedelta(hours=1)


class Watched:
    def __init__(self) -> None:
        session = Session(calendar="XNYS", day=NOON.date(), opens_at=NOON, closes_at=NOON + HOUR)
        self.board = Board()
        self.board.catalogue(INSTRUMENTS, [session], calendars=CALENDARS)
        self.now = 0.0
        self.stall = Stall(self.board, 30, now=lambda: self.now)

    def after(self, seconds: float) -> bool:
        self.now += seconds
        return self.stall.look()


def metric() -> float | None:
    return REGISTRY.get_sample_value("hub_market_feed_stalled")


def test_silence_counts_only_while_a_market_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched()
    watched.board.publish((), NOON - HOUR)
    assert not watched.after(1000)
    watched.board.publish((), NOON)
    assert not watched.after(30)
    assert watched.after(1)
    assert metric() == 1
    watched.stall.ticked()
    assert not watched.after(0)
    assert metric() == 0
    assert not watched.after(29)
    assert watched.after(2)
    watched.board.publish((), NOON + HOUR)
    assert not watched.after(0), "the market has closed"


def test_a_market_of_halted_instruments_has_no_prices() -> None:
    watched = Watched()
    watched.board.publish((), NOON)
    watched.board.catalogue((), watched.board.sessions, calendars=CALENDARS)
    assert not watched.after(1000)
