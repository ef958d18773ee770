"""Which events call which use case: a new order and a resting one that can be filled are both executed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub.event.v1 import event_pb2
from hub_errors import Unavailable
from hub_order import mapping
from hub_order.usecases.execute import Floor, Task, execute


async def handle(events: Sequence[event_pb2.Envelope], *, floor: Floor) -> None:
    """One batch of the queues. Until there are prices nothing is taken: the consumer tries it again."""
    if not floor.market.loaded:
        raise Unavailable("The market's data has not come yet.", code="market_data_unavailable")
    await execute([task for event in events if (task := task_of(event)) is not None], floor=floor)


def task_of(event: event_pb2.Envelope) -> Task | None:
    """None for events that other services care about."""
    kind = event.WhichOneof("payload")
    if kind == "order_accepted":
        return Task(UUID(event.order_accepted.order.order_id), event.traceparent)
    if kind == "order_triggered":
        triggered = event.order_triggered
        return Task(UUID(triggered.order_id), event.traceparent, mapping.carried_quote(triggered))
    return None
