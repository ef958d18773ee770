"""What a crash leaves halfway is put right, and nothing else is touched."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from hub_order.domain import Status
from hub_order.usecases.sweep import fail_stale, forget_keys, sweep_holds
from hub_runtime import utc_now
from tests.order.house import House, submission
from tests.support.tokens import TokenUser as User


async def test_a_hold_whose_order_exists_is_vouched_for(house: House, user: User) -> None:
    order_id = await house.resting(user)
    assert await house.sweep_holds() == 1
    assert [hold.state for hold in house.books.holds.values()] == ["confirmed"]
    assert (await house.order(order_id)).status is Status.PROCESSING
    assert await house.sweep_holds() == 0


async def test_a_hold_without_an_order_is_released_and_its_order_can_never_come(
    house: House, user: User
) -> None:
    item = submission(user)
    hold_id = await house.hold_only(item, user)
    await house.sweep_holds()
    assert house.books.holds[str(hold_id)].state == "released"
    order = await house.order(UUID(item.order_id))
    assert (order.status, order.reason, order.hold_id) == (Status.FAILED, "ABANDONED", hold_id)
    (result,) = await house.submit_all([item])
    assert result.refused.code == "order_abandoned"
    assert (await house.orders.records(order.order_id))[0][0].kind == "abandoned"


async def test_a_key_whose_order_was_given_up_is_free_again(house: House, user: User) -> None:
    item = submission(user, idempotency_key="once")
    await house.hold_only(item, user)
    await house.sweep_holds()
    retry = await house.submit(user, idempotency_key="once")
    assert not retry.accepted.repeated_answer
    assert retry.accepted.order.order_id == retry.order_id


async def test_a_young_hold_is_left_alone(house: House, user: User) -> None:
    hold_id = await house.hold_only(submission(user), user)
    settled = await sweep_holds(
        position=house.position, sweeping=house.sweeping, clock=utc_now, max_age=timedelta(seconds=60)
    )
    assert settled == 0
    assert house.books.holds[str(hold_id)].state == "open"


async def test_when_the_release_is_lost_the_next_pass_does_it(house: House, user: User) -> None:
    item = submission(user)
    hold_id = await house.hold_only(item, user)
    await house.sweep_holds()
    house.books.holds[str(hold_id)].state = "open"
    await house.sweep_holds()
    assert house.books.holds[str(hold_id)].state == "released"
    assert await house.count("orders") == 1


async def test_a_hold_of_an_order_that_lost_its_name_is_released(house: House, user: User) -> None:
    await house.accepted(user, client_order_id="mine")
    refused = await house.submit(user, client_order_id="mine")
    await house.sweep_holds()
    states = {hold.request.order_id: hold.state for hold in house.books.holds.values()}
    assert states.pop(refused.order_id) == "released"
    assert list(states.values()) == ["confirmed"]


async def test_market_orders_without_a_price_fail_in_time_and_limits_wait_on(
    house: House, user: User
) -> None:
    market, limit = await house.accepted(user), await house.resting(user)
    fail = partial(fail_stale, orders=house.orders, sweeping=house.sweeping, market=house.market)
    assert await fail(max_age=timedelta(seconds=60)) == 0
    assert await fail(max_age=timedelta(seconds=-1)) == 1
    order = await house.order(market)
    assert (order.status, order.reason) == (Status.FAILED, "STALE")
    assert (await house.order(limit)).status is Status.PROCESSING
    assert [event.type for event in await house.events("positions")] == ["order.closed"]


async def test_keys_are_forgotten_when_their_time_is_over(house: House, user: User) -> None:
    await house.accepted(user, idempotency_key="old")
    await house.pool.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    await house.accepted(user, idempotency_key="new")
    assert await forget_keys(sweeping=house.sweeping, clock=utc_now) == 1
    assert await house.count("idempotency_keys", "key = 'new'") == 1
