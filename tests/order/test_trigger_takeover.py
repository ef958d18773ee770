"""Triggers as processes: when the one that leads is paused or killed another one takes over, and nothing is
filled twice, also when the first one wakes up again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from hub_order.domain import Status
from hub_order.handover import hand_over
from hub_order.resting import Hand
from hub_runtime import utc_now
from tests.order import build
from tests.order.test_jobs import Broker, broker, until
from tests.support.servers import Login
from tests.support.talking import Talking, talking
from tests.support.tokens import TokenUser as User

__all__ = ["broker"]


@pytest.fixture
async def triggers(broker: Broker, amqp_vhost: Login) -> AsyncIterator[list[Talking]]:
    """Two processes; the first one leads."""
    database = broker.house.database.runtime
    environment = {
        "DATABASE": database.url,
        "DATABASE_PASSWORD": database.password,
        "AMQP": amqp_vhost.url,
        "AMQP_PASSWORD": amqp_vhost.password,
    }
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(talking("tests.order.trigger_process", **environment))
        await first.says("leads 1")
        second = await stack.enter_async_context(talking("tests.order.trigger_process", **environment))
        await second.says("waits")
        yield [first, second]


async def resting(broker: Broker, user: User, limit_price: str) -> UUID:
    broker.house.tape.quote("AAPL", "99", "100")
    order_id = await broker.house.accepted(user, limit_price=limit_price, quantity="1")
    await broker.becomes(order_id, Status.PROCESSING)
    return order_id


def report(what: str, since: float) -> None:
    sys.stdout.write(f"\n{what}: the standby led after {time.monotonic() - since:.2f} s\n")


async def test_a_trigger_that_was_paused_hands_over_nothing_when_it_wakes_up(
    broker: Broker, triggers: list[Talking], user: User
) -> None:
    first, second = triggers
    orders = [await resting(broker, user, price) for price in ("97", "95")]
    first.tell("quote AAPL 96 97")
    await broker.becomes(orders[0], Status.EXECUTED)
    await first.pause()
    paused_at = time.monotonic()
    # It will read this when it wakes up, with the order still in its memory.
    first.tell("quote AAPL 93 94")
    await second.says("leads 2")
    report("paused", paused_at)
    second.tell("quote AAPL 94 95")
    await broker.becomes(orders[1], Status.EXECUTED)
    first.go_on()
    await first.says("heard 93 94")
    await first.says("ended 1")
    assert [line for line in first.said if line.startswith("handed")] == ["handed 1 epoch 1"]
    assert [line for line in second.said if line.startswith("handed")] == ["handed 1 epoch 2"]
    assert await broker.house.count("executions") == 2
    assert (await broker.house.order(orders[1])).average_price == 95


async def test_a_standby_takes_over_from_a_trigger_that_is_killed(
    broker: Broker, triggers: list[Talking], user: User
) -> None:
    first, second = triggers
    order_id = await resting(broker, user, "95")
    killed_at = time.monotonic()
    await first.kill()
    await second.says("leads 2")
    report("killed", killed_at)
    second.tell("quote AAPL 94 95")
    await broker.becomes(order_id, Status.EXECUTED)


async def test_the_worker_does_not_hear_a_trigger_that_has_been_replaced(
    broker: Broker, triggers: list[Talking], user: User
) -> None:
    first, second = triggers
    order_id = await resting(broker, user, "95")
    await first.kill()
    await second.says("leads 2")
    account_id = (await broker.house.order(order_id)).account_id
    quote = build.quote(bid="93", ask="94", seq=50, market_time=utc_now())
    late = Hand(order_id, account_id, "", quote)
    await hand_over([late], 1, publisher=broker.publisher)

    async def heard() -> bool:
        return broker.handled.count("order.triggered") == 1

    await until(heard)
    assert await broker.status(order_id) is Status.PROCESSING
    await hand_over([late], 2, publisher=broker.publisher)
    await broker.becomes(order_id, Status.EXECUTED)


async def test_when_the_first_one_is_back_and_the_second_ends_the_first_leads_again(
    broker: Broker, triggers: list[Talking], user: User
) -> None:
    first, second = triggers
    await first.pause()
    await second.says("leads 2")
    order_id = await resting(broker, user, "95")
    first.go_on()
    await first.says("ended 1")
    await second.kill()
    await first.says("leads 3")
    first.tell("quote AAPL 93 94")
    async with asyncio.timeout(60):
        await broker.becomes(order_id, Status.EXECUTED)
