"""Months in New York, and what a statement comes to, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256

import pytest

from hub_errors import Invalid
from hub_money import to_text
from hub_portfolio.domain.history import Point
from hub_portfolio.domain.month import Month
from hub_portfolio.domain.statement import (
    Close,
    Happened,
    Held,
    Return,
    Roll,
    State,
    Valuations,
    WrongError,
    content_hash,
)

NOVEMBER = Month(date(2026, 11, 1))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def happened(type_: str, net: str, *, symbol: str = "", **amounts: str) -> Happened:
    told = {name: Decimal(amounts.get(name, "0")) for name in ("settled", "cost", "shares")}
    return Happened(type_, symbol, Decimal(net), realised=Decimal(0), fee=Decimal(0), **told)


def test_a_month_is_new_yorks_in_summer_and_in_winter() -> None:
    assert Month.of(moment("2026-12-01T04:59:59.999999")) == NOVEMBER
    assert Month.of(moment("2026-12-01T05:00")).text == "2026-12"
    assert (NOVEMBER.starts_at, NOVEMBER.ends_at) == (
        moment("2026-11-01T04:00"),
        moment("2026-12-01T05:00"),
    )
    assert (NOVEMBER.before.text, NOVEMBER.next.text) == ("2026-10", "2026-12")
    assert (NOVEMBER.next.next.text, NOVEMBER.last_day) == ("2027-01", date(2026, 11, 30))
    assert [each.text for each in NOVEMBER.through(NOVEMBER.next.next)] == ["2026-11", "2026-12", "2027-01"]
    assert list(NOVEMBER.through(NOVEMBER.before)) == []


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "1026-11", "x", "２０２６-11"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Month.read(text)
    assert (refused.value.code, refused.value.field) == ("invalid_month", "month")


def test_a_roll_that_does_not_come_to_the_ledger_is_refused() -> None:
    opening = State(Decimal(100), Decimal(0), [Held("AAPL", Decimal(1), Decimal(10))])
    roll = Roll(opening)
    roll.take(
        [
            happened("deposit", "5", settled="5"),
            happened("fill", "-20", cost="20", shares="2", symbol="AAPL"),
            happened("fill", "-7", cost="7", shares="1", symbol="MSFT"),
            happened("settlement", "0", settled="-20"),
            happened("merger", "3", settled="3"),
            happened("split", "0", shares="9", symbol="AAPL"),
            happened("split", "0", shares="-4", symbol="SHORT"),
        ]
    )
    held = [
        Held("AAPL", Decimal(12), Decimal(30)),
        Held("MSFT", Decimal(1), Decimal(7)),
        Held("SHORT", Decimal(-4), Decimal(0)),
    ]
    roll.check(State(Decimal(88), Decimal(-7), held))
    sums = roll.sums
    told = [sums.of("deposit"), sums.of("fill"), sums.other, sums.net_change]
    assert [str(each) for each in told] == ["5", "-27", "3", "-19"]
    for wrong in (
        State(Decimal(87), Decimal(-6), held),
        State(Decimal(88), Decimal(-8), held),
        State(Decimal(88), Decimal(-7), held[:1]),
        State(Decimal(88), Decimal(-7), [held[0], Held("MSFT", Decimal(1), Decimal(8)), held[2]]),
        State(Decimal(88), Decimal(-7), [Held("AAPL", Decimal(3), Decimal(30)), *held[1:]]),
        State(Decimal(88), Decimal(-7), held[:2]),
    ):
        with pytest.raises(WrongError):
            roll.check(wrong)


def test_what_has_no_price_counts_at_its_cost() -> None:
    held = [
        Held("A", Decimal(3), Decimal(30), Close(Decimal("11.5"), None)),
        Held("B", Decimal(1), Decimal(7)),
    ]
    state = State(Decimal(88), Decimal(-7), held)
    assert [each.market_value for each in held] == [Decimal("34.5"), None]
    assert [to_text(each) for each in (state.cash, state.cost, state.value)] == ["81", "37", "122.5"]


def point(day: date, growth: str) -> Point:
    at = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    return Point(at, day, Decimal(100), Decimal(100), Decimal(100), Decimal(growth))


def test_a_return_is_from_the_close_before_the_month_or_from_the_opening_in_it() -> None:
    october, end = point(date(2026, 10, 30), "1.1"), point(date(2026, 11, 27), "1.21")
    opened = date(2026, 3, 2)
    assert Valuations(october, end, opened).result(NOVEMBER) == Return(Decimal("10.00"), october.day, end.day)
    assert Valuations(october, october, opened).result(NOVEMBER) == Return(
        Decimal("0.00"), october.day, october.day
    )
    # Valuations that began later than the account cannot say what the month came to.
    assert Valuations(None, end, opened).result(NOVEMBER) is None
    in_it = date(2026, 11, 3)
    assert Valuations(None, end, in_it).result(NOVEMBER) == Return(Decimal("21.00"), in_it, end.day)
    assert Valuations(None, None, opened).result(NOVEMBER) is None


def test_the_hash_is_of_every_line_and_of_where_it_ends() -> None:
    assert content_hash("a", ["b", "c"]) == sha256(b"a\nb\nc\n").digest()
    texts = [("a", ["b"]), ("ab", []), ("a", ["b", ""]), ("a", []), ("", ["a", "b"])]
    assert len({content_hash(document, lines) for document, lines in texts}) == len(texts)
