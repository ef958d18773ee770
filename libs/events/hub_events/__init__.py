"""Events over RabbitMQ: envelope, topology, outbox, relay, consumer. Knows no event's meaning."""

from hub_events.amqp import Amqp, Link, Publisher
from hub_events.consumer import Handle, consume
from hub_events.envelope import Payload, envelope, pack
from hub_events.failures import Poison, UnknownEvent
from hub_events.fanout import fanout
from hub_events.outbox import CHANNEL, OUTBOX_SQL, TOLD, OutboxRow, enqueue, inserting_outbox, outbox_arrays
from hub_events.relay import Relay
from hub_events.topology import (
    ORDERS,
    PORTFOLIO,
    POSITIONS,
    SHARDS,
    TOPOLOGY,
    Family,
    Topology,
    declare,
    shard_of,
    waits,
)

__all__ = [
    "CHANNEL",
    "ORDERS",
    "OUTBOX_SQL",
    "PORTFOLIO",
    "POSITIONS",
    "SHARDS",
    "TOLD",
    "TOPOLOGY",
    "Amqp",
    "Family",
    "Handle",
    "Link",
    "OutboxRow",
    "Payload",
    "Poison",
    "Publisher",
    "Relay",
    "Topology",
    "UnknownEvent",
    "consume",
    "declare",
    "enqueue",
    "envelope",
    "fanout",
    "inserting_outbox",
    "outbox_arrays",
    "pack",
    "shard_of",
    "waits",
]
