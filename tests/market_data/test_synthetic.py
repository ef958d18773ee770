"""The random feed: as many symbols and ticks as wanted, and the same again from the same seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from hub_market_data.domain.instruments import is_symbol
from hub_market_data.domain.ticks import Tick
from hub_market_data.synthetic import MOST_SYMBOLS, Random, random_symbols

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def feed(*, seed: int = 1, symbols: int = 20, **more: object) -> Random:
    known = {"rate": 1000.0, "clock": lambda: NOW}
    return Random(random_symbols(symbols), seed=seed, **{**known, **more})  # type: ignore[arg-type]


def test_a_seed_is_a_walk_however_it_is_cut_into_groups() -> None:
    whole = list(chain.from_iterable(feed().groups(500)))
    again = feed()
    parts = [tick for _ in range(50) for group in again.groups(10) for tick in group]
    assert len(whole) == 500
    assert parts == whole
    assert list(chain.from_iterable(feed(seed=2).groups(500))) != whole


def test_no_symbol_is_twice_in_a_group_and_prices_are_those_of_a_market() -> None:
    last: dict[str, Tick] = {}
    for group in feed(symbols=3).groups(2000):
        assert len({tick.symbol for tick in group}) == len(group)
        for tick in group:
            assert 0 < tick.bid < tick.ask
            assert tick.bid <= tick.last <= tick.ask
            if before := last.get(tick.symbol):
                assert tick.volume - before.volume == tick.traded
                assert abs(tick.last - before.last) < 1
            last[tick.symbol] = tick
    assert set(last) == set(random_symbols(3))


def test_symbols_are_symbols() -> None:
    symbols = random_symbols(MOST_SYMBOLS)
    assert len(set(symbols)) == MOST_SYMBOLS
    assert all(map(is_symbol, symbols))


async def test_it_keeps_its_rate_and_its_clock_runs_ahead_when_it_is_moved() -> None:
    clock = 0.0
    made = feed(rate=50.0, market_time=NOW + timedelta(days=1), now=lambda: clock)
    told = 0
    async for group in made.ticks():
        told += len(group)
        if not group:
            assert told == int(clock * 50)
            if clock > 1:
                break
            clock += 0.1
    assert made.market_time() == NOW + timedelta(days=1)
    assert made.place() == ""


def test_without_symbols_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no symbols"):
        feed(symbols=0)
