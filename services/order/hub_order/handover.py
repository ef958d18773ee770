"""Tells the worker which resting orders can be filled, and from which quote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hub.event.v1 import event_pb2
from hub_events import ORDERS, Publisher, envelope
from hub_order import mapping
from hub_order.resting import Hand

# So many events in one message at most: a quote may trigger a large part of all that rests.
MOST_EVENTS = 256


async def hand_over(hands: Sequence[Hand], epoch: int, *, publisher: Publisher) -> None:
    """Messages of one shard each, confirmed by the broker. They carry which trigger it was: the worker
    does not hear one that has been replaced."""
    shards: dict[str, list[event_pb2.Envelope]] = defaultdict(list)
    for hand in hands:
        account_id = str(hand.account_id)
        event = envelope(
            "order.triggered",
            str(hand.order_id),
            account_id,
            mapping.triggered_event(hand.order_id, hand.quote, stop_price=hand.stop_price, epoch=epoch),
            traceparent=hand.traceparent,
        )
        shards[ORDERS.key("processing", account_id)].append(event)
    for routing_key, events in shards.items():
        for first in range(0, len(events), MOST_EVENTS):
            await publisher.publish(ORDERS.name, routing_key, events[first : first + MOST_EVENTS])
