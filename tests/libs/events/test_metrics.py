"""What an operator sees of the broker, the outbox and the consumers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aio_pika.exceptions import PublishError
from prometheus_client import REGISTRY

from hub.event.v1 import event_pb2
from hub_errors import NotFound
from hub_events import ORDERS, OUTBOX_SQL, OutboxRow, Relay, consume, enqueue, fanout
from hub_postgres import Pool, Wakeup, connect_pool, transaction
from hub_runtime import utc_now
from tests.libs.events.world import SHORT, SUBMIT, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login, RabbitMQ

KEY = ORDERS.key("submit", "account")
QUEUE = f"orders.{KEY}"
DLQ = SHORT.family("orders").dlq


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.fixture
async def pool(empty_database: Database) -> AsyncIterator[Pool]:
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as made:
        await made.execute(OUTBOX_SQL)
        yield made


def relaying(pool: Pool, database: Database, login: Login) -> Any:
    wakeup = Wakeup(database.owner.url, database.owner.password, "outbox")
    return [wakeup.run(), Relay(pool, wakeup, amqp_of(login), "test", look_s=0.05).run()]


async def test_the_relay_tells_what_waits_in_every_queue_and_who_reads_it(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    async with looking(amqp_vhost) as broker, running(*relaying(pool, empty_database, amqp_vhost)):
        for number in range(3):
            await broker.send(event(str(number)))
        await eventually(lambda: metric("hub_events_queue_ready", queue=QUEUE) == 3)
        assert metric("hub_events_queue_consumers", queue=QUEUE) == 0
        handler = Handler({"1": NotFound("no", code="no")})
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
            await eventually(lambda: metric("hub_events_queue_consumers", queue=QUEUE) == 1)
            await eventually(lambda: metric("hub_events_queue_ready", queue=QUEUE) == 0)
            await eventually(lambda: metric("hub_events_queue_ready", queue=DLQ) == 1)


async def test_a_queue_that_is_gone_is_there_again_though_a_fan_out_takes_its_messages(
    pool: Pool, empty_database: Database, rabbitmq_server: RabbitMQ, amqp_vhost: Login
) -> None:
    """With a listener of the fan-out the broker calls a message routed whose queue is missing."""
    everywhere, handler, listening = Handler(), Handler(), asyncio.Event()
    listen = fanout(amqp_of(amqp_vhost), ORDERS.status, everywhere, connected=listening.set)
    vhost = urlsplit(amqp_vhost.url).path.strip("/")

    async def queue_is(status: int) -> bool:
        async with rabbitmq_server.management() as http:
            return (await http.get(f"/queues/{vhost}/{QUEUE}")).status_code == status

    async with running(listen, *relaying(pool, empty_database, amqp_vhost)):
        await listening.wait()
        await put(pool, "before")
        await eventually(lambda: everywhere.handled == ["before"])
        async with rabbitmq_server.management() as http:
            (await http.delete(f"/queues/{vhost}/{QUEUE}")).raise_for_status()
        await eventually(lambda: queue_is(200))
        await put(pool, "after")
        await eventually(lambda: everywhere.handled[-1:] == ["after"])
    async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
        await eventually(lambda: handler.handled[-1:] == ["after"])


async def put(pool: Pool, *names: str) -> None:
    async with transaction(pool) as connection:
        await enqueue(connection, [OutboxRow("orders", KEY, event(name)) for name in names])


async def test_the_outbox_is_seen_while_the_broker_is_away(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    nowhere = Login("amqp://hub@127.0.0.1:1/", amqp_vhost.password_file)
    await put(pool, "a", "b", "c")
    await pool.execute("UPDATE outbox SET created_at = created_at - interval '1 hour'")
    async with running(*relaying(pool, empty_database, nowhere)):
        await eventually(lambda: metric("hub_events_outbox_rows") == 3)
        assert metric("hub_events_outbox_lag_seconds") >= 3600
    async with running(*relaying(pool, empty_database, amqp_vhost)):
        await eventually(lambda: metric("hub_events_outbox_rows") == 0)
        await eventually(lambda: metric("hub_events_outbox_lag_seconds") == 0)


async def test_lag_is_the_age_of_the_oldest_event_and_retries_do_not_count(amqp_vhost: Login) -> None:
    old = event("old")
    old.occurred_at.FromDatetime(utc_now() - timedelta(hours=1))
    handler = Handler({"old": NotFound("not yet", code="no")}, mends=True)
    async with looking(amqp_vhost) as broker:
        name = "hub_events_consumer_lag_seconds"
        count, total = (metric(f"{name}_{part}", family="orders") for part in ("count", "sum"))
        await broker.send(old)
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
            await eventually(lambda: handler.handled == ["old"])
        assert metric(f"{name}_count", family="orders") == count + 1
        assert metric(f"{name}_sum", family="orders") >= total + 3600


async def test_what_a_consumer_has_is_counted_until_it_is_acknowledged_or_lost(amqp_vhost: Login) -> None:
    going_on = asyncio.Event()

    async def hang(_: Sequence[event_pb2.Envelope]) -> None:
        await going_on.wait()

    before = metric("hub_events_unacked", queue=QUEUE)
    async with looking(amqp_vhost) as broker:
        for number in range(3):
            await broker.send(event(str(number)))
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, hang)):
            await eventually(lambda: metric("hub_events_unacked", queue=QUEUE) == before + 3)
        assert metric("hub_events_unacked", queue=QUEUE) == before, "gone with its connection"
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, hang)):
            await eventually(lambda: metric("hub_events_unacked", queue=QUEUE) == before + 3)
            going_on.set()
            await eventually(lambda: metric("hub_events_unacked", queue=QUEUE) == before)


async def test_the_answers_of_the_broker_are_counted(amqp_vhost: Login) -> None:
    def count(outcome: str) -> float:
        return metric("hub_events_published_total", exchange="orders", outcome=outcome)

    before = {outcome: count(outcome) for outcome in ("confirmed", "returned")}
    async with amqp_of(amqp_vhost).link("test") as link:
        await link.publish("orders", KEY, b"")
        with pytest.raises(PublishError):
            await link.publish("orders", "no such key", b"")
    assert {outcome: count(outcome) - were for outcome, were in before.items()} == {
        "confirmed": 1,
        "returned": 1,
    }
