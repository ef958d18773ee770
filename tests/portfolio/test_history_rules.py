"""What a row of valuations comes to: flows are no return, whatever their size and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_portfolio.domain.benchmark import Bar, compare, first_needed
from hub_portfolio.domain.history import (
    OPENING,
    OpenBooks,
    Owned,
    Period,
    Point,
    Recorded,
    Told,
    history,
    opened_on,
    step_of,
    valued,
)
from hub_portfolio.domain.mark import Mark

NOON = datetime(2026, 3, 4, 17, tzinfo=UTC)
TODAY = NOON.date()


def books(cash: str, paid_in: str, *positions: tuple[str, str, str]) -> OpenBooks:
    owned = [Owned(symbol, Decimal(quantity), Decimal(cost)) for symbol, quantity, cost in positions]
    return OpenBooks(uuid4(), Decimal(cash), Decimal(paid_in), 1, NOON, owned)


def run(*states: tuple[str, str]) -> list[Point]:
    """Of equity and what was paid in, a day apart."""
    points = list[Point]()
    for number, (equity, paid_in) in enumerate(states):
        at = NOON + timedelta(days=number)
        before = points[-1] if points else None
        points.append(valued(books(equity, paid_in), {}, before=before, at=at, day=at.date()))
    return points


def told(*states: tuple[str, str]) -> list[Told]:
    """Since the opening."""
    return history(Recorded(TODAY, date.min, None, run(*states)))


def returns(found: Sequence[Told]) -> list[str]:
    return [str(each.return_percent) for each in found]


def test_equity_is_cash_and_positions_at_their_prices() -> None:
    found = books("100.5", "1000", ("AAPL", "2", "300"), ("MSFT", "1", "200"), ("GONE", "3", "33"))
    marks = {"AAPL": Mark(price=Decimal("150.25")), "MSFT": Mark(price=Decimal(210)), "GONE": Mark()}
    assert found.equity(marks) == Decimal("100.5") + Decimal("300.5") + 210 + 33
    assert found.equity({}) == Decimal("633.5")


def test_a_gain_is_a_return_and_a_deposit_is_none() -> None:
    found = told(("100", "100"), ("110", "100"), ("1110", "1100"), ("1221", "1100"))
    assert returns(found) == ["0.00", "10.00", "10.00", "21.00"]
    assert [each.profit_loss for each in found] == [0, 10, 10, 121]
    assert [each.net_flow for each in found] == [100, 100, 1100, 1100]


def test_a_withdrawal_is_no_loss_and_takes_no_return_with_it() -> None:
    found = told(("100", "100"), ("110", "100"), ("10", "0"), ("11", "0"))
    assert returns(found) == ["0.00", "10.00", "10.00", "21.00"]
    assert [each.profit_loss for each in found] == [0, 10, 10, 11]


def test_everything_withdrawn_with_its_gain_leaves_the_return_as_it_is() -> None:
    found = told(("100", "100"), ("0", "-20"), ("0", "-20"), ("50", "30"))
    assert returns(found) == ["0.00", "20.00", "20.00", "20.00"]


def test_the_size_of_a_flow_does_not_weigh_what_was_earned_before_and_after() -> None:
    """Money-weighted it would be a loss: 1,000 times as much was there when prices fell."""
    found = told(("100", "100"), ("200", "100"), ("100100", "100000"), ("90090", "100000"))
    assert returns(found)[-1] == "80.00"


def test_the_first_valuation_has_all_that_was_before_it() -> None:
    [found] = told(("105", "100"))
    assert (str(found.profit_loss), str(found.return_percent)) == ("5", "5.00")
    [without] = told(("0", "0"))
    assert (str(without.profit_loss), str(without.return_percent)) == ("0", "0.00")


def test_who_lost_everything_has_no_return_to_speak_of_afterwards() -> None:
    ruined = run(("100", "100"), ("-5", "100"), ("95", "200"), ("190", "200"))
    assert [each.return_percent for each in history(Recorded(TODAY, date.min, None, ruined))][1:] == [
        -100
    ] * 3
    later = Recorded(TODAY, TODAY + timedelta(days=2), ruined[2], ruined[3:])
    assert [each.return_percent for each in history(later)] == [None, None]


def test_the_start_is_the_last_valuation_before_the_period() -> None:
    first, second, third = run(("100", "100"), ("110", "100"), ("121", "100"))
    found = history(Recorded(TODAY, second.day, second, [third]))
    assert [each.point for each in found] == [second, third]
    assert [each.profit_loss for each in found] == [0, 11]
    assert returns(found) == ["0.00", "10.00"]
    assert first.growth == 1


def test_what_was_before_the_first_valuation_of_an_older_account_belongs_to_no_period() -> None:
    points = run(("150", "100"), ("165", "100"))
    young = history(Recorded(TODAY, TODAY - timedelta(days=7), None, points))
    assert [each.profit_loss for each in young] == [50, 65]
    old = history(Recorded(TODAY - timedelta(days=90), TODAY - timedelta(days=7), None, points))
    assert [each.profit_loss for each in old] == [0, 15]
    assert returns(old) == ["0.00", "10.00"]
    whole = history(Recorded(TODAY - timedelta(days=90), date.min, None, points))
    assert [each.profit_loss for each in whole] == [50, 65]


amounts = st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=8))
def test_without_gains_no_flows_make_a_return(flows: list[tuple[Decimal, Decimal]]) -> None:
    point, paid_in = None, Decimal(0)
    for number, (more, less) in enumerate(flows):
        paid_in += more - (less if less < paid_in else 0)
        state = replace(books("0", "0"), cash=paid_in, paid_in=paid_in)
        point = valued(state, {}, before=point, at=NOON + timedelta(days=number), day=TODAY)
    assert point is not None
    assert abs(point.growth - 1) < Decimal("1e-15")


@given(st.integers(0, 10), st.integers(0, 10))
def test_an_amount_that_no_database_would_take_is_cut(first: int, second: int) -> None:
    point = replace(OPENING, equity=Decimal("0.00000001"), growth=Decimal(10) ** first)
    found = valued(books(str(10**second), "0"), {}, before=point, at=NOON, day=TODAY)
    assert 0 < found.growth <= 10**18


@pytest.mark.parametrize(
    ("period", "start"),
    [
        (Period.WEEK, "2026-03-24"),
        (Period.MONTH, "2026-02-28"),
        (Period.QUARTER, "2025-12-31"),
        (Period.YEAR, "2025-03-31"),
        (Period.ALL, "0001-01-01"),
    ],
)
def test_a_period_begins_after_the_same_day_of_an_earlier_month(period: Period, start: str) -> None:
    assert period.start(date(2026, 3, 31)).isoformat() == start


def test_steps_are_those_of_the_clock() -> None:
    five = timedelta(minutes=5)
    assert step_of(NOON, five) == NOON
    assert step_of(NOON + timedelta(minutes=4, seconds=59), five) == NOON


def test_the_age_of_an_account_is_the_same_by_the_markets_clock() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    assert opened_on(now - timedelta(days=3), at=NOON, now=now) == date(2026, 3, 1)
    assert opened_on(now + timedelta(days=3), at=NOON, now=now) == TODAY


def bar(moment: datetime, close: str) -> Bar:
    return Bar(moment, Decimal(close))


def test_a_benchmark_is_compared_day_by_day() -> None:
    first, second, third = run(("1", "1"), ("1", "1"), ("1", "1"))
    midnight = NOON.replace(hour=0)
    days = [bar(midnight + timedelta(days=number), close) for number, close in ((-2, "100"), (1, "110"))]
    changes = compare([first, second, third], days, within_day=False)
    assert [str(each) for each in changes] == ["0.00", "10.00", "10.00"]
    assert compare([first], [], within_day=False) == [None]
    assert compare([first, second], days[1:], within_day=False) == [None, None]
    assert first_needed(first, within_day=False) == midnight - timedelta(days=5)


def test_within_a_day_a_bar_counts_when_it_is_over() -> None:
    first = run(("1", "1"))[0]
    later = replace(first, at=first.at + timedelta(minutes=5))
    bars = [bar(first.at - timedelta(minutes=5), "100"), bar(first.at, "105"), bar(later.at, "500")]
    changes = compare([first, later], bars, within_day=True)
    assert [str(each) for each in changes] == ["0.00", "5.00"]
