"""Which events of orders.settlement call which use case: a settled trade stamps its execution."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from hub.event.v1 import event_pb2
from hub_events import Poison, UnknownEvent
from hub_order.store import Settlements
from hub_order.usecases.settle import Settled, settle


async def handle_settlements(events: Sequence[event_pb2.Envelope], *, settlements: Settlements) -> None:
    """One batch of the queue."""
    await settle([settled_of(event) for event in events], settlements=settlements)


def settled_of(event: event_pb2.Envelope) -> Settled:
    """Raises Poison for one without an id or a time, UnknownEvent for what does not belong here."""
    if not event.HasField("trade_settled"):
        raise UnknownEvent(f"this release settles nothing by {event.type}")
    told = event.trade_settled
    if not told.HasField("settled_at"):
        raise Poison(f"trade {told.trade_id} settled without a time")
    try:
        return Settled(UUID(told.trade_id), told.settled_at.ToDatetime(tzinfo=UTC))
    except ValueError as error:
        raise Poison(f"{told.trade_id!r} is no trade's id") from error
