"""Holds at another price: a rise needs the cash, a fall frees it, and the same once more changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.domain.trade import Side
from hub_position.usecases import place_holds, reprice_holds
from hub_postgres import Pool, connect_pool
from hub_runtime import utc_now
from tests.position.world import DEPOSIT, Owner, World, ending, execution, hold_of, replacing
from tests.support.servers import Database

ROUNDS = 10


async def reprice(
    world: World, *prices: tuple[HoldRequest, str], pool: Pool | None = None
) -> list[HoldAnswer]:
    asked = [(hold.hold_id, Decimal(price)) for hold, price in prices]
    return await reprice_holds(asked, pool=pool or world.pool)


async def held(world: World, owner: Owner) -> Decimal:
    await world.assert_balanced(owner)
    return (await world.balance(owner)).account.held


async def placed(world: World, owner: Owner, *terms: tuple[str, str]) -> list[HoldRequest]:
    holds = [hold_of(owner, Side.BUY, quantity, price) for quantity, price in terms]
    assert all(answer.granted for answer in await world.hold(*holds))
    return holds


async def test_a_rise_needs_the_cash_and_a_fall_frees_it(world: World) -> None:
    owner = await world.owner()
    first, second = await placed(world, owner, ("100", "100"), ("100", "800"))
    for _ in range(2):
        [answer] = await reprice(world, (first, "150"))
        assert (answer.granted, answer.standing_hold_id, answer.quantity) == (
            True,
            first.hold_id,
            Decimal(100),
        )
        assert await held(world, owner) == 95_000
    [refused] = await reprice(world, (first, "200.01"))
    assert (refused.granted, refused.code) == (False, "insufficient_funds")
    assert [refused.available, refused.required] == [5_000, 5_001]
    fall_pays = await reprice(world, (second, "700"), (first, "300"))
    assert [answer.granted for answer in fall_pays] == [True, True]
    assert await held(world, owner) == DEPOSIT


async def test_what_is_booked_keeps_its_price(world: World) -> None:
    owner = await world.owner()
    [hold] = await placed(world, owner, ("10", "100"))
    await world.book([execution(hold, "100", quantity="4")])
    await reprice(world, (hold, "110"))
    assert await held(world, owner) == 660
    await world.book([execution(hold, "110", quantity="6", minute=1)])
    assert await held(world, owner) == 0


async def test_shares_and_holds_by_value_stay_as_they_are(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    sale, value = hold_of(owner, Side.SELL, "4"), replace(hold_of(owner, Side.BUY, "500", "1"), by_value=True)
    await world.hold(sale, value)
    answers = await reprice(world, (sale, "7"), (value, "7"))
    assert [answer.quantity for answer in answers if answer.granted] == [4, 500]
    assert await held(world, owner) == 500


async def test_a_hold_that_is_gone_is_refused(world: World) -> None:
    owner = await world.owner()
    ended, released = await placed(world, owner, ("1", "1"), ("1", "1"))
    await world.book(ended=[ending(ended, quantity="0", count=0)])
    await world.settle(released=[released])
    unknown = replace(ended, hold_id=uuid4())
    answers = await reprice(world, (ended, "2"), (released, "2"), (unknown, "2"))
    assert {(answer.granted, answer.code) for answer in answers} == {(False, "hold_released")}


async def test_a_hold_that_another_one_covers_rises_by_what_it_needs_more(world: World) -> None:
    owner = await world.owner()
    [old] = await placed(world, owner, ("10", "100"))
    new = replace(hold_of(owner, Side.BUY, "10", "90"), replaced_hold_id=old.hold_id)
    await world.hold(new)
    await reprice(world, (new, "120"))
    assert await held(world, owner) == 1300, "900 of its 1200 are the old hold's"
    await world.book(replaced=[replacing(old, new, quantity="0", count=0)])
    assert await held(world, owner) == 1200, "the price of the swap is an older one"


async def test_two_processes_at_once_never_raise_more_than_there_is(
    world: World, position_database: Database
) -> None:
    login = position_database.runtime
    async with await connect_pool(login.url, login.password, size=4) as second:
        for _ in range(ROUNDS):
            owner = await world.owner()
            holds = await placed(world, owner, *[("1", "10000")] * 6)
            pools = [world.pool, second] * 3
            news: Sequence[HoldRequest] = [hold_of(owner, Side.BUY, "1", "15000") for _ in range(2)]
            answers = await asyncio.gather(
                *(
                    reprice(world, (hold, "25000"), pool=pool)
                    for hold, pool in zip(holds, pools, strict=True)
                ),
                *(place_holds([new], pool=second, deposit=DEPOSIT, now=utc_now()) for new in news),
            )
            rises = [15_000 for [answer] in answers if answer.granted]
            assert await held(world, owner) == 60_000 + sum(rises)
            assert len(rises) == 2
