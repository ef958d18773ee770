"""Cancels beside everything else: an order ends once, and what it held is free once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial

import pytest

from hub_errors import Refused
from hub_order.domain import Status
from hub_order.venue import FillModel
from tests.adversity.asking import accepted, cancelled, handed, quote, resting
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Platform
from tests.adversity.venues import InterruptedVenue
from tests.support.tokens import TokenUser as User


async def test_50_cancels_of_one_order_at_once_end_it_once(both: Platform, user: User) -> None:
    """Fails without FOR UPDATE in `orders.LOCK_VERSIONS`: several would find it open."""
    order_id = await resting(both, user)
    outcomes = await asyncio.gather(
        *(cancelled(both, user, order_id) for _ in range(50)), return_exceptions=True
    )
    refusals = [each for each in outcomes if isinstance(each, Refused)]
    assert (outcomes.count(None), len(refusals)) == (1, 49), outcomes
    assert {each.code for each in refusals} == {"order_final"}
    assert (await both.order(order_id)).version == 3
    await both.through()
    await assert_right(both, [user])


@pytest.mark.parametrize("cancel_first", [True, False], ids=["the cancel is first", "the fill is first"])
async def test_a_cancel_races_a_fill(both: Platform, user: User, cancel_first: bool) -> None:
    """The cancel commits between what the venue answered and what the worker makes of it, or after it. Fails
    without the comparison of versions in `_Attempt._decide`."""
    both.venue = venue = InterruptedVenue()
    order_id = await resting(both, user)
    if cancel_first:
        venue.meanwhile = partial(cancelled, both, user, order_id)
    await handed(both, order_id, quote(both, "94"))
    if not cancel_first:
        with pytest.raises(Refused):
            await cancelled(both, user, order_id)
    order = await both.order(order_id)
    assert order.status is (Status.CANCELLED if cancel_first else Status.EXECUTED)
    assert order.execution_count == (0 if cancel_first else 1)
    await both.through()
    await assert_right(both, [user])


async def test_many_cancels_race_many_fills(both: Platform, user: User) -> None:
    order_ids = [await accepted(both, user, limit_price="95", quantity="1") for _ in range(20)]
    await both.through()
    fills = [handed(both, order_id, quote(both, "94")) for order_id in order_ids]
    cancels = [cancelled(both, user, order_id) for order_id in order_ids]
    outcomes = await asyncio.gather(*cancels, *fills, return_exceptions=True)
    for order_id, outcome in zip(order_ids, outcomes, strict=False):
        ended = Status.CANCELLED if outcome is None else Status.EXECUTED
        assert (await both.order(order_id)).status is ended
    await both.through()
    await assert_right(both, [user])


@pytest.mark.parametrize("split", [False, True], ids=["in one batch", "one by one"])
async def test_the_end_is_booked_before_the_executions_that_it_counts(
    both: Platform, user: User, split: bool
) -> None:
    """order.closed comes first. Fails without `final_count`: the cash of the execution would be free before
    it is paid."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await resting(both, user)
    await handed(both, order_id, quote(both, "94", "4"))
    await cancelled(both, user, order_id)
    await both.relay()
    executed, closed = both.broker.lines["positions"]
    assert (executed.type, closed.type) == ("order.executed", "order.closed")
    if split:
        await both.books.handle([closed])
        assert (await account(both, user)).held == 4 * 95
        await both.books.handle([executed])
    else:
        await both.books.handle([closed, executed])
    await both.through()
    found = await account(both, user)
    assert (found.held, found.cash) == (Decimal(0), 100_000 - 4 * Decimal(94))
    await assert_right(both, [user])
