"""What the broker has, as data: exchanges, queues, retry steps, dead letters. Declared by whoever connects.

A queue's arguments can never change, so what may change (a retry step's time) is part of the queue's name.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

SHARDS: Final = 4
DECLARE_TIMEOUT_S: Final = 10.0
MOST_STEPS: Final = 8
LONGEST_STEP: Final = timedelta(days=7)

_UNITS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WAIT: Final = re.compile(r"([0-9]{1,9})(h|m|s|ms)")


def shard_of(account_id: str) -> int:
    """Events of one account stay in one shard and so in order."""
    return zlib.crc32(account_id.encode()) % SHARDS


@dataclass(frozen=True)
class Exchange:
    name: str
    type: ExchangeType


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """What comes to `source` with `key` also goes to `target`, a queue or another exchange."""

    source: str
    key: str
    target: str
    to_exchange: bool = False


@dataclass(frozen=True)
class Family:
    """A direct exchange with stages of queues, their retry steps and dead letters, and a fan-out.

    A stage has SHARDS queues, one in `single` has one. `told` are the stages whose events a fan-out exchange
    hears, too, so that one message serves the queue and whoever follows updates. `hears` are the stages whose
    queue waits for what a fan-out exchange is told: of those that must not miss what was said meanwhile. A
    family that tells nobody has no fan-out.
    """

    name: str
    stages: tuple[str, ...]
    steps: tuple[timedelta, ...]
    single: tuple[str, ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    hears: tuple[tuple[str, str], ...] = ()
    has_fanout: bool = True

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
        return tuple(f"{self.name}.retry.{label}" for label in self.waits)

    @property
    def waits(self) -> tuple[str, ...]:
        """How long each step is, as its name says it."""
        return tuple(map(_label, self.steps))

    def key(self, stage: str, account_id: str) -> str:
        """The routing key of a stage for an account."""
        return stage if stage in self.single else f"{stage}.{shard_of(account_id)}"

    def keys_of(self, stage: str) -> tuple[str, ...]:
        """All routing keys of a stage, one per queue."""
        return (stage,) if stage in self.single else tuple(f"{stage}.{shard}" for shard in range(SHARDS))

    def queues_of(self, stage: str) -> tuple[str, ...]:
        """The names of a stage's queues."""
        return tuple(f"{self.name}.{key}" for key in self.keys_of(stage))

    def stage_queues(self) -> tuple[str, ...]:
        """The names of the queues of all stages."""
        return tuple(queue for stage in self.stages for queue in self.queues_of(stage))

    def exchanges(self) -> list[Exchange]:
        fanouts = [self.status] if self.has_fanout else []
        return [
            Exchange(self.name, ExchangeType.DIRECT),
            *(Exchange(name, ExchangeType.FANOUT) for name in (*fanouts, *self.retries)),
        ]

    def queues(self) -> list[Queue]:
        stages = [Queue(name, self._stage_arguments()) for name in self.stage_queues()]
        retries = [
            Queue(name, self._retry_arguments(step))
            for name, step in zip(self.retries, self.steps, strict=True)
        ]
        return [*stages, *retries, Queue(self.dlq, {"x-queue-type": "quorum"})]

    def bindings(self) -> list[Binding]:
        hearing = dict(self.hears)
        stages = [
            Binding(self.name, key, f"{self.name}.{key}")
            for stage in self.stages
            if stage not in hearing
            for key in self.keys_of(stage)
        ]
        heard = [
            Binding(exchange, "", queue) for stage, exchange in self.hears for queue in self.queues_of(stage)
        ]
        # By its own name a queue gets what comes again, past the fan-out, which has heard it already.
        again = [Binding(self.name, name, name) for name in self.stage_queues()]
        told = [
            Binding(self.name, key, exchange, to_exchange=True)
            for stage, exchange in self.told
            for key in self.keys_of(stage)
        ]
        return [*stages, *heard, *again, *told, *(Binding(name, "", name) for name in self.retries)]

    def _stage_arguments(self) -> dict[str, Any]:
        # A broker that gives up on a message (a delivery limit of its policies) must not drop it.
        return _dead_lettering("", self.dlq) | {"x-single-active-consumer": True}

    def _retry_arguments(self, step: timedelta) -> dict[str, Any]:
        # Without a key of its own a message goes back by the one it came with, the name of its queue.
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
    unit, size = next((unit, size) for unit, size in _UNITS.items() if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def waits(text: str) -> tuple[str, ...]:
    """Reads `5m,15m,1h`: growing waits of h, m, s or ms, for a setting."""
    labels = tuple(part.strip() for part in text.split(","))
    steps = [_step(label) for label in labels]
    if None in steps:
        raise ValueError("must be waits such as 30s, 5m or 6h")
    if steps != sorted(set(filter(None, steps))) or len(steps) > MOST_STEPS:
        raise ValueError(f"must be at most {MOST_STEPS} waits, each longer than the one before")
    return tuple(_label(step) for step in steps if step is not None)


def _step(label: str) -> timedelta | None:
    found = _WAIT.fullmatch(label)
    step = timedelta(milliseconds=int(found[1]) * _UNITS[found[2]]) if found else None
    return step if step is not None and timedelta(0) < step <= LONGEST_STEP else None


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

    def bindings(self) -> list[Binding]:
        return [binding for family in self.families for binding in family.bindings()]

    def unheeded(self) -> frozenset[str]:
        """The fan-outs for which no queue waits: what nobody listens to there is lost."""
        bound = {binding.source for binding in self.bindings()}
        return frozenset(each.status for each in self.families if each.has_fanout) - bound

    def with_steps(self, *steps: timedelta) -> Topology:
        """The same with other retry steps everywhere, for tests."""
        return Topology(tuple(replace(family, steps=steps) for family in self.families))

    def with_waits(self, name: str, labels: Iterable[str]) -> Topology:
        """The same with other retry steps of one family, as a setting says them."""
        steps = tuple(step for label in labels if (step := _step(label)) is not None)
        changed = {name: replace(self.family(name), steps=steps)}
        return Topology(tuple(changed.get(family.name, family) for family in self.families))


# orders.status is the fan-out of every change of an order: the new ones are told with submit.N, fills and
# ends with updates.N, and that one rests directly, as no queue waits for it. What only the worker has to do
# (processing.N) is told to nobody else.
ORDERS: Final = Family(
    "orders",
    ("submit", "processing", "settlement"),
    _minutes(5, 15, 60, 360),
    single=("settlement",),
    told=(("submit", "orders.status"),),
)
POSITIONS: Final = Family(
    "positions", ("updates",), _minutes(2, 10, 30, 120), told=(("updates", "orders.status"),)
)
# One queue for all accounts: what is told to a fan-out has no shard.
PORTFOLIO: Final = Family(
    "portfolio",
    ("changes",),
    _minutes(2, 10, 30, 120),
    single=("changes",),
    hears=(("changes", POSITIONS.status),),
    has_fanout=False,
)
TOPOLOGY: Final = Topology((ORDERS, POSITIONS, PORTFOLIO))


async def declare(channel: AbstractChannel, topology: Topology = TOPOLOGY) -> None:
    """Makes what is missing; fails where the broker has something else under the same name."""
    exchanges = {each.name: await _declare_exchange(channel, each) for each in topology.exchanges()}
    queues = {each.name: await _declare_queue(channel, each) for each in topology.queues()}
    for binding in topology.bindings():
        target = exchanges[binding.target] if binding.to_exchange else queues[binding.target]
        await target.bind(binding.source, binding.key, timeout=DECLARE_TIMEOUT_S)


async def _declare_exchange(channel: AbstractChannel, exchange: Exchange) -> AbstractExchange:
    return await channel.declare_exchange(
        exchange.name, exchange.type, durable=True, timeout=DECLARE_TIMEOUT_S
    )


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    return await channel.declare_queue(
        queue.name, durable=True, arguments=queue.arguments, timeout=DECLARE_TIMEOUT_S
    )
