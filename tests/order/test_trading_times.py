"""How old an order is in open market: nights, weekends, halts and skipped time do not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub_order.clients import Market
from hub_order.trading_times import TradingTimes
from tests.order.peers import Tape

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MAX_AGE = timedelta(seconds=120)
# Summer time begins between these two: the open in New York moves from 14:30 to 13:30 UTC.
FRIDAY, SPRING_MONDAY = (
    (datetime(2026, 3, 6, 14, 30, tzinfo=UTC), datetime(2026, 3, 6, 21, 0, tzinfo=UTC)),
    (datetime(2026, 3, 9, 13, 30, tzinfo=UTC), datetime(2026, 3, 9, 20, 0, tzinfo=UTC)),
)
# The day after Thanksgiving ends at 13:00 in New York.
HALF_FRIDAY, WINTER_MONDAY = (
    (datetime(2026, 11, 27, 14, 30, tzinfo=UTC), datetime(2026, 11, 27, 18, 0, tzinfo=UTC)),
    (datetime(2026, 11, 30, 14, 30, tzinfo=UTC), datetime(2026, 11, 30, 21, 0, tzinfo=UTC)),
)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass
class Days:
    """A market on a clock that the test turns, looked at twice a second while it turns."""

    now: datetime

    def __post_init__(self) -> None:
        self.tape = Tape(clock=lambda: self.now)
        self.market = self.new_market()

    def new_market(self) -> Market:
        return Market(self.tape.cache, max_age_s=10, clock=lambda: self.now)

    def turn_to(self, moment: datetime) -> None:
        """Far from the ends of sessions a look now and then will do."""
        ends = [end for session in self.tape.sessions for end in session]
        while self.now < moment:
            near = any(abs(end - self.now) < seconds(130) for end in ends)
            self.now = min(self.now + seconds(0.5 if near else 60), moment)
            self.tape.time(self.now)
            self.market.traded_before(MAX_AGE)

    def age(self, since: datetime) -> float:
        return self.market.traded_for("AAPL", since=since, now=self.now).total_seconds()


def test_over_the_weekend_that_changes_the_clocks_only_the_sessions_count() -> None:
    days = Days(FRIDAY[0])
    days.tape.hours(FRIDAY, SPRING_MONDAY)
    accepted_at = FRIDAY[1] - seconds(50)
    days.turn_to(SPRING_MONDAY[0] - seconds(1))
    assert 49 <= days.age(accepted_at) <= 50
    days.turn_to(SPRING_MONDAY[0] + seconds(60))
    assert 109 <= days.age(accepted_at) <= 110
    assert days.market.traded_before(MAX_AGE)["AAPL"] < accepted_at
    days.turn_to(SPRING_MONDAY[0] + seconds(72))
    assert days.age(accepted_at) > 120
    assert days.market.traded_before(MAX_AGE)["AAPL"] > accepted_at


def test_a_day_that_ends_early_stops_the_count_early() -> None:
    days = Days(HALF_FRIDAY[0])
    days.tape.hours(HALF_FRIDAY, WINTER_MONDAY)
    accepted_at = HALF_FRIDAY[1] - seconds(30)
    days.turn_to(HALF_FRIDAY[1] + timedelta(hours=2))
    assert 29 <= days.age(accepted_at) <= 30
    days.turn_to(WINTER_MONDAY[0] + seconds(80))
    assert 109 <= days.age(accepted_at) <= 110


def test_an_order_of_the_weekend_is_as_old_as_the_session_whoever_asks() -> None:
    days = Days(FRIDAY[1] + timedelta(hours=20))
    days.tape.hours(SPRING_MONDAY)
    saturday = days.now
    days.turn_to(SPRING_MONDAY[0] + seconds(90))
    assert 89 <= days.age(saturday) <= 90
    started_just_now = days.new_market()
    assert started_just_now.traded_for("AAPL", since=saturday, now=days.now) == seconds(90)


def test_a_halt_does_not_count() -> None:
    days = Days(FRIDAY[0])
    days.tape.hours(FRIDAY)
    accepted_at = FRIDAY[0] + seconds(60)
    days.turn_to(accepted_at + seconds(10))
    days.tape.halt("AAPL")
    days.turn_to(accepted_at + seconds(310))
    assert 9 <= days.age(accepted_at) <= 11
    days.tape.halt("AAPL", halted=False)
    days.turn_to(accepted_at + seconds(330))
    assert 28 <= days.age(accepted_at) <= 31


def test_time_that_the_markets_clock_skips_does_not_count() -> None:
    days = Days(FRIDAY[1] + timedelta(hours=20))
    days.tape.hours(SPRING_MONDAY)
    accepted_at = days.now
    days.turn_to(accepted_at + seconds(1))
    days.tape.time(SPRING_MONDAY[0] + timedelta(hours=2))
    days.now += seconds(1)
    assert days.age(accepted_at) <= 1


def test_what_the_catalogue_does_not_have_is_not_traded() -> None:
    days = Days(START)
    assert days.market.traded_for("NONE", since=START - timedelta(days=1), now=START) == seconds(0)
    assert "NONE" not in days.market.traded_before(seconds(0))


@given(
    looks=st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1, max_size=30),
    age=st.integers(0, 300),
    since=st.integers(0, 3000),
)
def test_both_questions_have_the_same_answer(looks: list[tuple[int, bool]], age: int, since: int) -> None:
    times, now = TradingTimes(), START
    for pause, trades in looks:
        now += seconds(pause)
        times.see("AAPL", open_for=seconds(0) if trades else None, now=now)
    accepted_at = START + seconds(since)
    before = times.before("AAPL", age=seconds(age), now=now)
    older = times.traded("AAPL", since=accepted_at, now=now) > seconds(age)
    assert older == (before is not None and accepted_at < before)
