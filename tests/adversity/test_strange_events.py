"""A message with an event that no one can read and one of a release to come, at the real workers over a
real broker: their neighbours are handled, each of the two goes where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_events import ORDERS, POSITIONS, consume, envelope, pack
from hub_order.domain import Status
from tests.adversity.asking import accepted
from tests.adversity.broker import DELETE, TAKE, Handle
from tests.adversity.checks import assert_right
from tests.adversity.platform import Platform
from tests.libs.events.world import SHORT, Broker, amqp_of, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Login
from tests.support.tokens import TokenUser as User


def from_the_future(user: User) -> event_pb2.Envelope:
    """Its payload is none that this release knows."""
    made = envelope("order.split", str(uuid4()), str(user.account_id), event_pb2.OrderClosed())
    made.ClearField("order_closed")
    return made


def unreadable(user: User, payload: event_pb2.OrderAccepted | event_pb2.OrderClosed) -> event_pb2.Envelope:
    payload.order.order_id = "no id"
    return envelope("order.strange", "no id", str(user.account_id), payload)


async def taken(both: Platform) -> list[event_pb2.Envelope]:
    """What order's outbox says, instead of a relay."""
    found = await both.order_pool.fetch(TAKE)
    await both.order_pool.execute(DELETE, [row["id"] for row in found])
    events = [event_pb2.Envelope.FromString(row["envelope"]) for row in found]
    both.broker.put("", *events)
    return events


async def send(login: Login, exchange: str, key: str, events: Sequence[event_pb2.Envelope]) -> None:
    async with amqp_of(login).link("test") as link:
        await link.publish(exchange, key, pack(event.SerializeToString() for event in events))


async def depth_is(broker: Broker, depth: int, *queues: str) -> bool:
    return await broker.depth(*queues) == depth


async def assert_sorted_out(broker: Broker, family: str) -> None:
    """One dead letter with its reason, and one that waits in the longest step, or comes again from it."""
    its = SHORT.family(family)
    await eventually(lambda: depth_is(broker, 1, its.dlq))
    await eventually(lambda: depth_is(broker, 1, its.retries[-1]))
    (dead,), headers = await broker.take(its.dlq)
    assert (dead.type, headers["reason"] != "") == ("order.strange", True)


async def test_order_executes_what_is_around_them(both: Platform, user: User, amqp_vhost: Login) -> None:
    order_ids = [await accepted(both, user, quantity="1") for _ in range(2)]
    first, second = await taken(both)
    strange = unreadable(user, event_pb2.OrderAccepted(order=order_pb2.Order()))
    handle: Handle = both.work
    async with looking(amqp_vhost) as broker:
        key = ORDERS.key("submit", str(user.account_id))
        await send(amqp_vhost, ORDERS.name, key, [first, strange, from_the_future(user), second])
        job = consume(amqp_of(amqp_vhost), ORDERS.queues_of("submit"), handle, family=ORDERS.name)
        async with running(job):
            for order_id in order_ids:

                async def executed(order_id: object = order_id) -> bool:
                    return (await both.order(order_id)).status is Status.EXECUTED  # type: ignore[arg-type]

                await eventually(executed)
            await assert_sorted_out(broker, ORDERS.name)
    await both.through()
    await assert_right(both, [user])


async def test_position_books_what_is_around_them(both: Platform, user: User, amqp_vhost: Login) -> None:
    for _ in range(2):
        await accepted(both, user, quantity="1")
    await both.work(await taken(both))
    first, second = await taken(both)
    strange = unreadable(user, event_pb2.OrderClosed(order=order_pb2.Order()))
    async with looking(amqp_vhost) as broker:
        key = POSITIONS.key("updates", str(user.account_id))
        await send(amqp_vhost, POSITIONS.name, key, [first, strange, from_the_future(user), second])
        queues = POSITIONS.queues_of("updates")
        job = consume(amqp_of(amqp_vhost), queues, both.books.handle, family=POSITIONS.name)
        async with running(job):

            async def booked() -> bool:
                return await both.count("trades", f"account_id = '{user.account_id}'") == 2

            await eventually(booked)
            await assert_sorted_out(broker, POSITIONS.name)
    await both.through()
    await assert_right(both, [user])
