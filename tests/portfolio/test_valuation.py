"""What holdings are worth at given prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.valuation import Cash, Holding, summarise, value

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


def mark(price: str, *, fresh: bool = True) -> Mark:
    return Mark(name="X", asset_class="STOCK", price=Decimal(price), price_at=NOW, fresh=fresh)


def amounts(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=low, max_value=high, places=places, allow_nan=False, allow_infinity=False)


def test_a_summary_adds_up_open_positions_and_keeps_what_closed_ones_earned() -> None:
    holdings = [
        holding("AAPL", "6", "600", realised="40", fees="1"),
        holding("MSFT", "2", "500"),
        holding("IBM", "0", "0", realised="-15", fees="2"),
    ]
    found = summarise(CASH, holdings, {"AAPL": mark("110"), "MSFT": mark("200")}, now=NOW)
    assert [found.invested, found.market_value, found.unrealised_pnl] == [1100, 1060, -40]
    assert [found.realised_pnl, found.fees] == [25, 3]
    assert (found.total, found.stale) == (Decimal("2060.5"), False)
    assert [position.holding.symbol for position in found.positions] == ["AAPL", "MSFT"]
    assert [position.weight for position in found.positions] == [Decimal("62.26"), Decimal("37.74")]


def test_a_missing_price_leaves_its_value_out_and_makes_the_answer_stale() -> None:
    holdings = [holding("AAPL", "6", "600"), holding("MSFT", "2", "500")]
    found = summarise(CASH, holdings, {"AAPL": mark("110")}, now=NOW)
    priced, unpriced = found.positions
    assert [found.invested, found.market_value, found.unrealised_pnl] == [1100, 660, 60]
    assert found.stale
    assert [priced.stale, priced.weight] == [False, 100]
    assert (unpriced.stale, unpriced.market_value, unpriced.weight) == (True, None, None)


def test_an_old_price_counts_and_is_marked() -> None:
    found = summarise(CASH, [holding("AAPL", "6", "600")], {"AAPL": mark("110", fresh=False)}, now=NOW)
    assert [found.market_value, found.stale] == [660, True]


def test_nothing_owned_is_worth_the_cash_and_not_stale() -> None:
    found = summarise(CASH, [], {}, now=NOW)
    assert [found.total, found.market_value, found.stale] == [Decimal("1000.5"), 0, False]


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
    found = summarise(CASH, holdings, marks, now=NOW)
    assert found.total == CASH.cash + found.market_value
    assert found.unrealised_pnl == found.market_value - found.invested
    weights = sum((each.weight or Decimal(0) for each in value(holdings, marks)), Decimal(0))
    assert found.market_value == 0 or abs(weights - 100) <= Decimal("0.005") * len(rows)
