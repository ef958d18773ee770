"""Connections: what is published is confirmed or said to have failed, and outages end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aio_pika.exceptions import PublishError

from hub_errors import Unavailable
from hub_events import ORDERS, Publisher, consume, fanout
from tests.libs.events.world import SUBMIT, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Login, RabbitMQ, ServerRoom

KEY = ORDERS.key("submit", "account")


async def test_a_message_for_nobody_is_an_error(amqp_vhost: Login) -> None:
    async with amqp_of(amqp_vhost).link("test") as link:
        with pytest.raises(PublishError):
            await link.publish("orders", "no such key", b"")
        await link.publish("orders", KEY, b"")
        await link.publish("orders.status", "", b"", mandatory=False)


async def test_a_publisher_says_when_it_is_not_certain(amqp_vhost: Login) -> None:
    amqp = amqp_of(amqp_vhost)
    publisher = Publisher(amqp, "test")
    with pytest.raises(Unavailable) as raised:
        await publisher.publish("orders", KEY, [event("x")])
    assert raised.value.code == "broker_unavailable"
    async with looking(amqp_vhost) as broker, running(publisher.run()):
        await eventually(lambda: amqp.state() == "ok")
        await publisher.publish("orders", KEY, [event("x"), event("y")])
        assert await broker.depth(*SUBMIT) == 1
        with pytest.raises(Unavailable):
            await publisher.publish("orders", "no such key", [event("x")])
        await publisher.publish("orders", KEY, [event("z")])


async def cut_all(rabbitmq: RabbitMQ, purpose: str) -> None:
    """As a network that breaks: the broker closes every connection of that name."""
    async with rabbitmq.management() as http:

        async def cut() -> bool:
            names = [
                each["name"]
                for each in (await http.get("/connections")).json()
                if purpose in each.get("client_properties", {}).get("connection_name", "")
            ]
            for name in names:
                await http.delete(f"/connections/{name}")
            return bool(names)

        await eventually(cut)


async def test_a_consumer_whose_connection_is_cut_goes_on(
    rabbitmq_server: RabbitMQ, amqp_vhost: Login
) -> None:
    handler = Handler()
    async with (
        looking(amqp_vhost) as broker,
        running(consume(amqp_of(amqp_vhost), SUBMIT, handler)),
    ):
        await broker.send(event("before"))
        await eventually(lambda: handler.handled == ["before"])
        await cut_all(rabbitmq_server, "consume orders.submit.0")
        await broker.send(event("after"))
        await eventually(lambda: handler.handled == ["before", "after"])


async def test_a_consumer_whose_queue_is_deleted_makes_it_again(amqp_vhost: Login) -> None:
    handler = Handler()
    async with (
        looking(amqp_vhost) as broker,
        running(consume(amqp_of(amqp_vhost), SUBMIT, handler)),
    ):
        await broker.send(event("before"))
        await eventually(lambda: handler.handled == ["before"])
        await broker.channel.queue_delete(f"orders.{KEY}")

        async def sent() -> bool:
            try:
                await broker.send(event("after"))
            except PublishError:
                return False
            return True

        await eventually(sent)
        await eventually(lambda: handler.handled == ["before", "after"])


async def test_everybody_hears_a_fan_out_and_listening_anew_is_told(
    rabbitmq_server: RabbitMQ, amqp_vhost: Login
) -> None:
    first, second, connections = Handler({"bad": ValueError("x")}), Handler(), [0, 0]

    def connected(index: int) -> None:
        connections[index] += 1

    async with (
        amqp_of(amqp_vhost).link("sender") as link,
        running(
            fanout(amqp_of(amqp_vhost), "orders.status", first, connected=lambda: connected(0)),
            fanout(amqp_of(amqp_vhost), "orders.status", second, connected=lambda: connected(1)),
        ),
    ):

        async def say(name: str) -> None:
            body = b"\x0a" + bytes([len(encoded := event(name).SerializeToString())]) + encoded
            await link.publish("orders.status", "", body)

        await eventually(lambda: connections == [1, 1])
        await say("a")
        await eventually(lambda: first.handled == second.handled == ["a"])
        await say("bad")
        await eventually(lambda: second.handled == ["a", "bad"])
        await say("b")
        await eventually(lambda: first.handled == ["a", "b"])
        await cut_all(rabbitmq_server, "fanout orders.status")
        await eventually(lambda: connections == [2, 2])


@pytest.fixture
async def own_room(
    tmp_path_factory: pytest.TempPathFactory, folder_for_servers: Path
) -> AsyncIterator[ServerRoom]:
    room = ServerRoom(folder_for_servers / "broker-that-dies")
    yield room
    await room.stop()


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(own_room: ServerRoom) -> None:
    broker = await own_room.start_rabbitmq()
    killed = own_room._children[-1]
    handler, amqp = Handler(), amqp_of(broker.login)
    publisher = Publisher(amqp, "test")
    confirmed: list[str] = []

    async def keep_saying() -> None:
        number = 0
        while True:
            try:
                await publisher.publish("orders", KEY, [event(str(number))])
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            confirmed.append(str(number))
            number += 1

    async with running(publisher.run(), consume(amqp, SUBMIT, handler), keep_saying()):
        await eventually(lambda: len(handler.handled) > 20)
        killed.kill()
        await eventually(lambda: amqp.state() != "ok")
        at_death = len(confirmed)
        await eventually(lambda: len(confirmed) > at_death + 20, 60)
        await eventually(lambda: set(confirmed) <= set(handler.handled), 60)
