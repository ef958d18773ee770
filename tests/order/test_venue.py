"""The simulated venue: buys at the ask, sells at the bid, never beyond the worst price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_order.domain import Order, Side, fill
from hub_order.venue import FillModel
from tests.order import build

venue = FillModel()
PRICES = st.decimals("1", "200", places=2)


@pytest.mark.parametrize(
    ("order", "price"),
    [
        (build.order(), "100"),
        (build.order(side=Side.SELL), "99"),
        (build.order(limit_price="100"), "100"),
        (build.order(limit_price="103"), "100"),
        (build.order(limit_price="99.99"), None),
        (build.order(side=Side.SELL, limit_price="99"), "99"),
        (build.order(side=Side.SELL, limit_price="95"), "99"),
        (build.order(side=Side.SELL, limit_price="99.01"), None),
        (build.order(protection_price=Decimal("99.99")), None),
    ],
)
def test_price(order: Order, price: str | None) -> None:
    filled = venue.fill(order, build.quote(bid="99", ask="100"))
    assert (None if filled is None else str(filled.price)) == price
    assert filled is None or filled.quantity == order.quantity


@given(limit=PRICES, bid=PRICES, spread=st.decimals("0", "5", places=2), side=st.sampled_from(Side))
def test_never_worse_than_the_limit_and_never_better_than_the_quote(
    limit: Decimal, bid: Decimal, spread: Decimal, side: Side
) -> None:
    order = build.order(side=side, limit_price=str(limit))
    filled = venue.fill(order, build.quote(bid=str(bid), ask=str(bid + spread)))
    if side is Side.BUY:
        assert (filled is not None) == (bid + spread <= limit)
        assert filled is None or filled.price == bid + spread
    else:
        assert (filled is not None) == (bid >= limit)
        assert filled is None or filled.price == bid


def test_the_id_of_a_fill_follows_from_the_order_and_the_quote() -> None:
    order = build.order()
    ids = []
    for quote in (build.quote(), build.quote(), build.quote(seq=2), build.quote(epoch=2)):
        filled = venue.fill(order, quote)
        assert filled is not None
        ids.append(filled.venue_execution_id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_filled_order_gets_nothing_more() -> None:
    order = build.order()
    assert venue.fill(fill(order, build.execution(order, "10")).order, build.quote(seq=2)) is None
