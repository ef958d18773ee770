"""One order per intent, whatever is lost, repeated or sent at once, over the real books."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_order.domain import Status
from hub_runtime.crash_points import armed
from tests.adversity.asking import accepted, handed, quote, replaced, replacing, resting
from tests.adversity.checks import assert_right
from tests.adversity.platform import Platform
from tests.adversity.wire import Loss
from tests.order.house import submission
from tests.support.tokens import TokenUser as User

SELL, TRAILING = order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_TRAILING_STOP


def refused(result: order_pb2.SubmissionResult) -> str:
    assert result.HasField("refused"), result
    return result.refused.code


async def own(both: Platform, user: User, quantity: str) -> None:
    await accepted(both, user, quantity=quantity)
    await both.through()


@pytest.mark.parametrize(
    "fields",
    [{}, {"quantity": "", "notional": "1000"}, {"type": TRAILING, "trail_percent": "3"}],
    ids=["market", "cash", "trailing"],
)
async def test_an_order_sent_again_after_a_crash_costs_no_more_than_it_holds(
    both: Platform, fields: dict[str, Any]
) -> None:
    """The process dies between hold and accept, the market goes up, and the gateway sends the order again:
    the hold of the first try stands, so the order is protected by the price of that."""
    user = await both.user(Decimal(1100))
    item = submission(user, **fields)
    with armed("order.submit.after_hold=error"):
        await both.submit(item)
    await both.restart()
    both.tape.quote("AAPL", "109", "110")
    (result,) = await both.submit(item)
    assert result.HasField("accepted"), result
    await both.relay()
    await assert_right(both, [user])
    await both.through()
    await assert_right(both, [user])


async def test_a_sale_for_cash_sent_again_after_a_crash_sells_no_more_than_it_holds(
    both: Platform, user: User
) -> None:
    await own(both, user, "10")
    item = submission(user, side=SELL, quantity="", notional="990")
    with armed("order.submit.after_hold=error"):
        await both.submit(item)
    both.tape.quote("AAPL", "49.90", "50")
    (result,) = await both.submit(item)
    assert result.accepted.order.quantity == "10"
    await both.through()
    await assert_right(both, [user])


async def assert_answered_as_at_first(
    both: Platform, item: order_pb2.OrderSubmission, first: order_pb2.SubmissionResult
) -> None:
    (again,) = await both.submit(item)
    assert again.accepted.order == first.accepted.order
    assert again.accepted.repeated_answer


async def test_the_same_id_again_is_answered_as_at_first_though_cash_bought_less(
    both: Platform, user: User
) -> None:
    item = submission(user, quantity="", notional="1000")
    (first,) = await both.submit(item)
    both.tape.quote("AAPL", "102", "103")
    await both.through()
    assert (await both.order(UUID(item.order_id))).quantity == Decimal("9.70873786")
    await assert_answered_as_at_first(both, item, first)


async def test_the_same_id_again_is_answered_as_at_first_though_a_stop_was_reached(
    both: Platform, user: User
) -> None:
    item = submission(user, type=TRAILING, trail_amount="3")
    (first,) = await both.submit(item)
    await both.through()
    await handed(both, UUID(item.order_id), quote(both, "105"), stop="103")
    assert (await both.order(UUID(item.order_id))).stop_price == 103
    await assert_answered_as_at_first(both, item, first)


async def test_the_same_id_again_is_answered_as_at_first_though_the_open_priced_it_anew(
    both: Platform, user: User
) -> None:
    opens_at = both.tape.clock() + timedelta(hours=1)
    both.tape.hours((opens_at, opens_at + timedelta(hours=6)))
    item = submission(user)
    (first,) = await both.submit(item)
    await both.through()
    both.tape.time(opens_at)
    await handed(both, UUID(item.order_id), quote(both, "130"))
    assert (await both.order(UUID(item.order_id))).protection_price == Decimal("136.5")
    await assert_answered_as_at_first(both, item, first)


async def test_a_batch_whose_answer_was_lost_and_that_is_sent_again_is_no_order_twice(
    both: Platform, user: User
) -> None:
    """Fails without ON CONFLICT DO NOTHING in rows.INSERT_ORDERS, and where `earlier` is not asked."""
    items = [submission(user, quantity="1") for _ in range(20)]
    first = await both.submit(*items)
    await both.restart()
    again = await both.submit(*items)
    assert [each.accepted.order for each in again] == [each.accepted.order for each in first]
    assert all(each.accepted.repeated_answer for each in again)
    await both.through()
    await assert_right(both, [user])
    assert await both.count("orders", f"account_id = '{user.account_id}'") == 20


async def test_a_batch_of_which_the_answer_of_the_holds_was_lost_is_held_once(
    both: Platform, user: User
) -> None:
    """Fails without `Placing._repeated`: the second PlaceHolds would set the cash aside once more."""
    items = [submission(user, quantity="1") for _ in range(20)]
    both.wire.loss = Loss.ANSWER
    assert {refused(result) for result in await both.submit(*items)} == {"unavailable"}
    assert all(result.HasField("accepted") for result in await both.submit(*items))
    await both.through()
    await assert_right(both, [user])


async def test_50_submits_with_one_key_at_once_are_one_order_with_50_equal_answers(
    both: Platform, user: User
) -> None:
    """Fails without the unique keys: of holds in position, and of idempotency_keys in order."""
    items = [submission(user, idempotency_key="once") for _ in range(50)]
    answers = await asyncio.gather(*(both.submit(item) for item in items))
    orders = {answer[0].accepted.order.SerializeToString(deterministic=True) for answer in answers}
    assert len(orders) == 1
    assert order_pb2.Order.FromString(orders.pop()).order_id
    await both.through()
    await assert_right(both, [user])
    assert await both.count("orders", f"account_id = '{user.account_id}'") == 1


async def test_a_retry_that_can_no_longer_be_afforded_gets_the_first_answer(both: Platform) -> None:
    """Fails without `first_answer_or`: it would be 422. Once with the hold as its witness, and once with the
    stored answer alone, when the key of the hold is given up."""
    user = await both.user(Decimal(1060))
    item = submission(user, idempotency_key="once")
    (first,) = await both.submit(item)
    await both.through()
    for _ in range(2):
        (again,) = await both.submit(submission(user, idempotency_key="once"))
        assert again.accepted.order == first.accepted.order
        await both.books.pool.execute(
            "UPDATE holds SET idempotency_key = NULL WHERE account_id = $1", user.account_id
        )
    assert refused((await both.submit(submission(user)))[0]) == "insufficient_funds"
    await assert_right(both, [user])


async def test_a_key_with_another_body_is_refused(both: Platform, user: User) -> None:
    """Fails without the comparison of bodies in `answers._by_key`."""
    await resting(both, user, idempotency_key="once")
    (result,) = await both.submit(submission(user, idempotency_key="once", quantity="11"))
    assert refused(result) == "idempotency_key_reused"
    await both.through()
    await assert_right(both, [user])


async def test_two_orders_that_are_alike_and_have_no_key_are_two(both: Platform, user: User) -> None:
    """Fails where a key is made of the body."""
    results = await both.submit(submission(user), submission(user))
    assert len({result.accepted.order.order_id for result in results}) == 2
    await both.through()
    await assert_right(both, [user])
    assert await both.count("trades", f"account_id = '{user.account_id}'") == 2


async def test_a_stopped_submit_is_given_up_and_cannot_come_late(both: Platform, user: User) -> None:
    """While it stands between hold and accept the sweeper finds its hold too old. Fails where the sweeper
    releases a hold without taking the order's id first."""
    item = submission(user)

    async def swept() -> None:
        await both.sweep()

    both.wire.meanwhile = swept
    (late,) = await both.submit(item)
    assert refused(late) == "order_abandoned"
    order = await both.order(UUID(item.order_id))
    assert (order.status, order.reason) == (Status.FAILED, "ABANDONED")
    assert refused((await both.submit(item))[0]) == "order_abandoned"
    await both.through()
    await assert_right(both, [user])


async def test_a_key_that_a_replacement_had_leaves_no_hold_behind(both: Platform, user: User) -> None:
    """A replacement is not found by the key of its hold, so only the accepting transaction finds out."""
    order_id = await resting(both, user)
    await replaced(both, user, replacing(order_id, quantity="12", idempotency_key="same"))
    (result,) = await both.submit(submission(user, idempotency_key="same"))
    assert refused(result) == "idempotency_key_reused"
    await both.through()
    await assert_right(both, [user])
