"""What holdings are worth at given prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_portfolio.domain import history
from hub_portfolio.domain.history import OpenBooks, Owned
from hub_portfolio.domain.mark import Mark, Split
from hub_portfolio.domain.valuation import Books, Cash, Holding, Summary, summarise, value

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
CASH = Cash("USD", Decimal("1000.5"), Decimal(900))


def holding(symbol: str, quantity: str, cost: str, *, realised: str = "0", fees: str = "0") -> Holding:
    shares = Decimal(quantity)
    return Holding(
        symbol=symbol,
        quantity=shares,
        held=Decimal(0),
        total_cost=Decimal(cost),
        average_price=Decimal(cost) / shares if shares > 0 else None,
        realised_pnl=Decimal(realised),
        fees=Decimal(fees),
        status="ACTIVE" if shares else "CLOSED",
    )


def mark(price: str, *, close: str = "", kind: str = "STOCK", fresh: bool = True) -> Mark:
    return Mark(
        name="X",
        asset_class=kind,
        price=Decimal(price),
        price_at=NOW,
        fresh=fresh,
        previous_close=Decimal(close) if close else None,
    )


def summary_of(holdings: Sequence[Holding], marks: Mapping[str, Mark]) -> Summary:
    return summarise(Books(CASH, holdings), marks, now=NOW)


def amounts(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=low, max_value=high, places=places, allow_nan=False, allow_infinity=False)


def test_a_summary_adds_up_open_positions_and_keeps_what_closed_ones_earned() -> None:
    holdings = [
        holding("AAPL", "6", "600", realised="40", fees="1"),
        holding("MSFT", "2", "500"),
        holding("IBM", "0", "0", realised="-15", fees="2"),
    ]
    found = summary_of(holdings, {"AAPL": mark("110"), "MSFT": mark("200")})
    assert [found.sums.invested, found.sums.market_value, found.sums.unrealised_pnl] == [1100, 1060, -40]
    assert [found.realised_pnl, found.fees] == [25, 3]
    assert (found.total, found.sums.stale) == (Decimal("2060.5"), False)
    assert [position.holding.symbol for position in found.positions] == ["AAPL", "MSFT"]
    assert [position.weight for position in found.positions] == [Decimal("62.26"), Decimal("37.74")]


def test_a_missing_price_leaves_its_value_out_and_makes_the_answer_stale() -> None:
    holdings = [holding("AAPL", "6", "600"), holding("MSFT", "2", "500")]
    found = summary_of(holdings, {"AAPL": mark("110")})
    priced, unpriced = found.positions
    assert [found.sums.invested, found.sums.market_value, found.sums.unrealised_pnl] == [1100, 660, 60]
    assert found.sums.stale
    assert [priced.stale, priced.weight] == [False, 100]
    assert (unpriced.stale, unpriced.market_value, unpriced.weight) == (True, None, None)


def test_an_old_price_counts_and_is_marked() -> None:
    found = summary_of([holding("AAPL", "6", "600")], {"AAPL": mark("110", fresh=False)})
    assert [found.sums.market_value, found.sums.stale] == [660, True]


def test_nothing_owned_is_worth_the_cash_and_not_stale() -> None:
    found = summary_of([], {})
    assert [found.total, found.sums.market_value, found.sums.stale] == [Decimal("1000.5"), 0, False]


@given(
    st.lists(
        st.tuples(
            amounts("0.00000001", "999999", 8), amounts("0", "999999", 8), amounts("0.0001", "99999", 4)
        ),
        max_size=6,
    )
)
def test_totals_are_the_sums_of_the_positions(rows: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    holdings = [holding(f"S{i}", str(q), str(cost)) for i, (q, cost, _) in enumerate(rows)]
    marks = {f"S{i}": mark(str(price)) for i, (_, _, price) in enumerate(rows)}
    found = summary_of(holdings, marks)
    assert found.total == CASH.cash + found.sums.market_value
    assert found.sums.unrealised_pnl == found.sums.market_value - found.sums.invested
    weights = sum((each.weight or Decimal(0) for each in value(holdings, marks)), Decimal(0))
    assert found.sums.market_value == 0 or abs(weights - 100) <= Decimal("0.005") * len(rows)


def test_the_change_of_the_day_is_of_what_is_held_since_the_previous_close() -> None:
    holdings = [holding("AAPL", "6", "600"), holding("MSFT", "2", "500"), holding("NEW", "5", "50")]
    marks = {"AAPL": mark("110", close="100"), "MSFT": mark("190", close="200"), "NEW": mark("11")}
    found = summary_of(holdings, marks)
    apple, microsoft, new = found.positions
    assert [apple.day_change, apple.mark.change_percent] == [60, 10]
    assert [microsoft.day_change, microsoft.mark.change_percent] == [-20, -5]
    assert (new.day_change, new.mark.change_percent) == (None, None)
    # 40 of the 1000 that the two were worth at the close; the third had none.
    assert [found.sums.day_change, found.sums.day_change_percent] == [40, 4]


def test_a_missing_price_or_close_has_no_change_and_leaves_the_others_theirs() -> None:
    holdings = [holding("AAPL", "6", "600"), holding("MSFT", "2", "500")]
    found = summary_of(holdings, {"AAPL": mark("110", close="100")})
    assert [found.sums.day_change, found.sums.day_change_percent] == [60, 10]
    assert [found.sums.unrealised_pnl, found.sums.unrealised_pnl_percent] == [60, 10]
    nothing = summary_of(holdings, {})
    assert [nothing.sums.day_change, nothing.sums.market_value] == [0, 0]
    assert (nothing.sums.day_change_percent, nothing.sums.unrealised_pnl_percent) == (None, None)


def test_categories_are_the_asset_classes_with_what_their_positions_come_to() -> None:
    holdings = [
        holding("AAPL", "6", "600"),
        holding("SPY", "1", "200"),
        holding("MSFT", "2", "500"),
        holding("GONE", "1", "70"),
    ]
    marks = {
        "AAPL": mark("110", close="100"),
        "MSFT": mark("170", close="200", fresh=False),
        "SPY": mark("250", kind="ETF"),
    }
    found = summary_of(holdings, marks)
    etf, stock, unknown = found.categories
    assert [etf.asset_class, stock.asset_class, unknown.asset_class] == ["ETF", "STOCK", ""]
    assert [etf.sums.market_value, etf.sums.unrealised_pnl, etf.weight] == [250, 50, 20]
    assert [etf.sums.unrealised_pnl_percent, etf.sums.stale] == [25, False]
    assert [each.holding.symbol for each in stock.positions] == ["AAPL", "MSFT"]
    assert [stock.sums.invested, stock.sums.market_value, stock.weight] == [1100, 1000, 80]
    assert [stock.sums.unrealised_pnl, stock.sums.unrealised_pnl_percent] == [-100, Decimal("-9.09")]
    assert [stock.sums.day_change, stock.sums.day_change_percent, stock.sums.stale] == [0, 0, True]
    assert [unknown.sums.invested, unknown.sums.market_value, unknown.weight] == [70, 0, None]
    assert unknown.sums.stale


def test_what_was_sold_beyond_the_holding_has_no_percentages_that_mean_nothing() -> None:
    found = summary_of([holding("AAPL", "-2", "0")], {"AAPL": mark("110", close="100")})
    [position] = found.positions
    assert [position.market_value, position.day_change, position.weight] == [-220, -20, 0]
    assert (position.unrealised_pnl_percent, found.sums.day_change_percent) == (None, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["STOCK", "ETF", "CRYPTO", ""]),
            amounts("0.00000001", "999999", 8),
            amounts("0", "999999", 8),
            st.none() | amounts("0.0001", "99999", 4),
            st.none() | amounts("0.0001", "99999", 4),
        ),
        max_size=8,
    )
)
def test_categories_add_up_to_the_whole(
    rows: list[tuple[str, Decimal, Decimal, Decimal | None, Decimal | None]],
) -> None:
    holdings = [
        holding(f"S{i}", str(quantity), str(cost)) for i, (_, quantity, cost, _, _) in enumerate(rows)
    ]
    marks = {
        f"S{i}": Mark(asset_class=kind, price=price, previous_close=close)
        for i, (kind, _, _, price, close) in enumerate(rows)
    }
    found = summary_of(holdings, marks)
    for name in ("invested", "market_value", "unrealised_pnl", "day_change"):
        parts = (getattr(category.sums, name) for category in found.categories)
        assert sum(parts, Decimal(0)) == getattr(found.sums, name)
    assert sum(len(category.positions) for category in found.categories) == len(rows)
    weights = sum((category.weight or Decimal(0) for category in found.categories), Decimal(0))
    assert found.sums.market_value == 0 or abs(weights - 100) <= Decimal("0.02")


SPLIT_AT = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
OLD = Mark(
    price=Decimal(400), previous_close=Decimal(396), quoted_at=SPLIT_AT - timedelta(hours=17), fresh=True
)
NEW = Mark(price=Decimal("100.5"), previous_close=Decimal(100), quoted_at=SPLIT_AT, fresh=True)


@pytest.mark.parametrize(
    ("mark", "quantity", "split", "worth", "change"),
    [
        (OLD, "10", None, "4000", "40"),
        (OLD, "40", Split(SPLIT_AT, Decimal(4)), "4000", "40"),
        (NEW, "40", Split(SPLIT_AT, Decimal(4)), "4020", "20"),
    ],
    ids=["before the split", "split, not yet quoted", "quoted in new shares"],
)
def test_a_split_is_neither_a_loss_nor_a_gain(
    mark: Mark, quantity: str, split: Split | None, worth: str, change: str
) -> None:
    """The quantity and the price come from two places: each says which shares it is of."""
    [valued] = value([replace(holding("AAPL", quantity, "1000"), split=split)], {"AAPL": mark})
    assert (valued.market_value, valued.day_change) == (Decimal(worth), Decimal(change))
    owned = Owned("AAPL", Decimal(quantity), Decimal(1000), split)
    books = OpenBooks(UUID(int=1), Decimal(500), Decimal(1500), 1, SPLIT_AT, [owned])
    assert books.equity({"AAPL": mark}) == Decimal(worth) + 500


def test_a_dividend_is_a_return_and_no_deposit() -> None:
    """It comes into cash while the price falls by it; nothing was paid in."""
    owned = [Owned("AAPL", Decimal(10), Decimal(1000))]
    day, paid_in = SPLIT_AT.date(), Decimal(1000)
    before = history.valued(
        OpenBooks(UUID(int=1), Decimal(0), paid_in, 1, SPLIT_AT, owned),
        {"AAPL": Mark(price=Decimal(100))},
        before=None,
        at=SPLIT_AT,
        day=day,
    )
    after = history.valued(
        OpenBooks(UUID(int=1), Decimal(20), paid_in, 2, SPLIT_AT, owned),
        {"AAPL": Mark(price=Decimal(99))},
        before=before,
        at=SPLIT_AT + timedelta(days=1),
        day=day,
    )
    assert (before.growth, after.growth) == (Decimal(1), Decimal("1.01"))
