"""A position is the fold of its trades, whatever order they come in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_position.domain.actions import fold
from hub_position.domain.position import Holding, PositionStatus, apply
from hub_position.domain.trade import Side, Trade, next_weekday, share

START = datetime(2026, 1, 5, 15, tzinfo=UTC)
ACCOUNT = UUID(int=1)


def trade(side: Side, quantity: str, price: str, minute: int = 0, fee: str = "0") -> Trade:
    return Trade(
        trade_id=uuid4(),
        account_id=ACCOUNT,
        order_id=uuid4(),
        hold_id=uuid4(),
        symbol="AAPL",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        executed_at=START + timedelta(minutes=minute),
        market_time=START + timedelta(minutes=minute),
        settles_on=date(2026, 1, 6),
    )


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=low, max_value=high, places=places, allow_nan=False, allow_infinity=False)


quantities = st.one_of(decimals("0.00000001", "3", 8), decimals("1", "40", 0))
trades = st.lists(
    st.builds(
        lambda side, quantity, price, fee, minute: trade(side, str(quantity), str(price), minute, str(fee)),
        st.sampled_from(Side),
        quantities,
        decimals("0.01", "5000", 4),
        decimals("0", "3", 2),
        st.integers(0, 6),
    ),
    max_size=12,
)


def cash_of(facts: Sequence[Trade]) -> Decimal:
    return sum((fact.net_cash for fact in facts), Decimal(0))


@given(trades)
def test_cash_and_cost_are_realised_profit_less_fees(facts: list[Trade]) -> None:
    holding, _ = fold(facts)
    assert cash_of(facts) + holding.total_cost == holding.realised_pnl - holding.fees


@given(trades)
def test_effects_add_up_to_the_holding(facts: list[Trade]) -> None:
    holding, booked = fold(facts)
    assert sum((b.effect.cost for b in booked), Decimal(0)) == holding.total_cost
    assert sum((b.effect.realised for b in booked), Decimal(0)) == holding.realised_pnl
    bought = sum((f.quantity for f in facts if f.side is Side.BUY), Decimal(0))
    sold = sum((f.quantity for f in facts if f.side is Side.SELL), Decimal(0))
    assert holding.quantity == bought - sold


@given(trades)
def test_only_shares_that_are_there_have_a_cost(facts: list[Trade]) -> None:
    holding = Holding()
    for fact in sorted(facts, key=lambda fact: fact.key):
        holding, effect = apply(holding, fact)
        assert holding.total_cost >= 0
        assert holding.quantity > 0 or holding.total_cost == 0
        assert (holding.status is PositionStatus.CLOSED) == (holding.quantity == 0)
        assert effect.cost_removed >= 0


@given(trades, st.randoms(use_true_random=False))
def test_the_order_of_delivery_does_not_matter(facts: list[Trade], chance: random.Random) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)
    assert fold(shuffled) == fold(facts)


def test_buy_10_sell_4_buy_5_sell_11_and_buy_again() -> None:
    steps = [
        (trade(Side.BUY, "10", "100"), "10", "1000", "0", PositionStatus.ACTIVE),
        (trade(Side.SELL, "4", "110"), "6", "600", "40", PositionStatus.PARTIAL),
        (trade(Side.BUY, "5", "120"), "11", "1200", "40", PositionStatus.PARTIAL),
        (trade(Side.SELL, "11", "130"), "0", "0", "270", PositionStatus.CLOSED),
        (trade(Side.BUY, "3", "90"), "3", "270", "270", PositionStatus.ACTIVE),
    ]
    holding = Holding()
    for fact, quantity, cost, realised, status in steps:
        holding, _ = apply(holding, fact)
        assert (holding.quantity, holding.total_cost) == (Decimal(quantity), Decimal(cost))
        assert (holding.realised_pnl, holding.status) == (Decimal(realised), status)


def test_a_sale_rounds_its_share_of_cost_once_half_to_even() -> None:
    holding, _ = apply(Holding(), trade(Side.BUY, "3", "0.33333333"))
    _, effect = apply(holding, trade(Side.SELL, "1.5", "1"))
    assert holding.total_cost == Decimal("0.99999999")
    assert effect.cost_removed == Decimal("0.5")  # 0.499999995 is a tie: to the even neighbour


def test_what_is_sold_beyond_the_holding_has_no_cost() -> None:
    holding, _ = apply(Holding(), trade(Side.BUY, "2", "10"))
    holding, effect = apply(holding, trade(Side.SELL, "5", "12"))
    assert (effect.cost_removed, effect.realised) == (Decimal(20), Decimal(40))
    assert (holding.quantity, holding.total_cost) == (Decimal(-3), Decimal(0))
    holding, effect = apply(holding, trade(Side.BUY, "4", "11"))
    assert (holding.quantity, holding.total_cost, effect.realised) == (Decimal(1), Decimal(11), Decimal(-33))
    assert holding.status is PositionStatus.ACTIVE


@given(decimals("0", "999999999999", 8), decimals("0.00000001", "999999999999", 8))
def test_a_share_of_the_largest_amounts_is_exact(amount: Decimal, part: Decimal) -> None:
    assert share(amount, part, part) == amount


@settings(max_examples=30)
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_the_next_weekday_is_neither_saturday_nor_sunday(day: date) -> None:
    following = next_weekday(day)
    assert following.weekday() < 5
    assert timedelta(days=1) <= following - day <= timedelta(days=3)


@pytest.mark.parametrize(("side", "cash"), [(Side.BUY, "-1001.5"), (Side.SELL, "998.5")])
def test_a_trade_moves_its_gross_and_its_fee(side: Side, cash: str) -> None:
    assert trade(side, "10", "100", fee="1.5").net_cash == Decimal(cash)
