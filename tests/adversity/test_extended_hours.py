"""A purchase with extended hours over real books: filled, ended and held as any other, at hours of its own,
whatever dies meanwhile."""

from __future__ import annotations

from uuid import UUID

import pytest

from hub_events import ORDERS
from hub_order.clients import Market
from hub_order.domain import Status
from hub_runtime.crash_points import armed
from tests.adversity.asking import cancelled, replaced, replacing, resting
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Platform
from tests.adversity.watch import Watch
from tests.order.test_hours import FRIDAY, MONDAY, OFFERED, at
from tests.support.tokens import TokenUser as User


@pytest.fixture
async def both(both: Platform) -> Platform:
    """Friday, 8 o'clock in New York, and extended hours are offered."""
    both.market = Market(both.tape.cache, max_age_s=10, extended=OFFERED)
    await both.restart()
    sessions = ((each.opens_at, each.closes_at) for each in (FRIDAY, MONDAY))
    both.tape.exchange("XNYS", "America/New_York", *sessions)
    both.tape.time(at("2036-03-07", "08:00"))
    both.tape.quote("AAPL", "99", "100")
    return both


async def watching(both: Platform) -> Watch:
    """A trigger that knows the rows as they are."""
    watch = Watch(both.resting, both.market, both.broker)
    await watch.lead()
    await watch.read()
    return watch


async def quoted(both: Platform, watch: Watch, bid: str, ask: str) -> None:
    both.tape.quote("AAPL", bid, ask)
    await watch.quote("AAPL")
    await both.through()


async def statuses(both: Platform, *order_ids: UUID) -> list[Status]:
    return [(await both.order(order_id)).status for order_id in order_ids]


async def test_before_the_open_it_alone_is_filled_and_booked(both: Platform, user: User) -> None:
    extended = await resting(both, user, extended_hours=True)
    regular = await resting(both, user)
    watch = await watching(both)
    await quoted(both, watch, "93", "94")
    assert await statuses(both, extended, regular) == [Status.EXECUTED, Status.PROCESSING]
    assert (await account(both, user)).held == 950
    await assert_right(both, [user])


@pytest.mark.parametrize("point", ["order.execute.after_send", "order.change.before_commit"])
async def test_a_worker_and_a_trigger_that_die_before_the_open_are_followed_by_others(
    both: Platform, user: User, point: str
) -> None:
    extended = await resting(both, user, extended_hours=True)
    regular = await resting(both, user)
    watch = await watching(both)
    both.tape.quote("AAPL", "93", "94")
    await watch.quote("AAPL")
    with armed(f"{point}=error"):
        assert not await both.broker.deliver(ORDERS.name, both.work, count=10, chance=None)
    assert await statuses(both, extended, regular) == [Status.PROCESSING, Status.PROCESSING]
    await both.restart()
    watch = await watching(both)
    await both.through()
    assert await statuses(both, extended, regular) == [Status.EXECUTED, Status.PROCESSING]
    await assert_right(both, [user])


async def test_what_is_handed_over_at_the_end_of_the_hours_fills_nothing_after_it(
    both: Platform, user: User
) -> None:
    order_id = await resting(both, user, extended_hours=True)
    watch = await watching(both)
    both.tape.time(at("2036-03-07", "19:59"))
    both.tape.quote("AAPL", "93", "94")
    await watch.quote("AAPL")
    both.tape.time(at("2036-03-07", "20:00"))
    await both.through()
    await both.sweep()
    await both.through()
    order = await both.order(order_id)
    assert (order.status, order.reason) == (Status.EXPIRED, "SESSION_ENDED")
    assert (await account(both, user)).held == 0
    await assert_right(both, [user])


async def test_it_outlives_the_session_and_can_be_replaced_and_cancelled_in_the_evening(
    both: Platform, user: User
) -> None:
    first, regular = await resting(both, user, extended_hours=True), await resting(both, user)
    both.tape.time(at("2036-03-07", "16:00"))
    both.tape.quote("AAPL", "99", "100")
    await both.sweep()
    assert await statuses(both, first, regular) == [Status.PROCESSING, Status.EXPIRED]
    request = replacing(first, limit_price="96")
    await replaced(both, user, request)
    second = UUID(request.new_order_id)
    await both.through()
    order = await both.order(second)
    assert (order.extended_hours, order.expires_at) == (True, at("2036-03-07", "20:00"))
    await cancelled(both, user, second)
    await both.through()
    assert await statuses(both, first, second) == [Status.REPLACED, Status.CANCELLED]
    assert (await account(both, user)).held == 0
    await assert_right(both, [user])
