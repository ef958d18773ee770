"""Splits and dividends: those of the committed history, and what adjusting for them means."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_market_data.domain.actions import ActionType, Adjuster, Adjustment, CorporateAction, Effect
from hub_market_data.domain.bars import Bar
from hub_market_data.history import Series, read_series
from tests.market_data.prices import bar

SERIES = read_series()
FIRST_DAY = date(2026, 3, 2)


def adjusted_closes() -> Mapping[str, Sequence[Decimal]]:
    """The source's own."""
    packed = resources.files("hub_market_data").joinpath("data/history.csv.gz").read_bytes()
    found: dict[str, list[Decimal]] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode())):
        found.setdefault(row["symbol"], []).append(Decimal(row["adjusted_close"]))
    return found


def effects(series: Series) -> list[Effect]:
    closes = {each.day: each.close for each in series.bars}
    return [Effect(action=action, close=closes[action.ex_date]) for action in series.actions]


def split(ratio: str, day: date = FIRST_DAY) -> CorporateAction:
    return CorporateAction(symbol="X", ex_date=day, type=ActionType.SPLIT, ratio=Decimal(ratio))


def dividend(amount: str, day: date = FIRST_DAY) -> CorporateAction:
    return CorporateAction(
        symbol="X", ex_date=day, type=ActionType.DIVIDEND, amount=Decimal(amount), currency="USD"
    )


@pytest.mark.parametrize("symbol", sorted(SERIES))
def test_closes_adjusted_by_our_actions_are_those_of_the_source_to_four_significant_digits(
    symbol: str,
) -> None:
    """On every day of each series, and in fact to six digits. The source also adjusts for what happened after
    the history's end; that is one factor for the whole series, the one of its last day, and is taken out."""
    series, theirs = SERIES[symbol], adjusted_closes()[symbol]
    adjuster = Adjuster(effects(series), Adjustment.ALL)
    since = theirs[-1] / series.bars[-1].close
    assert len(theirs) == len(series.bars)
    for raw, their in zip(series.bars, theirs, strict=True):
        ours = adjuster.adjusted(raw).close
        assert abs(ours * since / their - 1) < Decimal("0.000001"), raw.day


def test_the_splits_and_dividends_of_the_history_are_those_that_happened() -> None:
    splits = [
        (action.symbol, action.ex_date.isoformat(), str(action.ratio))
        for series in SERIES.values()
        for action in series.actions
        if action.type is ActionType.SPLIT
    ]
    assert splits == [
        ("AAPL", "2000-06-21", "2"),
        ("AAPL", "2005-02-28", "2"),
        ("MSFT", "2003-02-18", "2"),
    ]
    paid = {
        symbol: [action for action in series.actions if action.type is ActionType.DIVIDEND]
        for symbol, series in SERIES.items()
    }
    assert {symbol: len(own) for symbol, own in paid.items()} == {
        "AAPL": 3,
        "FB": 0,
        "GOOG": 0,
        "IBM": 52,
        "MSFT": 37,
    }
    assert [(each.ex_date.isoformat(), str(each.amount)) for each in paid["AAPL"]] == [
        ("2012-08-09", "2.65"),
        ("2012-11-07", "2.65"),
        ("2013-02-07", "2.65"),
    ]
    microsoft = {each.ex_date.isoformat(): str(each.amount) for each in paid["MSFT"]}
    assert microsoft["2003-02-19"] == "0.08"
    assert microsoft["2004-11-15"] == "3.08", "0.08 and a special dividend of 3.00"
    assert list(microsoft.values())[-2:] == ["0.23", "0.23"]
    assert list(microsoft.values())[-6:-2] == ["0.20"] * 4


def test_dividends_came_every_quarter_and_rose() -> None:
    for symbol, since in (("IBM", date(2000, 1, 1)), ("MSFT", date(2004, 8, 1)), ("AAPL", date(2012, 1, 1))):
        own = [
            action
            for action in SERIES[symbol].actions
            if action.type is ActionType.DIVIDEND and action.ex_date >= since
        ]
        for before, after in pairwise(own):
            assert timedelta(days=83) <= after.ex_date - before.ex_date <= timedelta(days=99), after
        regular = [action.amount for action in own if action.amount and action.amount < 3]
        assert regular == sorted(regular)


def test_only_what_came_later_counts() -> None:
    bars = [
        bar(open_="10", high="12", low="8", close="11", day=FIRST_DAY + timedelta(days=n)) for n in range(3)
    ]
    adjuster = Adjuster([Effect(action=split("2", bars[1].day), close=Decimal(11))], Adjustment.ALL)
    before, *later = map(adjuster.adjusted, bars)
    assert [before.open, before.high, before.low, before.close] == [5, 6, 4, Decimal("5.5")]
    assert before.volume == 2000
    assert later == bars[1:]


@pytest.mark.parametrize(
    ("adjustment", "close", "volume"),
    [
        (Adjustment.RAW, "100", "1000"),
        (Adjustment.SPLIT, "25", "4000"),
        (Adjustment.DIVIDEND, "80", "1000"),
        (Adjustment.ALL, "20", "4000"),
    ],
)
def test_an_adjustment_counts_its_own_actions(adjustment: Adjustment, close: str, volume: str) -> None:
    ex = FIRST_DAY + timedelta(days=1)
    happened = [
        Effect(action=split("4", ex), close=Decimal(20)),
        Effect(action=dividend("5", ex), close=Decimal(20)),
    ]
    adjusted = Adjuster(happened, adjustment).adjusted(
        bar(open_="100", high="100", low="100", close="100", day=FIRST_DAY)
    )
    assert (adjusted.close, adjusted.volume) == (Decimal(close), Decimal(volume))


def test_a_reverse_split_makes_earlier_prices_higher() -> None:
    adjuster = Adjuster(
        [Effect(action=split("0.1", FIRST_DAY + timedelta(days=1)), close=Decimal(50))], Adjustment.SPLIT
    )
    adjusted = adjuster.adjusted(bar(open_="5", high="5", low="5", close="5", day=FIRST_DAY))
    assert [adjusted.close, adjusted.volume] == [50, 10 * 10]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Bar], list[Effect]]:
    """Days with any closes, and actions on some of them."""
    prices = draw(st.lists(st.integers(100, 100_000), min_size=2, max_size=40))
    bars = []
    for number, cents in enumerate(prices):
        price = str(Decimal(cents) / 100)
        day = FIRST_DAY + timedelta(days=number)
        bars.append(bar(open_=price, high=price, low=price, close=price, day=day))
    happened = []
    for each in draw(st.lists(st.sampled_from(bars), max_size=12, unique_by=lambda each: each.day)):
        amount = str(Decimal(draw(st.integers(1, 500))) / 100)
        ratio = draw(st.sampled_from(["2", "3", "7", "1.5", "0.1"]))
        action = draw(st.sampled_from([split(ratio, each.day), dividend(amount, each.day)]))
        happened.append(Effect(action=action, close=each.close))
    return bars, happened


@given(life=lives())
def test_the_growth_of_adjusted_closes_is_that_of_a_share_whose_dividends_are_reinvested(
    life: tuple[list[Bar], list[Effect]],
) -> None:
    bars, happened = life
    adjuster = Adjuster(happened, Adjustment.ALL)
    by_day = {effect.action.ex_date: effect.action for effect in happened}
    shares = Decimal(1)
    for each in bars[1:]:
        action = by_day.get(each.day)
        if action and action.ratio:
            shares *= action.ratio
        if action and action.amount:
            shares += shares * action.amount / each.close
    owned = shares * bars[-1].close / bars[0].close
    first, last = bars[0], bars[-1]
    grown = (last.close * adjuster.factor(last.day)) / (first.close * adjuster.factor(first.day))
    assert abs(grown / owned - 1) < Decimal("1e-20")
    stored = adjuster.adjusted(first).close
    assert abs(stored - first.close * adjuster.factor(first.day)) <= Decimal("0.000000005")
