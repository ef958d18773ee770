"""Bars: when they start and end, and how longer ones are made of shorter ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_errors import Invalid
from hub_market_data.domain.bars import EARLIEST, LATEST, Bar, Timeframe, bar_range, fold
from tests.market_data.prices import CENT, NOON, bar

MINUTE = timedelta(minutes=1)
FIVE, QUARTER, HALF, HOUR = (
    Timeframe.FIVE_MINUTES,
    Timeframe.QUARTER_HOUR,
    Timeframe.HALF_HOUR,
    Timeframe.HOUR,
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def minute(at: datetime, price: int, *, low: int = 0, high: int = 0, volume: int = 1) -> Bar:
    return Bar(
        starts_at=at,
        day=at.date(),
        open=Decimal(price),
        high=Decimal(price + high),
        low=Decimal(price - low),
        close=Decimal(price),
        volume=Decimal(volume),
    )


@st.composite
def minutes(draw: st.DrawFn) -> list[Bar]:
    """Minute bars in time order, with gaps."""
    places = sorted(draw(st.sets(st.integers(0, 400), max_size=120)))
    prices = st.tuples(st.integers(100, 900), st.integers(0, 99), st.integers(0, 99), st.integers(0, 10**6))
    found = []
    for place in places:
        price, low, high, volume = draw(prices)
        found.append(minute(NOON + place * MINUTE, price, low=low, high=high, volume=volume))
    return found


@given(bars=minutes())
def test_folding_in_steps_is_folding_at_once(bars: list[Bar]) -> None:
    by_fives = fold(bars, FIVE)
    by_quarters = fold(by_fives, QUARTER)
    assert by_quarters == fold(bars, QUARTER)
    assert fold(by_quarters, HALF) == fold(by_fives, HALF) == fold(bars, HALF)
    assert fold(fold(by_quarters, HALF), HOUR) == fold(bars, HOUR)


@given(bars=minutes(), cut=st.integers(0, 120), timeframe=st.sampled_from(list(Timeframe)))
def test_folding_in_parts_is_folding_at_once(bars: list[Bar], cut: int, timeframe: Timeframe) -> None:
    assert fold([*fold(bars[:cut], timeframe), *bars[cut:]], timeframe) == fold(bars, timeframe)


@given(bars=minutes(), timeframe=st.sampled_from(list(Timeframe)))
def test_a_folded_bar_says_of_its_part_what_there_is_to_say(bars: list[Bar], timeframe: Timeframe) -> None:
    for folded in fold(bars, timeframe):
        end = timeframe.end(folded.starts_at)
        part = [each for each in bars if folded.starts_at <= each.starts_at < end]
        assert len(part) <= timeframe.minutes or not timeframe.minutes
        assert (folded.open, folded.close) == (part[0].open, part[-1].close)
        assert (folded.high, folded.low) == (max(b.high for b in part), min(b.low for b in part))
        assert folded.volume == sum(b.volume for b in part)


@pytest.mark.parametrize(
    ("timeframe", "at", "start", "end"),
    [
        (Timeframe.MINUTE, "2026-03-04T12:34:56.789", "2026-03-04T12:34", "2026-03-04T12:35"),
        (FIVE, "2026-03-04T12:34:56", "2026-03-04T12:30", "2026-03-04T12:35"),
        (QUARTER, "2026-03-04T12:44:59", "2026-03-04T12:30", "2026-03-04T12:45"),
        (HALF, "2026-03-04T12:30:00", "2026-03-04T12:30", "2026-03-04T13:00"),
        (HOUR, "2026-03-04T23:59:59", "2026-03-04T23:00", "2026-03-05T00:00"),
        (Timeframe.DAY, "2026-03-04T23:59:59", "2026-03-04", "2026-03-05"),
        (Timeframe.WEEK, "2026-03-01T12:00", "2026-02-23", "2026-03-02"),
        (Timeframe.WEEK, "2026-03-02T00:00", "2026-03-02", "2026-03-09"),
        (Timeframe.MONTH, "2024-02-29T12:00", "2024-02-01", "2024-03-01"),
        (Timeframe.MONTH, "2026-12-31T12:00", "2026-12-01", "2027-01-01"),
    ],
)
def test_a_moment_belongs_to_one_bar(timeframe: Timeframe, at: str, start: str, end: str) -> None:
    assert timeframe.start(moment(at)) == moment(start)
    assert timeframe.end(moment(start)) == moment(end)
    assert timeframe.start(moment(start)) == moment(start)


def test_a_range_has_the_bars_that_start_in_it() -> None:
    assert bar_range(moment("2026-03-04T12:01"), moment("2026-03-04T12:16"), QUARTER) == (
        moment("2026-03-04T12:15"),
        moment("2026-03-04T12:30"),
    )
    day = moment("2026-03-04")
    assert bar_range(day, day + timedelta(days=1), Timeframe.DAY) == (day, day + timedelta(days=1))
    assert bar_range(None, None, HOUR) == (EARLIEST, LATEST)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_times_that_nobody_lives_in_are_no_fault(timeframe: Timeframe) -> None:
    first, end = bar_range(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), timeframe)
    assert first < end


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        bar_range(NOON, NOON - MINUTE, HOUR)
    assert (refused.value.code, refused.value.field) == ("inverted_range", "end")


def test_prices_are_put_on_the_grid_half_to_even() -> None:
    raw = bar(open_="10.005", high="10.015", low="9.9999", close="10.0149", day=date(2026, 3, 2))
    on_grid = raw.on_grid(CENT)
    assert [str(price) for price in (on_grid.open, on_grid.high, on_grid.low, on_grid.close)] == [
        "10.00",
        "10.02",
        "10.00",
        "10.01",
    ]
