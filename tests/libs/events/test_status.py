"""One message serves a queue and the fan-out of order updates; what comes again is not told again."""

from __future__ import annotations

import pytest

from hub.event.v1 import event_pb2
from hub_errors import NotFound
from hub_events import ORDERS, POSITIONS, Family, Link, consume, envelope, fanout, pack
from tests.libs.events.world import SUBMIT, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Login


class Follower(Handler):
    """Listens to a fan-out."""

    listening = False

    def connected(self) -> None:
        self.listening = True


async def publish(link: Link, exchange: str, key: str, *events: event_pb2.Envelope) -> None:
    await link.publish(exchange, key, pack(each.SerializeToString() for each in events))


@pytest.mark.parametrize(
    ("family", "stage", "told"),
    [
        (ORDERS, "submit", True),
        (POSITIONS, "updates", True),
        (ORDERS, "processing", False),
        (ORDERS, "settlement", False),
    ],
)
async def test_the_fan_out_of_orders_hears_what_is_told_of_every_account(
    amqp_vhost: Login, family: Family, stage: str, told: bool
) -> None:
    follower, accounts = Follower(), [f"account {number}" for number in range(20)]
    listen = fanout(amqp_of(amqp_vhost), ORDERS.status, follower, connected=follower.connected)
    async with looking(amqp_vhost) as broker, amqp_of(amqp_vhost).link("sender") as link, running(listen):
        await eventually(lambda: follower.listening)
        for account in accounts:
            await publish(link, family.name, family.key(stage, account), event(account, account))
        await publish(link, ORDERS.name, ORDERS.key("submit", "last"), event("last", "last"))
        await eventually(lambda: "last" in follower.handled)
        assert sorted(follower.handled) == sorted([*accounts, "last"] if told else ["last"])
        assert await broker.depth(*family.queues_of(stage)) >= len(accounts), "and each waits in its queue"


async def test_what_comes_again_by_a_retry_step_is_not_told_again(amqp_vhost: Login) -> None:
    follower, handler = Follower(), Handler({"later": NotFound("not yet", code="no_order")}, mends=True)
    listen = fanout(amqp_of(amqp_vhost), ORDERS.status, follower, connected=follower.connected)
    async with looking(amqp_vhost) as broker, running(listen):
        await eventually(lambda: follower.listening)
        await broker.send(event("later"), event("a"))
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
            await eventually(lambda: handler.handled == ["a", "later"])
        await broker.send(event("last"))
        await eventually(lambda: "last" in follower.handled)
    assert follower.handled == ["later", "a", "last"]


async def test_changes_of_positions_and_accounts_are_heard_by_their_followers_alone(
    amqp_vhost: Login,
) -> None:
    orders, positions = Follower(), Follower()
    async with (
        amqp_of(amqp_vhost).link("sender") as link,
        running(
            fanout(amqp_of(amqp_vhost), ORDERS.status, orders, connected=orders.connected),
            fanout(amqp_of(amqp_vhost), POSITIONS.status, positions, connected=positions.connected),
        ),
    ):
        await eventually(lambda: orders.listening and positions.listening)
        changed = envelope("account.changed", "account", "account", event_pb2.AccountChanged(version=1))
        await publish(link, POSITIONS.status, "", changed)
        await publish(link, POSITIONS.name, POSITIONS.key("updates", "x"), event("fill", "x"))
        await eventually(lambda: positions.handled == ["account"] and orders.handled == ["fill"])


async def test_a_broker_of_the_release_before_gets_what_is_new_by_declaring(amqp_vhost: Login) -> None:
    """It has the same queues with the same arguments, only not these bindings, and messages in them."""
    amqp, handler, follower = amqp_of(amqp_vhost), Handler(), Follower()
    async with amqp.link("before") as link:
        for binding in amqp.topology.bindings():
            if binding.to_exchange:
                target = await link.channel.get_exchange(binding.target, ensure=False)
                await target.unbind(binding.source, binding.key)
            elif binding.key == binding.target:
                queue = await link.channel.get_queue(binding.target, ensure=False)
                await queue.unbind(binding.source, binding.key)
        await link.channel.queue_delete("orders.settlement")
        await publish(link, ORDERS.name, ORDERS.key("submit", "x"), event("before", "x"))
    listen = fanout(amqp, ORDERS.status, follower, connected=follower.connected)
    async with (
        amqp_of(amqp_vhost).link("after") as link,
        running(consume(amqp, [*SUBMIT, "orders.settlement"], handler), listen),
    ):
        await eventually(lambda: follower.listening)
        await publish(link, ORDERS.name, ORDERS.key("submit", "x"), event("after", "x"))
        await publish(link, ORDERS.name, "settlement", event("settled", "x"))
        await eventually(lambda: sorted(handler.handled) == ["after", "before", "settled"])
        await eventually(lambda: follower.handled == ["after"])
