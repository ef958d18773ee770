"""The replay plays history back and forth, and goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from hub_market_data.domain.bars import Bar
from hub_market_data.domain.ticks import Tick
from hub_market_data.replay import BEAT_S, TRADING_DAY_S, History, Replay
from tests.market_data.prices import CENT, NOON, bar, played_histories

BARS = (
    bar(open_="10.00", high="11.00", low="9.50", close="10.50"),
    bar(open_="10.60", high="12.00", low="10.10", close="11.90"),
    bar(open_="11.80", high="12.40", low="11.70", close="12.00"),
)
SPEED = 1000.0
STEPS = round(TRADING_DAY_S / SPEED / BEAT_S)


class Time:
    """A clock that goes on by one beat each time it is asked."""

    def __init__(self, now: datetime = NOON, beat: timedelta = timedelta(seconds=BEAT_S)) -> None:
        self.now = now
        self.beat = beat

    def __call__(self) -> datetime:
        self.now += self.beat
        return self.now


def replay(
    bars: Sequence[Bar] = BARS, *, place: str = "", clock: Time | None = None, speed: float = SPEED
) -> Replay:
    histories = {"X": History(tick_size=CENT, bars=bars)}
    return Replay(histories, seed=7, speed=speed, clock=clock or Time(), place=place, market_time=NOON)


def played(feed: Replay, beats: int) -> list[Tick]:
    return [feed.beat()[0] for _ in range(beats)]


def days(ticks: Sequence[Tick]) -> list[tuple[str, str, str, str]]:
    """Open, high, low and close of each day that was played."""
    found = []
    for start in range(0, len(ticks), STEPS):
        prices = [tick.last for tick in ticks[start : start + STEPS]]
        found.append((str(prices[0]), str(max(prices)), str(min(prices)), str(prices[-1])))
    return found


def test_history_is_played_from_its_end_to_its_start_and_back() -> None:
    assert days(played(replay(), 7 * STEPS)) == [
        ("12.00", "12.40", "11.70", "11.80"),
        ("11.90", "12.00", "10.10", "10.60"),
        ("10.50", "11.00", "9.50", "10.00"),
        ("10.00", "11.00", "9.50", "10.50"),
        ("10.60", "12.00", "10.10", "11.90"),
        ("11.80", "12.40", "11.70", "12.00"),
        ("12.00", "12.40", "11.70", "11.80"),
    ]


def test_the_first_price_is_the_last_close_of_the_history() -> None:
    first = replay().beat()[0]
    assert first.last == first.open == first.previous_close == BARS[-1].close


def test_a_tick_knows_its_day_so_far() -> None:
    ticks = played(replay(), 2 * STEPS)
    for start, previous_close in ((0, Decimal("12.00")), (STEPS, Decimal("11.80"))):
        day = ticks[start : start + STEPS]
        for count in range(1, STEPS + 1):
            prices = [tick.last for tick in day[:count]]
            assert (day[count - 1].high, day[count - 1].low) == (max(prices), min(prices))
            assert day[count - 1].previous_close == previous_close
        assert day[-1].volume == 1000
        assert all(earlier.volume <= later.volume for earlier, later in pairwise(day))


@pytest.mark.parametrize("beats", [0, 1, 17, STEPS - 1, STEPS, STEPS + 1, 3 * STEPS + 5])
def test_a_successor_goes_on_where_the_feed_was(beats: int) -> None:
    feed = replay()
    played(feed, beats)
    successor = replay(place=feed.place())
    following = [(tick.last, tick.high, tick.low, tick.volume) for tick in played(feed, STEPS)]
    assert [(tick.last, tick.high, tick.low, tick.volume) for tick in played(successor, STEPS)] == following


@pytest.mark.parametrize("place", ["", "nonsense", "1", "-1/0.5", "1/x", "1/9e9", "1/nan"])
def test_a_place_that_makes_no_sense_is_the_beginning(place: str) -> None:
    assert replay(place=place).beat()[0].last == BARS[-1].close


def test_market_time_never_goes_back() -> None:
    backwards = Time(beat=timedelta(seconds=-10))
    assert {tick.market_time for tick in played(replay(clock=backwards), 5)} == {NOON}


def test_nothing_to_play_is_an_error() -> None:
    with pytest.raises(ValueError, match="no bars"):
        replay(bars=())


def test_a_limit_a_little_below_the_ask_is_nearly_always_reached_within_a_minute() -> None:
    minute = round(60 / BEAT_S)
    for symbol, bars in played_histories().items():
        asks = [tick.ask for tick in played(replay(bars, speed=10.0), 40 * minute)]
        reached = [
            min(asks[begin : begin + minute]) <= asks[begin] * Decimal("0.999")
            for begin in range(0, 39 * minute, 7)
        ]
        assert sum(reached) >= len(reached) * Decimal("0.9"), symbol
