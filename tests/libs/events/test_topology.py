"""What the module says is what the broker has."""

from __future__ import annotations

import asyncio
import zlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelPreconditionFailed

from hub.event.v1 import event_pb2
from hub_events import ORDERS, PORTFOLIO, POSITIONS, TOPOLOGY, Amqp, Topology, declare, pack, shard_of, waits
from tests.libs.events.world import SHORT, amqp_of, event
from tests.support.servers import Login, RabbitMQ


async def ask(rabbitmq: RabbitMQ, login: Login, what: str) -> list[dict[str, Any]]:
    async with rabbitmq.management() as http:
        answer = await http.get(f"/{what}/{urlsplit(login.url).path.strip('/')}")
        return list(answer.raise_for_status().json())


async def test_the_broker_has_what_the_topology_says_and_nothing_else(
    rabbitmq_server: RabbitMQ, amqp_vhost: Login
) -> None:
    async with Amqp(amqp_vhost.url, amqp_vhost.password).link("test"):
        queues = await ask(rabbitmq_server, amqp_vhost, "queues")
        exchanges = await ask(rabbitmq_server, amqp_vhost, "exchanges")
        bindings = await ask(rabbitmq_server, amqp_vhost, "bindings")
    lasting = {"durable": True, "auto_delete": False}
    assert by_name(queues, "type", "arguments", "exclusive", *lasting) == {
        queue.name: {"type": "quorum", "arguments": queue.arguments, "exclusive": False, **lasting}
        for queue in TOPOLOGY.queues()
    }
    own = [each for each in exchanges if each["name"] and not each["name"].startswith("amq.")]
    assert by_name(own, "type", "arguments", "internal", *lasting) == {
        exchange.name: {"type": exchange.type.value, "arguments": {}, "internal": False, **lasting}
        for exchange in TOPOLOGY.exchanges()
    }
    bound = sorted(bound_at(each) for each in bindings if each["source"])  # every queue is bound to ""
    assert all(each["arguments"] == {} for each in bindings)
    assert bound == sorted(
        (each.source, each.key, "exchange" if each.to_exchange else "queue", each.target)
        for each in TOPOLOGY.bindings()
    )


def by_name(found: list[dict[str, Any]], *fields: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: {field: each[field] for field in fields} for each in found}


def bound_at(each: dict[str, Any]) -> tuple[str, str, str, str]:
    return each["source"], each["routing_key"], each["destination_type"], each["destination"]


def test_the_queues_are_those_that_operators_know() -> None:
    shards = range(4)
    expected = [f"orders.{stage}.{shard}" for stage in ("submit", "processing") for shard in shards]
    expected += ["orders.settlement"]
    expected += [f"positions.updates.{shard}" for shard in shards]
    expected += ["portfolio.changes"]
    expected += [f"orders.retry.{step}" for step in ("5m", "15m", "1h", "6h")]
    expected += [f"positions.retry.{step}" for step in ("2m", "10m", "30m", "2h")]
    expected += [f"portfolio.retry.{step}" for step in ("2m", "10m", "30m", "2h")]
    expected += ["orders.dlq", "positions.dlq", "portfolio.dlq"]
    assert sorted(queue.name for queue in TOPOLOGY.queues()) == sorted(expected)


def test_a_stage_with_a_single_queue_has_one_key_for_all_accounts() -> None:
    assert {ORDERS.key("settlement", account) for account in "abcdef"} == {"settlement"}
    assert ORDERS.queues_of("settlement") == ("orders.settlement",)


def test_what_a_queue_waits_for_is_never_told_to_nobody() -> None:
    """A fan-out that only whoever listens hears may be told to nobody."""
    assert TOPOLOGY.unheeded() == {"orders.status"}
    assert Topology((ORDERS, POSITIONS)).unheeded() == {"orders.status", "positions.status"}


async def test_a_queue_that_hears_a_fanout_has_what_was_said_while_nobody_listened(
    amqp_vhost: Login,
) -> None:
    async with amqp_of(amqp_vhost).link("test") as link:
        said = event("said")
        await link.publish(POSITIONS.status, "", pack([said.SerializeToString()]))
        queue = await link.channel.get_queue(*PORTFOLIO.queues_of("changes"), ensure=False)
        found = asyncio.Queue[bytes]()

        async def take(message: AbstractIncomingMessage) -> None:
            await message.ack()
            found.put_nowait(message.body)

        await queue.consume(take, timeout=5)
        async with asyncio.timeout(20):
            assert event_pb2.EventBatch.FromString(await found.get()).events == [said]


def test_a_retry_step_has_its_time_in_its_name() -> None:
    names = TOPOLOGY.with_steps(timedelta(milliseconds=1500), timedelta(seconds=90)).family("orders").retries
    assert names == ("orders.retry.1500ms", "orders.retry.90s")


def test_a_setting_says_the_steps_of_one_family() -> None:
    topology = TOPOLOGY.with_waits("orders", waits("90s, 60m,500m"))
    assert topology.family("orders").retries == ("orders.retry.90s", "orders.retry.1h", "orders.retry.500m")
    assert topology.family("positions") == POSITIONS
    assert TOPOLOGY.with_waits("orders", ORDERS.waits) == TOPOLOGY


@pytest.mark.parametrize(
    "text",
    ["", "5", "5m,", "0s", "-1m", "5m,5m", "60s,1m", "1h,5m", "8d", "200h", "1s,2s,3s,4s,5s,6s,7s,8s,9s"],
)
def test_steps_that_do_not_grow_or_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        waits(text)


def test_the_shard_of_an_account_is_fixed_for_ever() -> None:
    account = "01989f3e-7c1a-7000-8000-0123456789ab"
    assert shard_of(account) == zlib.crc32(account.encode()) % 4
    assert ORDERS.key("submit", account) == f"submit.{shard_of(account)}"
    assert POSITIONS.queues_of("updates")[shard_of(account)] == f"positions.updates.{shard_of(account)}"


async def test_declaring_again_changes_nothing(amqp_vhost: Login) -> None:
    async with amqp_of(amqp_vhost).link("test") as link:
        await declare(link.channel, SHORT)


async def test_a_queue_with_other_arguments_is_not_overlooked(amqp_vhost: Login) -> None:
    amqp = amqp_of(amqp_vhost)
    async with amqp.link("test") as link:
        await link.channel.queue_delete("orders.dlq")
        await link.channel.declare_queue("orders.dlq", durable=True)
    with pytest.raises(ChannelPreconditionFailed):
        async with amqp.link("test"):
            pass
    assert amqp.state() == "test: not connected"
