"""Fees are held with the price, charged once for each trade, and never more than was held."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_position.domain.fees import FeeSchedule, fee_of
from hub_position.domain.hold import amount
from hub_position.domain.placing import HoldRequest
from hub_position.domain.trade import Side, share
from hub_position.settings import PositionSettings
from hub_position.usecases import reprice_holds
from tests.position.world import Owner, World, ending, execution, hold_of

RATE = Decimal("0.0025")


def paying(owner: Owner, side: Side, quantity: str, price: str = "0") -> HoldRequest:
    return replace(hold_of(owner, side, quantity, price), fee_rate=RATE)


async def test_a_purchase_holds_its_fee_and_pays_it_part_by_part(world: World) -> None:
    owner = await world.owner()
    hold = paying(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    assert (await world.balance(owner)).account.held == Decimal("1002.5")
    await world.book([execution(hold, "100", quantity="4")])
    account = (await world.balance(owner)).account
    assert account.held == Decimal("601.5")
    assert account.cash == Decimal(99599)
    await world.book([execution(hold, "90", quantity="6", minute=1)], [ending(hold, quantity="10", count=2)])
    account = (await world.balance(owner)).account
    assert account.held == 0
    assert account.cash == 100_000 - 401 - Decimal("541.35")
    position = await world.position(owner)
    assert position.holding.fees == Decimal("2.35")
    assert position.holding.total_cost == 940
    await world.assert_balanced(owner)


async def test_a_sale_pays_its_fee_from_its_proceeds(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    hold = paying(owner, Side.SELL, "10")
    await world.hold(hold)
    await world.book([execution(hold, "120")], [ending(hold, quantity="10", count=1)])
    assert (await world.balance(owner)).account.cash == 100_000 + 200 - 3
    position = await world.position(owner)
    assert (position.holding.realised_pnl, position.holding.fees) == (Decimal(200), Decimal(3))
    await world.assert_balanced(owner)


async def test_who_has_the_price_but_not_the_fee_is_refused(world: World) -> None:
    owner = await world.owner()
    [refused] = await world.hold(paying(owner, Side.BUY, "1000", "100"))
    assert (refused.code, refused.available, refused.required) == (
        "insufficient_funds",
        Decimal(100_000),
        Decimal(100_250),
    )


async def test_another_price_is_held_with_its_fee(world: World) -> None:
    owner = await world.owner()
    hold = paying(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    [answer] = await reprice_holds([(hold.hold_id, Decimal(200))], pool=world.pool)
    assert answer.granted
    assert (await world.balance(owner)).account.held == 2005
    await world.assert_balanced(owner)


async def test_a_purchase_by_value_pays_its_fee_beside_the_value(world: World) -> None:
    owner = await world.owner()
    hold = replace(paying(owner, Side.BUY, "1000", "1"), by_value=True)
    await world.hold(hold)
    assert (await world.balance(owner)).account.held == Decimal("1002.5")
    await world.book([execution(hold, "250", quantity="4")], [ending(hold, quantity="4", count=1)])
    account = (await world.balance(owner)).account
    assert account.held == 0
    assert account.cash == Decimal("98997.5")
    await world.assert_balanced(owner)


async def test_the_rate_is_that_of_the_hold_whatever_the_trade_came_with(world: World) -> None:
    owner = await world.owner()
    hold = paying(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    [entry] = await world.book([execution(hold, "100", fee="7")], [ending(hold, quantity="10", count=1)])
    assert entry.trade.fee == Decimal("2.5")
    free = hold_of(owner, Side.BUY, "10", "100")
    [entry] = await world.book([execution(free, "100", minute=1, fee="7")])
    assert entry.trade.fee == 7
    await world.assert_balanced(owner)


@given(
    parts=st.lists(st.decimals("0.00000001", "1000", places=8), min_size=1, max_size=8),
    price=st.decimals("0.01", "5000", places=2),
    rate=st.decimals("0", "0.5", places=8),
)
def test_parts_never_cost_more_in_fees_than_the_whole(
    parts: list[Decimal], price: Decimal, rate: Decimal
) -> None:
    values = [share(price, part, Decimal(1)) for part in parts]
    assert sum(fee_of(value, rate) for value in values) <= fee_of(sum(values, Decimal(0)), rate)
    held = amount(Side.BUY, sum(parts, Decimal(0)), price, rate)
    rounded = Decimal("0.00000001") * len(parts)
    assert sum(value + fee_of(value, rate) for value in values) <= held + rounded


def test_a_class_may_have_a_rate_of_its_own() -> None:
    schedule = FeeSchedule(Decimal("0.001"), {"CRYPTO": RATE})
    assert (schedule.rate("CRYPTO"), schedule.rate("STOCK"), schedule.rate("")) == (
        RATE,
        Decimal("0.001"),
        Decimal("0.001"),
    )


@pytest.mark.parametrize("text", ["1", "-0.1", "x", "NaN", "Infinity", "0.000000001"])
def test_a_rate_that_is_no_share_stops_the_process_at_its_start(text: str) -> None:
    fields = PositionSettings.__dataclass_fields__
    for name, wrong in (("fee_rate", text), ("fee_rate_by_class", f"CRYPTO={text}")):
        with pytest.raises(ValueError, match="must be"):
            fields[name].metadata["parse"](wrong)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("GOLD=0.1", "GOLD is none of"),
        ("CRYPTO", "must be like"),
        ("CRYPTO=0.1,CRYPTO=0.2", "CRYPTO is there twice"),
    ],
)
def test_a_class_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PositionSettings.__dataclass_fields__["fee_rate_by_class"].metadata["parse"](text)
