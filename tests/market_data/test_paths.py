"""A day's path keeps to its bar."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hub_market_data.domain.bars import Bar
from hub_market_data.paths import MINIMUM_STEPS, Step, day_path
from tests.market_data.prices import CENT, bar

BAR = bar(open_="27.66", high="27.98", low="27.52", close="27.95")


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """Any bar on the grid of cents, flat ones included."""
    low = draw(st.integers(1, 100_000))
    high = low + draw(st.integers(0, low))
    open_, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    prices = [str(Decimal(cents) * CENT) for cents in (open_, high, low, close)]
    return bar(open_=prices[0], high=prices[1], low=prices[2], close=prices[3])


def path(day: Bar, *, symbol: str = "MSFT", seed: int = 1, steps: int = 400) -> list[Step]:
    return list(day_path(symbol, day, seed=seed, steps=steps, tick_size=CENT))


@given(day=bars(), seed=st.integers(), steps=st.integers(MINIMUM_STEPS, 300))
def test_a_path_has_exactly_the_open_high_low_and_close_of_its_bar(day: Bar, seed: int, steps: int) -> None:
    prices = [step.last for step in path(day, seed=seed, steps=steps)]
    assert len(prices) == steps
    assert prices[0] == day.open
    assert max(prices) == day.high
    assert min(prices) == day.low
    assert prices[-1] == day.close


@given(day=bars(), seed=st.integers())
def test_every_price_is_on_the_grid_inside_its_spread(day: Bar, seed: int) -> None:
    for step in path(day, seed=seed, steps=60):
        assert all(price % CENT == 0 for price in (step.last, step.bid, step.ask))
        assert 0 < step.bid <= step.last < step.ask
        assert step.ask - step.last <= 2 * CENT
        assert step.last - step.bid <= CENT
        assert step.bid_size > 0
        assert step.ask_size > 0


@given(day=bars(), seed=st.integers())
def test_the_same_symbol_bar_and_seed_give_the_same_path(day: Bar, seed: int) -> None:
    assert path(day, seed=seed) == path(day, seed=seed)


def test_another_seed_or_symbol_gives_another_path() -> None:
    assert path(BAR, seed=1) != path(BAR, seed=2)
    assert path(BAR, symbol="MSFT") != path(BAR, symbol="IBM")


def test_a_path_moves_in_small_steps() -> None:
    prices = [step.last for step in path(BAR, steps=9360)]
    assert max(abs(later - earlier) for earlier, later in pairwise(prices)) <= 8 * CENT
