"""Holds of a percentage, by value, and up to a limit; and that two processes never overspend."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_position.domain.placing import HoldRequest, part_of
from hub_position.domain.trade import Side
from hub_position.usecases import place_holds
from hub_postgres import connect_pool
from hub_runtime import utc_now
from tests.position.world import DEPOSIT, Owner, World, ending, execution, hold_of
from tests.support.servers import Database

ROUNDS = 10


def part_hold(owner: Owner, percentage: str) -> HoldRequest:
    return replace(hold_of(owner, Side.SELL, "0"), percentage=Decimal(percentage))


def by_value(owner: Owner, cash: str) -> HoldRequest:
    return replace(hold_of(owner, Side.BUY, cash, "1"), by_value=True)


def limited(owner: Owner, quantity: str, most: str, price: str = "1") -> HoldRequest:
    return replace(hold_of(owner, Side.BUY, quantity, price), most_position=Decimal(most))


async def test_a_percentage_is_of_what_can_be_sold_and_the_answer_says_how_much(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    third = part_hold(owner, "33.3333333")
    rest = part_hold(owner, "100")
    for _ in range(2):
        answers = await world.hold(third, rest)
        assert [answer.quantity for answer in answers] == [Decimal("3.33333333"), Decimal("6.66666667")]
        assert (await world.position(owner)).held == 10
    [nothing] = await world.hold(part_hold(owner, "100"))
    assert (nothing.granted, nothing.code, nothing.available) == (False, "insufficient_shares", Decimal(0))
    [unknown] = await world.hold(replace(part_hold(owner, "50"), symbol="MSFT"))
    assert unknown.code == "insufficient_shares"
    await world.assert_balanced(owner)


@given(
    st.decimals(0, 10**11, places=8, allow_nan=False),
    st.decimals("0.00000001", 100, places=8, allow_nan=False),
)
def test_a_percentage_is_rounded_down_to_8_places(sellable: Decimal, percentage: Decimal) -> None:
    part = part_of(sellable, percentage)
    assert 0 <= part <= sellable
    assert part * 100 <= sellable * percentage < (part + Decimal("0.00000001")) * 100
    assert part_of(sellable, Decimal(100)) == sellable
    assert part_of(-sellable, percentage) == 0


@given(
    st.decimals(0, 10**11, places=8, allow_nan=False),
    st.decimals("0.00000001", 100, places=8, allow_nan=False),
    st.sampled_from([Decimal(1), Decimal(100), Decimal("0.001")]),
)
def test_a_percentage_is_rounded_down_to_the_lot(
    sellable: Decimal, percentage: Decimal, lot_size: Decimal
) -> None:
    part = part_of(sellable, percentage, lot_size)
    assert part % lot_size == 0
    assert part <= part_of(sellable, percentage) < part + lot_size


async def test_of_whole_shares_a_percentage_is_whole_and_never_less_than_one_lot(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "7", "100")
    half, part = (replace(part_hold(owner, percentage), lot_size=Decimal(1)) for percentage in ("50", "24.9"))
    answers = await world.hold(half, part)
    assert [answer.quantity for answer in answers] == [Decimal(3), None]
    refused = answers[1]
    assert (refused.code, refused.available, refused.required) == (
        "insufficient_shares",
        Decimal(4),
        Decimal(1),
    )
    assert (await world.position(owner)).held == 3


async def test_a_hold_by_value_pays_what_executions_cost_and_frees_the_rest_at_the_end(world: World) -> None:
    owner = await world.owner()
    hold = by_value(owner, "1000")
    [answer] = await world.hold(hold)
    assert answer.quantity == 1000
    held = [(await world.balance(owner)).account.held]
    fills = [execution(hold, "300", quantity="2"), execution(hold, "310", quantity="1.29032258", minute=1)]
    for fill in fills:
        await world.book([fill])
        held.append((await world.balance(owner)).account.held)
        await world.assert_balanced(owner)
    assert held == [1000, 400, Decimal("0.00000020")], "what no share could be bought for is still held"
    await world.book(ended=[ending(hold, quantity="3.29032258", count=2)])
    account = (await world.balance(owner)).account
    assert [account.held, account.cash] == [0, DEPOSIT - Decimal("999.99999980")]
    assert account.status.value == "ACTIVE", "shares are not compared with cash"


async def test_a_hold_by_value_waits_for_all_executions_that_its_end_counts(world: World) -> None:
    owner = await world.owner()
    hold = by_value(owner, "1000")
    await world.hold(hold)
    await world.book([execution(hold, "100", quantity="2")], [ending(hold, quantity="5", count=2)])
    assert (await world.balance(owner)).account.held == 800
    await world.book([execution(hold, "100", quantity="3", minute=1)])
    assert (await world.balance(owner)).account.held == 0
    await world.assert_balanced(owner)


async def test_a_purchase_beyond_the_limit_of_the_position_is_refused_with_what_fits(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "1")
    resting = hold_of(owner, Side.BUY, "5", "1")
    await world.hold(resting, hold_of(owner, Side.BUY, "50", "1", symbol="MSFT"), by_value(owner, "70"))
    await world.book([execution(resting, "1", quantity="2")])
    [refused, fits, full] = await world.hold(
        limited(owner, "6", "20"), limited(owner, "5", "20"), limited(owner, "0.00000001", "20")
    )
    assert [refused.code, refused.available, refused.required] == ["position_limit", 5, 6]
    assert fits.granted
    assert [full.code, full.available] == ["position_limit", 0]
    [sale] = await world.hold(replace(hold_of(owner, Side.SELL, "12"), most_position=Decimal(1)))
    assert sale.granted, "a limit binds purchases only"
    await world.book(ended=[ending(resting, quantity="2", count=1)])
    [freed] = await world.hold(limited(owner, "3", "20"))
    assert freed.granted, "what ended is not bought any more"


async def test_an_order_that_is_replaced_does_not_count_twice(world: World) -> None:
    owner = await world.owner()
    old = limited(owner, "20", "20")
    await world.hold(old)
    await world.book([execution(old, "1", quantity="5")])
    beyond, fits = await world.hold(
        *(
            replace(
                limited(owner, quantity, "20"),
                replaced_hold_id=old.hold_id,
                replaced_filled_quantity=Decimal(8),
            )
            for quantity in ("12.5", "12")
        )
    )
    assert [beyond.code, beyond.available] == ["position_limit", 12], "5 are booked, 3 are not yet"
    assert fits.granted


async def place_from_two(
    world: World, database: Database, batches: Sequence[Sequence[HoldRequest]]
) -> list[bool]:
    """At once, by turns from the pools of two processes."""
    login = database.runtime
    async with await connect_pool(login.url, login.password, size=4) as second:
        pools = [world.pool if index % 2 else second for index in range(len(batches))]
        placed = await asyncio.gather(
            *(
                place_holds(batch, pool=pool, deposit=DEPOSIT, now=utc_now())
                for pool, batch in zip(pools, batches, strict=True)
            )
        )
    return [answer.granted for answers in placed for answer in answers]


def one_of_8(kind: str, owner: Owner, old: HoldRequest) -> HoldRequest:
    match kind:
        case "by value":
            return by_value(owner, "27000")
        case "in place of others":
            return replace(hold_of(owner, Side.BUY, "1", "18000"), replaced_hold_id=old.hold_id)
        case "limited":
            return limited(owner, "3", "20")
        case _:
            return part_hold(owner, "60")


@pytest.mark.parametrize(
    ("kind", "fit"), [("by value", 3), ("in place of others", 3), ("limited", 3), ("percentage", 8)]
)
async def test_two_processes_at_once_never_set_more_aside_than_there_is(
    world: World, position_database: Database, kind: str, fit: int
) -> None:
    for _ in range(ROUNDS):
        owner = await world.owner()
        await world.trade(owner, Side.BUY, "10", "100")
        olds = [hold_of(owner, Side.BUY, "1", "9000") for _ in range(8)]
        if kind == "in place of others":
            await world.hold(*olds)
        granted = await place_from_two(
            world, position_database, [[one_of_8(kind, owner, old)] for old in olds]
        )
        await world.assert_balanced(owner)
        account, position = (await world.balance(owner)).account, await world.position(owner)
        assert account.buying_power >= 0
        assert position.sellable >= 0
        assert sum(granted) == fit
