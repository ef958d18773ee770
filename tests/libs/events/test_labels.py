"""What stands on a message: enough to find and follow it without opening it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from hub.event.v1 import event_pb2
from hub_errors import NotFound
from hub_events import ORDERS, OUTBOX_SQL, OutboxRow, Poison, Publisher, Relay, consume, enqueue
from hub_postgres import Pool, Wakeup, connect_pool, transaction
from tests.libs.events.world import SHORT, SUBMIT, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login

KEY = ORDERS.key("submit", "account")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traced(name: str) -> event_pb2.Envelope:
    made = event(name)
    made.traceparent = TRACE
    return made


def headers(message: AbstractIncomingMessage) -> dict[str, object]:
    """Without those of the broker."""
    return {name: value for name, value in message.headers.items() if not name.startswith("x-")}


async def next_of(queue: AbstractQueue) -> AbstractIncomingMessage:
    found: list[AbstractIncomingMessage] = []

    async def there() -> bool:
        found.extend(filter(None, [await queue.get(fail=False, no_ack=True, timeout=5)]))
        return bool(found)

    await eventually(there)
    return found[0]


@pytest.fixture
async def heard(amqp_vhost: Login) -> AsyncIterator[AbstractQueue]:
    """A queue that hears orders.status, as it was published."""
    async with amqp_of(amqp_vhost).link("listener") as link:
        queue = await link.channel.declare_queue(exclusive=True)
        await queue.bind(ORDERS.status)
        yield queue


async def test_a_message_of_one_event_carries_its_id_and_its_trace(
    amqp_vhost: Login, heard: AbstractQueue, empty_database: Database
) -> None:
    one, many = traced("one"), [traced("first"), traced("second")]
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as pool:
        await pool.execute(OUTBOX_SQL)
        await put(pool, one)
        wakeup = Wakeup(owner.url, owner.password, "outbox")
        async with running(wakeup.run(), Relay(pool, wakeup, amqp_of(amqp_vhost), "test").run()):
            single = await next_of(heard)
            await put(pool, *many)
            packed = await next_of(heard)
    assert single.content_type == packed.content_type == "application/x-protobuf"
    assert single.type == packed.type == "hub.event.v1.EventBatch"
    assert (single.message_id, headers(single)) == (one.event_id, {"events": 1, "traceparent": TRACE})
    assert (packed.message_id, headers(packed)) == (many[0].event_id, {"events": 2})
    unpacked = event_pb2.EventBatch.FromString(packed.body).events
    assert [each.traceparent for each in unpacked] == [TRACE, TRACE], "each event keeps its own"


async def put(pool: Pool, *events: event_pb2.Envelope) -> None:
    async with transaction(pool) as connection:
        await enqueue(connection, [OutboxRow("orders", KEY, each) for each in events])


async def test_a_message_without_an_outbox_carries_the_same(amqp_vhost: Login, heard: AbstractQueue) -> None:
    amqp = amqp_of(amqp_vhost)
    publisher = Publisher(amqp, "test")
    async with running(publisher.run()):
        await eventually(lambda: amqp.state() == "ok")
        await publisher.publish("orders", KEY, [traced("a"), event("b")])
        assert headers(await next_of(heard)) == {"events": 2}
        await publisher.publish("orders", KEY, [traced("c")])
        assert headers(await next_of(heard)) == {"events": 1, "traceparent": TRACE}


async def test_what_is_retried_and_what_is_dead_says_the_attempt(amqp_vhost: Login) -> None:
    family = SHORT.family("orders")
    dead = traced("dead")
    async with amqp_of(amqp_vhost).link("listener") as link, looking(amqp_vhost) as broker:
        waiting = await link.channel.declare_queue(exclusive=True)
        await waiting.bind(family.retries[0])
        handler = Handler({"dead": NotFound("not yet", code="no_order")})
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
            await broker.send(dead, traced("neighbour"))
            retried = await next_of(waiting)
            handler.faults["dead"] = Poison("never")
            buried = await next_of(await link.channel.get_queue(family.dlq, ensure=False))
    assert retried.routing_key in SUBMIT
    assert headers(retried) == {"events": 1, "traceparent": TRACE, "attempt": 1}
    assert retried.message_id == buried.message_id == dead.event_id
    assert buried.timestamp is not None
    told = {"reason": "Poison: never", "queue": retried.routing_key}
    assert headers(buried) == {"events": 1, "traceparent": TRACE, "attempt": 1, **told}
