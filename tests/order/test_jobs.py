"""The jobs over a real broker: from the outbox to the worker, and from a quote to a resting order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from hub.event.v1 import event_pb2
from hub_events import CHANNEL, ORDERS, Amqp, Publisher, Relay, consume, envelope
from hub_order.domain import Status
from hub_order.handover import hand_over
from hub_order.mapping import accepted_event, order_message
from hub_order.resting import Hand
from hub_order.store import LEADERSHIP, RESTING_CHANNEL, Resting
from hub_order.trigger import Trigger
from hub_order.worker import handle
from hub_postgres import Leadership, Wakeup, leading
from hub_runtime import utc_now
from tests.order import build
from tests.order.house import House
from tests.support.servers import Login
from tests.support.tokens import TokenUser as User


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - the database sends no event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(*jobs: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        yield
        for task in tasks:
            task.cancel()


@dataclass
class Broker:
    house: House
    amqp: Amqp
    publisher: Publisher
    wakeup: Wakeup
    handled: list[str] = field(default_factory=list)

    async def work(self, events: Sequence[event_pb2.Envelope]) -> None:
        await handle(events, floor=self.house.floor, desk=self.house.venue_desk())
        self.handled += [event.type for event in events]

    async def status(self, order_id: UUID) -> Status:
        return (await self.house.order(order_id)).status

    async def becomes(self, order_id: UUID, status: Status) -> None:
        async def reached() -> bool:
            return await self.status(order_id) is status

        await until(reached)

    async def relayed(self) -> None:
        async def empty() -> bool:
            return await self.house.count("outbox") == 0

        await until(empty)

    def trigger(self) -> Trigger:
        return Trigger(
            resting=Resting(self.house.pool),
            market=self.house.market,
            wakeup=self.wakeup,
            hand_over=partial(hand_over, publisher=self.publisher),
        )


@pytest.fixture
async def broker(house: House, amqp_vhost: Login) -> AsyncIterator[Broker]:
    """Relay and worker run; the trigger is the test's."""
    url, password = house.database.runtime.url, house.database.runtime.password
    amqp = Amqp(amqp_vhost.url, amqp_vhost.password)
    made = Broker(house, amqp, Publisher(amqp, "trigger"), Wakeup(url, password, RESTING_CHANNEL))
    wakeup = Wakeup(url, password, CHANNEL)
    queues = [*ORDERS.queues_of("submit"), *ORDERS.queues_of("processing")]
    async with running(
        made.publisher.run(),
        made.wakeup.run(),
        wakeup.run(),
        Relay(house.pool, wakeup, amqp, "order").run(),
        consume(amqp, queues, made.work, family="orders"),
    ):
        yield made


async def test_an_accepted_order_is_executed(broker: Broker, user: User) -> None:
    order_id = await broker.house.accepted(user)
    await broker.becomes(order_id, Status.EXECUTED)
    await broker.relayed()


async def test_a_resting_limit_is_filled_when_a_quote_crosses_it(broker: Broker, user: User) -> None:
    async with running(broker.trigger().lead(Leadership("test", 1))):
        order_id = await broker.house.accepted(user, limit_price="95")
        await broker.becomes(order_id, Status.PROCESSING)
        broker.house.tape.quote("AAPL", "95", "96")
        broker.house.tape.quote("AAPL", "93", "94")
        await broker.becomes(order_id, Status.EXECUTED)
    order = await broker.house.order(order_id)
    assert order.average_price == 94


async def test_an_order_that_rested_before_the_trigger_came_is_found(broker: Broker, user: User) -> None:
    order_id = await broker.house.accepted(user, limit_price="95")
    await broker.becomes(order_id, Status.PROCESSING)
    broker.house.tape.quote("AAPL", "93", "94")
    assert await broker.status(order_id) is Status.PROCESSING
    async with running(broker.trigger().lead(Leadership("test", 1))):
        await broker.becomes(order_id, Status.EXECUTED)


async def test_two_triggers_fill_an_order_once(broker: Broker, user: User) -> None:
    leads = [broker.trigger().lead(Leadership("one", 1)), broker.trigger().lead(Leadership("other", 1))]
    async with running(*leads):
        order_ids = [await broker.house.accepted(user, limit_price="95", quantity="1") for _ in range(5)]
        for order_id in order_ids:
            await broker.becomes(order_id, Status.PROCESSING)
        broker.house.tape.quote("AAPL", "93", "94")
        for order_id in order_ids:
            await broker.becomes(order_id, Status.EXECUTED)
        await broker.relayed()
    assert await broker.house.count("executions") == 5


async def test_events_that_are_delivered_again_change_nothing(broker: Broker, user: User) -> None:
    order_id = await broker.house.accepted(user)
    await broker.becomes(order_id, Status.EXECUTED)
    order = await broker.house.order(order_id)
    payload = accepted_event(order_message(order))
    accepted = envelope("order.accepted", str(order_id), str(user.account_id), payload)
    key = ORDERS.key("submit", str(user.account_id))
    for _ in range(3):
        await broker.publisher.publish("orders", key, [accepted])
    quote = build.quote(bid="93", ask="94", seq=5, market_time=utc_now())
    hand = Hand(order_id, order.account_id, "", quote)
    await hand_over([hand, hand], 1, publisher=broker.publisher)

    async def all_handled() -> bool:
        return sorted(broker.handled) == ["order.accepted"] * 4 + ["order.triggered"] * 2

    await until(all_handled)
    assert (await broker.house.order(order_id)) == order
    assert await broker.house.count("executions") == 1


async def test_a_cancelled_order_leaves_the_triggers_memory(broker: Broker, user: User) -> None:
    trigger = broker.trigger()
    async with running(trigger.lead(Leadership("test", 1))):
        gone = await broker.house.accepted(user, limit_price="95")
        stays = await broker.house.accepted(user, limit_price="95")
        for order_id in (gone, stays):
            await broker.becomes(order_id, Status.PROCESSING)
        await broker.house.cancel(user, gone)

        async def one_left() -> bool:
            return len(trigger.memory) == 1

        await until(one_left)
        broker.house.tape.quote("AAPL", "93", "94")
        await broker.becomes(stays, Status.EXECUTED)
    assert await broker.status(gone) is Status.CANCELLED
    assert await broker.house.count("executions") == 1


async def test_a_trigger_ends_with_its_leadership(broker: Broker) -> None:
    database = broker.house.database.runtime
    async with asyncio.timeout(40), leading(database.url, database.password, LEADERSHIP) as leadership:
        working = asyncio.create_task(broker.trigger().lead(leadership))
        leadership.lost.set()
        await working
