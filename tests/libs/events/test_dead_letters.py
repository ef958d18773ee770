"""Dead letters by hand: they can be seen, sent back and dropped, and none is lost on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aio_pika.abc import AbstractIncomingMessage

from hub.event.v1 import event_pb2
from hub_events import ORDERS, Amqp, Poison, consume, pack
from hub_events.dead_letters import MOST_RETURNS, holding
from hub_events.labels import label
from tests.libs.events.world import Handler, event
from tests.support.jobs import eventually, running
from tests.support.servers import Login

KEY = ORDERS.key("submit", "account")
QUEUE = f"orders.{KEY}"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    log: str

    @property
    def rows(self) -> list[list[str]]:
        """Of a list, without its head."""
        return [line.split(maxsplit=6) for line in self.out.splitlines()[1:]]

    @property
    def ids(self) -> list[str]:
        return [row[1] for row in self.rows]


async def dlq(login: Login, *arguments: str, family: str = "orders", **variables: str) -> Said:
    """What an operator types."""
    settings = {"HUB_AMQP_URL": login.url, "HUB_AMQP_PASSWORD_FILE": str(login.password_file)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub_events", "dlq", *arguments, "--family", family),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | settings | variables,
    )
    out, log = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), log.decode())


def amqp(login: Login) -> Amqp:
    """With the retry steps that the tool knows."""
    return Amqp(login.url, login.password, name="test")


async def killed(login: Login, *names: str) -> dict[str, event_pb2.Envelope]:
    """Events that went to the dead letters in this order."""
    events = {name: event(name) for name in names}
    handler = Handler({name: Poison(f"bad {name}") for name in names})
    async with running(consume(amqp(login), [QUEUE], handler)):
        for each in events.values():
            await send(login, [each])
        await eventually(lambda: depth_is(login, "orders.dlq", len(names)))
    return events


async def send(login: Login, events: Sequence[event_pb2.Envelope], body: bytes | None = None) -> None:
    packed = pack(each.SerializeToString() for each in events) if body is None else body
    async with amqp(login).link("sender") as link:
        if events:
            await link.publish("orders", KEY, packed, label=label(events))
        else:
            await link.publish("orders", KEY, packed)


async def depth_is(login: Login, queue: str, depth: int) -> bool:
    async with amqp(login).link("looking") as link:
        channel = await link.channel.get_underlay_channel()
        found = await channel.queue_declare(queue, passive=True)
        return found is not None and found.message_count == depth


async def handled(login: Login, *names: str) -> list[event_pb2.Envelope]:
    """What a consumer gets now, in any order."""
    handler = Handler()
    async with running(consume(amqp(login), [QUEUE], handler)):
        await eventually(lambda: sorted(handler.handled) == sorted(names))
    return handler.events


async def test_they_are_listed_with_what_an_operator_asks_first_and_stay(amqp_vhost: Login) -> None:
    events = await killed(amqp_vhost, "a", "b")
    for _ in range(2):
        said = await dlq(amqp_vhost, "list")
        assert said.code == 0
        assert said.ids == [events["a"].event_id, events["b"].event_id]
        kind, event_id, account, queue, age, attempt, reason = said.rows[0]
        assert (kind, account, queue, attempt) == ("order.closed", "account", QUEUE, "0")
        assert (event_id, reason) == (events["a"].event_id, "Poison: bad a")
        assert age.endswith(("s", "m"))
    assert (await dlq(amqp_vhost, "list", family="positions")).rows == []


async def test_one_is_shown_whole(amqp_vhost: Login) -> None:
    events = await killed(amqp_vhost, "a", "b")
    said = await dlq(amqp_vhost, "show", "--event-id", events["b"].event_id)
    (shown,) = json.loads(said.out)
    assert (shown["queue"], shown["reason"]) == (QUEUE, "Poison: bad b")
    assert shown["event"]["order_closed"]["hold_id"] == "b"


async def test_one_is_replayed_alone_as_if_never_tried(amqp_vhost: Login) -> None:
    events = await killed(amqp_vhost, "a", "b", "c")
    said = await dlq(amqp_vhost, "replay", "--event-id", events["b"].event_id)
    assert (said.code, said.out) == (0, f"replayed order.closed {events['b'].event_id} {QUEUE}\n")
    (again,) = await handled(amqp_vhost, "b")
    assert (again.event_id, again.attempt, again.failure) == (events["b"].event_id, 0, "")
    assert (await dlq(amqp_vhost, "list")).ids == [events["a"].event_id, events["c"].event_id]


async def test_all_are_replayed_in_their_order(amqp_vhost: Login) -> None:
    await killed(amqp_vhost, "a", "b", "c")
    assert (await dlq(amqp_vhost, "replay", "--all")).code == 0
    assert [each.aggregate_id for each in await handled(amqp_vhost, "a", "b", "c")] == ["a", "b", "c"]
    assert (await dlq(amqp_vhost, "list")).rows == []


async def given_up_by_the_broker(login: Login) -> None:
    """As by its delivery limit: the whole message goes, with what the broker says of it."""
    refused = asyncio.Event()

    async def refuse(message: AbstractIncomingMessage) -> None:
        await message.reject(requeue=False)
        refused.set()

    async with amqp(login).link("refusing") as link:
        queue = await link.channel.get_queue(QUEUE, ensure=False)
        await queue.consume(refuse)
        await refused.wait()
        await eventually(lambda: depth_is(login, "orders.dlq", 1))


async def test_of_a_packed_message_one_event_can_be_replayed_and_the_others_stay(amqp_vhost: Login) -> None:
    events = [event(name) for name in "abc"]
    await send(amqp_vhost, events)
    await given_up_by_the_broker(amqp_vhost)
    listed = (await dlq(amqp_vhost, "list")).rows
    assert [row[1] for row in listed] == [each.event_id for each in events]
    assert {(row[3], row[6]) for row in listed} == {(QUEUE, "the broker gave up: rejected")}
    assert (await dlq(amqp_vhost, "replay", "--event-id", events[1].event_id)).code == 0
    await handled(amqp_vhost, "b")
    rest = (await dlq(amqp_vhost, "list")).rows
    assert [(row[1], row[3]) for row in rest] == [(events[0].event_id, QUEUE), (events[2].event_id, QUEUE)]
    assert (await dlq(amqp_vhost, "replay", "--all")).code == 0
    await handled(amqp_vhost, "a", "c")


async def test_what_is_dropped_is_gone_and_in_the_log(amqp_vhost: Login) -> None:
    events = await killed(amqp_vhost, "a", "b")
    said = await dlq(amqp_vhost, "drop", "--event-id", events["a"].event_id)
    assert said.out == f"dropped order.closed {events['a'].event_id} {QUEUE}\n"
    (line,) = [each for each in map(json.loads, said.log.splitlines()) if each["event"] == "event_dropped"]
    assert (line["event_id"], line["account_id"], line["queue"]) == (events["a"].event_id, "account", QUEUE)
    assert line["reason"] == "Poison: bad a"
    assert len(line["body"]) > 40
    assert (await dlq(amqp_vhost, "list")).ids == [events["b"].event_id]


async def test_a_message_that_cannot_be_read_is_handled_by_its_own_id(amqp_vhost: Login) -> None:
    await send(amqp_vhost, [], b"\xff\xff not a batch")
    async with running(consume(amqp(amqp_vhost), [QUEUE], Handler())):
        await eventually(lambda: depth_is(amqp_vhost, "orders.dlq", 1))
    (row,) = (await dlq(amqp_vhost, "list")).rows
    assert (row[0], row[2:5][1]) == ("unreadable", QUEUE)
    assert (await dlq(amqp_vhost, "drop", "--event-id", row[1])).code == 0
    assert (await dlq(amqp_vhost, "list")).rows == []


@pytest.mark.parametrize("verb", ["replay", "drop"])
async def test_killed_halfway_it_has_lost_nothing(amqp_vhost: Login, verb: str) -> None:
    events = await killed(amqp_vhost, "a", "b")
    said = await dlq(amqp_vhost, verb, "--all", HUB_CRASH_POINTS="dlq.before_ack=kill@2")
    assert said.code == -signal.SIGKILL
    left = (await dlq(amqp_vhost, "list")).ids
    assert left[-1:] == [events["b"].event_id]
    if verb == "replay":
        assert set((await dlq(amqp_vhost, "replay", "--all")).out.split()) >= {events["b"].event_id}
        async with running(consume(amqp(amqp_vhost), [QUEUE], handler := Handler())):
            await eventually(lambda: {"a", "b"} <= set(handler.handled))


async def test_looking_often_loses_nothing_where_the_broker_limits_returns(amqp_vhost: Login) -> None:
    """Newer brokers drop a message after some returns; the count starts again before."""
    events = await killed(amqp_vhost, "a", "b")
    counts: list[Any] = []
    async with amqp(amqp_vhost).link("looking") as link:
        for _ in range(3 * MOST_RETURNS):
            async with holding(link, ORDERS, 10) as held:
                found = [letter.letter_id for each in held for letter in each.letters]
                assert sorted(found) == sorted(each.event_id for each in events.values())
                assert {letter.reason[:11] for each in held for letter in each.letters} == {"Poison: bad"}
                counts += [each.message.headers.get("x-delivery-count", 0) for each in held]
    assert 0 < max(counts) <= MOST_RETURNS


async def test_what_does_not_say_where_it_belongs_stays(amqp_vhost: Login) -> None:
    stray = event("stray")
    async with amqp(amqp_vhost).link("sender") as link:
        await link.publish("", "orders.dlq", pack([stray.SerializeToString()]))
    said = await dlq(amqp_vhost, "replay", "--all")
    assert said.code == 1
    assert "does not say which queue" in said.log
    assert (await dlq(amqp_vhost, "list")).ids == [stray.event_id]


async def test_mistakes_are_told(amqp_vhost: Login) -> None:
    assert (await dlq(amqp_vhost, "replay")).code == 2
    assert (await dlq(amqp_vhost, "list", HUB_AMQP_URL="http://x")).code == 2
    unknown = await dlq(amqp_vhost, "replay", "--event-id", "no-such-event")
    assert (unknown.code, "no-such-event: is not among" in unknown.log) == (1, True)
    away = await dlq(amqp_vhost, "list", HUB_AMQP_URL="amqp://hub@127.0.0.1:1/")
    assert (away.code, "does not answer" in away.log) == (1, True)
