"""Tells the worker which resting orders can be filled, and from which quote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hub.event.v1 import event_pb2
from hub_events import ORDERS, Publisher, envelope
from hub_order import mapping
from hub_order.resting import Hand


async def hand_over(hands: Sequence[Hand], *, publisher: Publisher) -> None:
    """One message for each shard, confirmed by the broker."""
    messages: dict[str, list[event_pb2.Envelope]] = defaultdict(list)
    for hand in hands:
        order, account_id = hand.order, str(hand.order.account_id)
        event = envelope(
            "order.triggered",
            str(order.order_id),
            account_id,
            mapping.triggered_event(order, hand.quote),
            traceparent=order.traceparent,
        )
        messages[ORDERS.key("processing", account_id)].append(event)
    for routing_key, events in messages.items():
        await publisher.publish(ORDERS.name, routing_key, events)
