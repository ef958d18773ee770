"""How many orders an account may send within a minute."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from hub_order.risk import Throttle

ME = uuid4()


def sent(throttle: Throttle, times: list[float], *, most: int, account: UUID = ME) -> list[float]:
    """The times at which an order was let through."""
    return [now for now in times if throttle.take(account, most=most, now=now) is None]


def test_the_order_after_the_ten_thousandth_within_a_minute_is_one_too_many() -> None:
    throttle = Throttle()
    times = [1000 + number * 59.9 / 10_000 for number in range(10_001)]
    assert len(sent(throttle, times, most=10_000)) == 10_000
    wait_s = throttle.take(ME, most=10_000, now=1059.95)
    assert wait_s is not None
    assert throttle.take(ME, most=10_000, now=1059.95 + wait_s) is None


def test_other_accounts_are_not_concerned() -> None:
    throttle = Throttle()
    assert sent(throttle, [0.0, 0.0, 0.0], most=2) == [0.0, 0.0]
    assert throttle.take(uuid4(), most=2, now=0.0) is None


def test_what_was_one_too_many_is_not_counted() -> None:
    throttle = Throttle()
    assert throttle.take(ME, most=1, now=0.5) is None
    for tenth in range(600):
        assert throttle.take(ME, most=1, now=0.5 + tenth / 10) is not None
    assert throttle.take(ME, most=1, now=61.0) is None


def test_a_limit_that_was_lowered_holds_at_once() -> None:
    throttle = Throttle()
    assert len(sent(throttle, [float(second) for second in range(10)], most=100)) == 10
    wait_s = throttle.take(ME, most=5, now=10.0)
    assert wait_s is not None
    assert throttle.take(ME, most=5, now=10.0 + wait_s - 0.001) is not None
    assert throttle.take(ME, most=5, now=10.0 + wait_s) is None


@settings(deadline=None)
@given(
    gaps=st.lists(st.floats(0, 20, allow_nan=False), max_size=200),
    most=st.integers(1, 10),
    start=st.floats(0, 1e6, allow_nan=False),
)
def test_no_minute_has_more_than_allowed_and_the_wait_is_true(
    gaps: list[float], most: int, start: float
) -> None:
    throttle, now = Throttle(), start
    let_through: list[float] = []
    for gap in gaps:
        now += gap
        wait_s = throttle.take(ME, most=most, now=now)
        if wait_s is None:
            let_through.append(now)
        else:
            assert 0 < wait_s <= 61
            in_the_last_61_s = [time for time in let_through if now - time <= 61]
            assert len(in_the_last_61_s) >= most
    for first in let_through:
        assert sum(first <= time < first + 60 for time in let_through) <= most


def test_memory_is_bounded() -> None:
    throttle = Throttle(most_accounts=100)
    for number in range(1000):
        throttle.take(uuid4(), most=10, now=float(number) / 1000)
    assert len(throttle) <= 100


def test_who_has_been_silent_for_a_minute_is_forgotten() -> None:
    throttle = Throttle()
    for _ in range(100):
        throttle.take(uuid4(), most=10, now=0.0)
    for number in range(100):
        throttle.take(ME, most=1000, now=100.0 + number)
    assert len(throttle) == 1
