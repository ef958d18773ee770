"""Consuming: batches, and what becomes of an event that cannot be handled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from hub.event.v1 import event_pb2
from hub_errors import Conflict, Invalid, NotFound, Timeout, Unavailable
from hub_events import ORDERS, TOPOLOGY, Amqp, Poison, UnknownEvent, consume, waits
from tests.libs.events.world import SHORT, SUBMIT, Broker, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Login

FAMILY = SHORT.family("orders")
DLQ = FAMILY.dlq


def consuming(login: Login, handler: Handler, **options: Any) -> Any:
    return consume(amqp_of(login), SUBMIT, handler, **options)


def idle() -> bool:
    """Whatever was handled is acknowledged."""
    return REGISTRY.get_sample_value("hub_events_in_flight", {"family": "orders"}) == 0


async def empty(broker: Broker) -> bool:
    """Nothing waits. Ask when the consumers are gone: what they have not acknowledged is back by then."""
    return await broker.depth(*SUBMIT, *FAMILY.retries) == 0


async def test_events_of_all_shards_arrive_once_each(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        for number in range(200):
            await broker.send(event(f"{number}", account=f"account {number}"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: len(handler.handled) == 200 and idle())
        assert sorted(handler.handled) == sorted(str(number) for number in range(200))
        assert await empty(broker)


async def test_events_of_one_account_arrive_in_order(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        for number in range(0, 300, 3):
            await broker.send(*(event(str(number + each)) for each in range(3)))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: len(handler.handled) == 300)
    assert handler.handled == [str(number) for number in range(300)]


async def test_what_arrived_meanwhile_is_handled_together(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        for number in range(40):
            await broker.send(event(str(number), account=f"account {number}"))
        async with running(consuming(amqp_vhost, handler, linger_s=0.2)):
            await eventually(lambda: len(handler.handled) == 40)
    assert len(handler.tried) < 10


async def test_a_batch_is_bounded(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        for number in range(0, 100, 5):
            await broker.send(*(event(str(number + each)) for each in range(5)))
        async with running(consuming(amqp_vhost, handler, linger_s=0.2, most_events=20)):
            await eventually(lambda: len(handler.handled) == 100)
    assert max(len(names) for names in handler.tried) <= 24


@pytest.mark.parametrize(
    "fault", [Poison("no such thing"), Invalid("no such thing", code="invalid_id", field="order_id")]
)
async def test_poison_goes_alone_to_the_dead_letters_with_its_reason(
    amqp_vhost: Login, fault: Exception
) -> None:
    handler = Handler({"bad": fault})
    async with looking(amqp_vhost) as broker:
        await broker.send(event("a"), event("bad"), event("b"))
        await broker.send(event("c"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: sorted(handler.handled) == ["a", "b", "c"])
            await eventually(lambda: depth_is(broker, 1, DLQ))
            await eventually(idle)
        (dead,), headers = await broker.take(DLQ)
        assert dead.aggregate_id == "bad"
        assert "no such thing" in dead.failure
        assert "no such thing" in headers["reason"]
        assert headers["queue"] in SUBMIT
        assert await empty(broker)


async def depth_is(broker: Broker, depth: int, *queues: str) -> bool:
    return await broker.depth(*queues) == depth


async def test_a_message_that_is_no_batch_goes_to_the_dead_letters_as_it_is(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        await broker.send(body=b"\xff\xff not a batch", key="submit.0")
        await broker.send(event("a"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: handler.handled == ["a"])
            await eventually(lambda: depth_is(broker, 1, DLQ))
        queue = await broker.channel.get_queue(DLQ, ensure=False)
        message = await queue.get(timeout=5)
        assert message is not None
        assert message.body == b"\xff\xff not a batch"
        await message.ack()


def paused() -> float:
    return REGISTRY.get_sample_value("hub_events_paused", {"family": "orders"}) or 0


def retried(step: str) -> float:
    return REGISTRY.get_sample_value("hub_events_retried_total", {"step": step}) or 0


@pytest.mark.parametrize("fault", [NotFound("not there yet", code="no_order"), ZeroDivisionError("no_order")])
async def test_a_passing_fault_takes_a_retry_step_and_comes_back(amqp_vhost: Login, fault: Exception) -> None:
    """An error nobody foresaw may pass, too."""
    handler, before = Handler({"later": fault}, mends=True), retried(FAMILY.retries[0])
    async with looking(amqp_vhost) as broker:
        await broker.send(event("later"), event("a"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: handler.handled == ["a", "later"] and idle())
        assert retried(FAMILY.retries[0]) == before + 1
        assert handler.events[-1].attempt == 1
        assert "no_order" in handler.events[-1].failure
        assert await empty(broker)
        assert await broker.depth(DLQ) == 0


async def test_after_the_last_step_it_goes_to_the_dead_letters(amqp_vhost: Login) -> None:
    handler = Handler({"never": Conflict("still not", code="never")})
    async with looking(amqp_vhost) as broker:
        await broker.send(event("never"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: depth_is(broker, 1, DLQ))
        (dead,), headers = await broker.take(DLQ)
    assert len(handler.tried) == 1 + len(FAMILY.steps)
    assert dead.attempt == len(FAMILY.steps)
    assert headers["reason"] == "never: still not"


async def test_what_waits_in_a_step_of_another_setting_comes_back(amqp_vhost: Login) -> None:
    """A deployment with other steps: the old queue is nobody's any more, and gives back what it has."""
    first, second = Handler({"later": NotFound("not yet", code="no_order")}), Handler()
    other = TOPOLOGY.with_waits("orders", waits("400ms,700ms"))
    async with looking(amqp_vhost) as broker:
        await broker.send(event("later"))
        async with running(consuming(amqp_vhost, first)):
            await eventually(lambda: bool(first.tried) and idle())
        amqp = Amqp(amqp_vhost.url, amqp_vhost.password, topology=other, name="other")
        async with running(consume(amqp, SUBMIT, second)):
            await eventually(lambda: second.handled == ["later"] and idle())
        assert await empty(broker)


async def test_a_step_really_waits_and_the_next_one_longer(amqp_vhost: Login) -> None:
    """Told by the order of arrival: what is sent while an event waits comes before it."""
    failing = {"twice": 2, "once": 1}
    arrived: list[str] = []
    both_wait = asyncio.Event()

    async def handle(events: Sequence[event_pb2.Envelope]) -> None:
        for name in (each.aggregate_id for each in events):
            if failing.get(name, 0) and len(events) == 1:
                failing[name] -= 1
                if failing == {"twice": 1, "once": 0}:
                    both_wait.set()
            elif name not in failing or len(events) == 1:
                continue
            raise NotFound("not yet", code="no_order")
        arrived.extend(each.aggregate_id for each in events)

    async with looking(amqp_vhost) as broker:
        await broker.send(event("twice"), event("once"), event("neighbour"))
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handle)):
            await both_wait.wait()
            await broker.send(event("meanwhile"))
            await eventually(lambda: len(arrived) == 4)
    assert arrived == ["neighbour", "meanwhile", "once", "twice"]


def unknown() -> float:
    """What the alert is on."""
    name = "hub_events_unknown_total"
    return sum(REGISTRY.get_sample_value(name, {"queue": queue}) or 0 for queue in SUBMIT)


def unknown_payload() -> event_pb2.Envelope:
    """As an older release sees a payload of a newer one: a field it has no name for."""
    made = event("from the future")
    made.ClearField("order_closed")
    made.type = "order.imagined"
    return event_pb2.Envelope.FromString(made.SerializeToString() + b"\xba\x06\x02\x08\x01")


async def test_an_unknown_event_waits_alone_in_the_longest_step_without_limit(amqp_vhost: Login) -> None:
    handler = Handler()
    async with looking(amqp_vhost) as broker:
        await broker.send(event("a"), unknown_payload(), event("b"))
        before, rounds, alerts = retried(FAMILY.retries[-1]), len(FAMILY.steps) + 2, unknown()
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: sorted(handler.handled) == ["a", "b"])
            await eventually(lambda: retried(FAMILY.retries[-1]) >= before + rounds)
        assert unknown() - alerts == retried(FAMILY.retries[-1]) - before
        assert await broker.depth(DLQ) == 0
        await eventually(lambda: depth_is(broker, 1, *FAMILY.retries, *SUBMIT))


async def test_a_handler_can_say_that_it_does_not_know_an_event(amqp_vhost: Login) -> None:
    handler, before = Handler({"new": UnknownEvent("status 99")}, mends=True), retried(FAMILY.retries[-1])
    async with looking(amqp_vhost) as broker:
        await broker.send(event("new"), event("a"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: handler.handled == ["a", "new"])
    assert retried(FAMILY.retries[-1]) == before + 1
    assert handler.events[-1].attempt == 0


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable("down", code="database_unavailable"),
        Timeout("slow", code="deadline_exceeded"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
async def test_while_a_dependency_is_down_nothing_moves_and_nothing_is_lost(
    amqp_vhost: Login, fault: Exception
) -> None:
    handler = Handler({"b": fault})
    async with looking(amqp_vhost) as broker:
        await broker.send(event("a"), event("b"), event("c"))
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: len(handler.tried) >= 4)
            assert handler.tried == [["a", "b", "c"]] * len(handler.tried)
            assert handler.handled == []
            assert await broker.depth(DLQ, *FAMILY.retries) == 0
            assert paused() == 1
            handler.faults.clear()
            await eventually(lambda: handler.handled == ["a", "b", "c"] and idle())
        assert paused() == 0
        assert handler.events[0].attempt == 0
        assert await empty(broker)


async def test_a_consumer_that_dies_in_the_middle_loses_nothing(amqp_vhost: Login) -> None:
    hanging = asyncio.Event()

    async def hang(_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    handler = Handler()
    async with looking(amqp_vhost) as broker:
        await broker.send(event("a"), event("b"))
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, hang)):
            await hanging.wait()
        async with running(consuming(amqp_vhost, handler)):
            await eventually(lambda: handler.handled == ["a", "b"])


async def test_what_waits_behind_a_batch_is_not_acknowledged_with_it(amqp_vhost: Login) -> None:
    handled: list[str] = []
    hanging = asyncio.Event()

    async def handle_one_batch(events: Sequence[event_pb2.Envelope]) -> None:
        if handled:
            hanging.set()
            await asyncio.Event().wait()
        handled.extend(each.aggregate_id for each in events)

    rest = Handler()
    names = [str(number) for number in range(40)]
    async with looking(amqp_vhost) as broker:
        for name in names:
            await broker.send(event(name, account=f"account {name}"))
        async with running(
            consume(amqp_of(amqp_vhost), SUBMIT, handle_one_batch, linger_s=0.2, most_events=5)
        ):
            await hanging.wait()
        async with running(consuming(amqp_vhost, rest)):
            await eventually(lambda: sorted(handled + rest.handled) == sorted(names))
        assert await empty(broker)


async def test_what_one_consumer_has_another_does_not_get(amqp_vhost: Login) -> None:
    first, second = Handler(), Handler()
    async with (
        looking(amqp_vhost) as broker,
        running(consuming(amqp_vhost, first), consuming(amqp_vhost, second)),
    ):
        for number in range(50):
            await broker.send(event(str(number)))
        await eventually(lambda: len(first.handled) + len(second.handled) == 50)
    assert [] in (first.handled, second.handled), "a shard has one active consumer"


async def test_shards_are_where_their_accounts_are(amqp_vhost: Login) -> None:
    async with looking(amqp_vhost) as broker:
        for account in ("a", "b", "c", "d", "e"):
            await broker.send(event(account, account=account))
            key = ORDERS.key("submit", account)
            assert await broker.depth(f"orders.{key}") > 0
