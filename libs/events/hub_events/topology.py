"""What the broker has, as data: exchanges, queues, retry steps, dead letters. Declared by whoever connects.

A queue's arguments can never change, so what may change (a retry step's time) is part of the queue's name.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

SHARDS: Final = 4
DECLARE_TIMEOUT_S: Final = 10.0


def shard_of(account_id: str) -> int:
    """Events of one account stay in one shard and so in order."""
    return zlib.crc32(account_id.encode()) % SHARDS


@dataclass(frozen=True)
class Exchange:
    name: str
    type: ExchangeType


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue. `exchange` and `key` bind it; without an exchange it is reached by its name."""

    name: str
    exchange: str = ""
    key: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A direct exchange with stages of SHARDS queues, their retry steps and dead letters, and a fan-out."""

    name: str
    stages: tuple[str, ...]
    steps: tuple[timedelta, ...]

    @property
    def status(self) -> str:
        """The fan-out exchange."""
        return f"{self.name}.status"

    @property
    def dlq(self) -> str:
        return f"{self.name}.dlq"

    @property
    def retries(self) -> tuple[str, ...]:
        """The retry steps' exchanges and queues, the shortest wait first."""
        return tuple(f"{self.name}.retry.{_label(step)}" for step in self.steps)

    def key(self, stage: str, account_id: str) -> str:
        """The routing key of a stage for an account."""
        return f"{stage}.{shard_of(account_id)}"

    def queues_of(self, stage: str) -> tuple[str, ...]:
        """The names of a stage's queues, one per shard."""
        return tuple(f"{self.name}.{stage}.{shard}" for shard in range(SHARDS))

    def exchanges(self) -> list[Exchange]:
        direct, status = Exchange(self.name, ExchangeType.DIRECT), Exchange(self.status, ExchangeType.FANOUT)
        return [direct, status, *(Exchange(name, ExchangeType.FANOUT) for name in self.retries)]

    def queues(self) -> list[Queue]:
        shards = [f"{stage}.{shard}" for stage in self.stages for shard in range(SHARDS)]
        stages = [Queue(f"{self.name}.{key}", self.name, key, self._stage_arguments()) for key in shards]
        retries = [
            Queue(name, name, "", self._retry_arguments(step))
            for name, step in zip(self.retries, self.steps, strict=True)
        ]
        return [*stages, *retries, Queue(self.dlq, arguments={"x-queue-type": "quorum"})]

    def _stage_arguments(self) -> dict[str, Any]:
        # A broker that gives up on a message (a delivery limit of its policies) must not drop it.
        return _dead_lettering("", self.dlq) | {"x-single-active-consumer": True}

    def _retry_arguments(self, step: timedelta) -> dict[str, Any]:
        # Without a key of its own a message goes back by the one it came with, to the queue it came from.
        return _dead_lettering(self.name, None) | {"x-message-ttl": _milliseconds(step)}


def _dead_lettering(exchange: str, key: str | None) -> dict[str, Any]:
    arguments = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return arguments if key is None else arguments | {"x-dead-letter-routing-key": key}


def _milliseconds(step: timedelta) -> int:
    return round(step.total_seconds() * 1000)


def _label(step: timedelta) -> str:
    milliseconds = _milliseconds(step)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _minutes(*minutes: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=each) for each in minutes)


@dataclass(frozen=True)
class Topology:
    families: tuple[Family, ...]

    def family(self, name: str) -> Family:
        return next(family for family in self.families if family.name == name)

    def exchanges(self) -> list[Exchange]:
        return [exchange for family in self.families for exchange in family.exchanges()]

    def queues(self) -> list[Queue]:
        return [queue for family in self.families for queue in family.queues()]

    def with_steps(self, *steps: timedelta) -> Topology:
        """The same with other retry steps, for tests and settings."""
        return Topology(tuple(Family(each.name, each.stages, steps) for each in self.families))


ORDERS: Final = Family("orders", ("submit", "processing"), _minutes(5, 15, 60, 360))
POSITIONS: Final = Family("positions", ("updates",), _minutes(2, 10, 30, 120))
TOPOLOGY: Final = Topology((ORDERS, POSITIONS))


async def declare(channel: AbstractChannel, topology: Topology = TOPOLOGY) -> None:
    """Makes what is missing; fails where the broker has something else under the same name."""
    for exchange in topology.exchanges():
        await channel.declare_exchange(exchange.name, exchange.type, durable=True, timeout=DECLARE_TIMEOUT_S)
    await _declare_queues(channel, topology.queues())


async def _declare_queues(channel: AbstractChannel, queues: Sequence[Queue]) -> None:
    for queue in queues:
        declared = await channel.declare_queue(
            queue.name, durable=True, arguments=queue.arguments, timeout=DECLARE_TIMEOUT_S
        )
        if queue.exchange:
            await declared.bind(queue.exchange, queue.key, timeout=DECLARE_TIMEOUT_S)
