"""A broker's corner for one test: short retry steps, a handler that can be told to fail, a look inside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from hub.event.v1 import event_pb2
from hub_events import ORDERS, TOPOLOGY, Amqp, envelope, pack
from tests.support.servers import Login

STEPS = (timedelta(milliseconds=300), timedelta(milliseconds=600))
SHORT = TOPOLOGY.with_steps(*STEPS)
SUBMIT = ORDERS.queues_of("submit")


def event(name: str, account: str = "account") -> event_pb2.Envelope:
    return envelope("order.closed", name, account, event_pb2.OrderClosed(hold_id=name))


def amqp_of(login: Login) -> Amqp:
    return Amqp(login.url, login.password, topology=SHORT, name="test")


@dataclass
class Handler:
    """Remembers what it handled; `faults` says what it raises for an event, by its name. With `mends`, a
    fault is gone once the event was tried alone."""

    faults: dict[str, Exception] = field(default_factory=dict)
    mends: bool = False
    handled: list[str] = field(default_factory=list)
    events: list[event_pb2.Envelope] = field(default_factory=list)
    tried: list[list[str]] = field(default_factory=list)

    async def __call__(self, events: Sequence[event_pb2.Envelope]) -> None:
        names = [each.aggregate_id for each in events]
        self.tried.append(names)
        for name in names:
            if name in self.faults:
                raise self.faults.pop(name) if self.mends and len(names) == 1 else self.faults[name]
        self.handled += names
        self.events += events


@dataclass
class Broker:
    """Looks at the broker from outside."""

    channel: AbstractChannel

    async def send(
        self, *events: event_pb2.Envelope, key: str | None = None, body: bytes | None = None
    ) -> None:
        """One message."""
        target = await self.channel.get_exchange("orders", ensure=False)
        packed = pack(each.SerializeToString() for each in events) if body is None else body
        account = events[0].account_id if events else ""
        await target.publish(aio_pika.Message(packed), key or ORDERS.key("submit", account), timeout=5)

    async def depth(self, *queues: str) -> int:
        """Messages that are ready, of a fresh declaration each."""
        depths = []
        for queue in queues:
            declared = await self.channel.declare_queue(queue, passive=True, timeout=5)
            depths.append(declared.declaration_result.message_count or 0)
        return sum(depths)

    async def take(self, queue: str) -> tuple[list[event_pb2.Envelope], dict[str, Any]]:
        """The next message of a queue without a single active consumer."""
        opened = await self.channel.get_queue(queue, ensure=False)
        message = await opened.get(timeout=5)
        assert message is not None
        await message.ack()
        return list(event_pb2.EventBatch.FromString(message.body).events), dict(message.headers)


@asynccontextmanager
async def looking(login: Login) -> AsyncIterator[Broker]:
    amqp = amqp_of(login)
    async with amqp.link("outside") as link:
        yield Broker(link.channel)
