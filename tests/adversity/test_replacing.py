"""Replacements while other things happen to the order: never more than the account has, never less than the
new order needs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from uuid import UUID

import pytest

from hub_errors import Conflict, HubError, Refused
from hub_order.domain import Status
from hub_order.venue import FillModel
from hub_runtime import CrashPointError
from hub_runtime.crash_points import armed
from tests.adversity.asking import handed, quote, replaced, replacing, resting
from tests.adversity.checks import assert_right
from tests.adversity.platform import Platform, order_process
from tests.adversity.venues import InterruptedVenue
from tests.support.tokens import TokenUser as User


async def partly_filled(both: Platform, user: User, shown: str = "4") -> UUID:
    """10 at 98, of which so many are filled at 97; position has not heard of that yet."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await resting(both, user, limit_price="98")
    await handed(both, order_id, quote(both, "97", shown))
    assert (await both.order(order_id)).status is Status.PARTIALLY_EXECUTED
    return order_id


async def test_executions_that_are_not_booked_pay_for_nothing_else(both: Platform) -> None:
    """980 are held, of which 388 are spent already: they do not cover the new order."""
    user = await both.user(Decimal(2000))
    order_id = await partly_filled(both, user)
    with pytest.raises(Refused) as refused:
        await replaced(both, user, replacing(order_id, quantity="24"))
    assert refused.value.code == "insufficient_funds"
    await both.through()
    await both.sweep()
    await assert_right(both, [user])


async def test_a_replacement_can_use_all_that_the_old_order_leaves(both: Platform) -> None:
    """2000 - 388 spent - 1568 for the new one: that is enough, before the executions are booked as well."""
    user = await both.user(Decimal(2000))
    order_id = await partly_filled(both, user)
    await replaced(both, user, replacing(order_id, quantity="20"))
    await both.through()
    await assert_right(both, [user])


async def test_a_replacement_sent_again_after_a_crash_and_a_fill_holds_what_it_needs(
    both: Platform, user: User
) -> None:
    """The hold of the first try was for 20, and 16 are left."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await resting(both, user, limit_price="98")
    request = replacing(order_id, quantity="20")
    with armed("order.replace.after_hold=error"), pytest.raises(CrashPointError):
        await replaced(both, user, request)
    await both.restart()
    await handed(both, order_id, quote(both, "97", "4"))
    answer = await replaced(both, user, request)
    assert answer.order.quantity == "16"
    await both.through()
    await both.sweep()
    await assert_right(both, [user])


async def test_a_replacement_sent_twice_at_once_keeps_its_hold(both: Platform, user: User) -> None:
    """The second one loses the swap; it must not give back the hold that the first one's order has."""
    order_id = await resting(both, user)
    request = replacing(order_id, quantity="12")
    first, second = await asyncio.gather(
        replaced(both, user, request), replaced(both, user, request), return_exceptions=False
    )
    assert first.order == second.order
    await both.through()
    await assert_right(both, [user])


async def test_a_replacement_that_lost_to_its_twin_gives_nothing_back(both: Platform, user: User) -> None:
    """The same in the worst order: the whole swap of a twin in another process lies between this one's hold
    and its swap."""
    order_id = await resting(both, user)
    request = replacing(order_id, quantity="12")
    async with AsyncExitStack() as life:
        other = await order_process(both, life)

        async def twin() -> None:
            await replaced(both, user, request, other.desk)

        both.wire.meanwhile = twin
        answer = await replaced(both, user, request)
    assert answer.repeated
    await both.through()
    await assert_right(both, [user])


async def test_two_holds_of_a_replacement_that_never_came_are_given_back(both: Platform, user: User) -> None:
    """The first try met a fill and could not give its hold back; after the second the process died."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await resting(both, user, limit_price="98")
    request = replacing(order_id, quantity="20")
    with armed("order.replace.after_hold=error"), pytest.raises(CrashPointError):
        await replaced(both, user, request)
    await handed(both, order_id, quote(both, "97", "4"))
    with armed("order.replace.after_hold=error"), pytest.raises(CrashPointError):
        await replaced(both, user, request)
    await both.restart()
    await both.sweep()
    await both.through()
    await assert_right(both, [user])
    with pytest.raises(Conflict) as gone:
        await replaced(both, user, request)
    assert gone.value.code == "order_abandoned"


@pytest.mark.parametrize("quantity", ["20", "6"], ids=["up", "down"])
@pytest.mark.parametrize("fill_first", [True, False], ids=["the fill is first", "the swap is first"])
async def test_a_replacement_races_a_fill(
    both: Platform, user: User, quantity: str, fill_first: bool
) -> None:
    """Fails without the version in `Replacing.swap` (the fill would be forgotten by the new order), and
    without the one in `_Attempt._decide` (the old order would be filled after its end)."""
    both.venue = venue = InterruptedVenue(FillModel(participation=True))
    order_id = await resting(both, user, limit_price="98")
    request = replacing(order_id, quantity=quantity)

    async def fill() -> None:
        await handed(both, order_id, quote(both, "97", "4"))

    async def swap() -> None:
        await replaced(both, user, request)

    if fill_first:
        both.wire.meanwhile = fill
        await swap()
    else:
        venue.meanwhile = swap
        await fill()
    old, new = await both.order(order_id), await both.order(UUID(request.new_order_id))
    assert (old.status, old.filled_quantity) == (Status.REPLACED, Decimal(4 if fill_first else 0))
    assert new.quantity + old.filled_quantity == Decimal(quantity)
    await both.through()
    await both.sweep()
    await assert_right(both, [user])


async def test_two_replacements_of_one_order_at_once(both: Platform) -> None:
    """Each of them alone could be paid. One wins; the other one's hold is given back."""
    user = await both.user(Decimal(1900))
    order_id = await resting(both, user)
    requests = [replacing(order_id, quantity=quantity) for quantity in ("19", "18")]
    outcomes = await asyncio.gather(
        *(replaced(both, user, request) for request in requests), return_exceptions=True
    )
    assert sum(isinstance(outcome, HubError) for outcome in outcomes) == 1, outcomes
    await both.through()
    await both.sweep()
    await assert_right(both, [user])


async def test_of_fifty_replacements_at_once_none_is_told_that_it_cannot_be_paid(both: Platform) -> None:
    """Each of them could be paid; the holds of a few of them together could not."""
    user = await both.user(Decimal(1900))
    order_id = await resting(both, user)
    requests = [replacing(order_id, quantity=str(quantity)) for quantity in range(11, 20)]
    requests += [replacing(order_id, quantity="19") for _ in range(41)]
    outcomes = await asyncio.gather(
        *(replaced(both, user, request) for request in requests), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, HubError)]
    assert len(refused) == 49, outcomes
    assert {each.code for each in refused} == {"order_final"}
    await both.through()
    await both.sweep()
    await assert_right(both, [user])
