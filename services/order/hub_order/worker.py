"""Which events call which use case: new orders and resting ones that can be filled are executed, and venues
are asked to end or replace what is to be ended or replaced."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from hub.event.v1 import event_pb2
from hub_errors import Unavailable
from hub_events import Poison, UnknownEvent
from hub_order import mapping
from hub_order.usecases.execute import Floor, execute
from hub_order.usecases.plan import Task
from hub_order.usecases.venue_reports import VenueDesk
from hub_postgres import Uuid


async def handle(events: Sequence[event_pb2.Envelope], *, floor: Floor, desk: VenueDesk) -> None:
    """One batch of the queues. Until there are prices nothing is taken: the consumer tries it again."""
    if not floor.market.loaded:
        raise Unavailable("The market's data has not come yet.", code="market_data_unavailable")
    tasks = [task_of(event) for event in events]
    ends = [
        _id(event.order_cancel_requested.order_id)
        for event in events
        if event.HasField("order_cancel_requested")
    ]
    await execute([task for task in tasks if task is not None], floor=floor)
    if ends:
        await desk.ask(ends)


def task_of(event: event_pb2.Envelope) -> Task | None:
    """None for an end that is asked for. Raises UnknownEvent for what no release has sent here so far."""
    kind = event.WhichOneof("payload")
    if kind == "order_accepted":
        return Task(_id(event.order_accepted.order.order_id), event.traceparent)
    if kind == "order_triggered":
        triggered = event.order_triggered
        return Task(
            _id(triggered.order_id),
            event.traceparent,
            mapping.carried_quote(triggered),
            Decimal(triggered.stop_price) if triggered.stop_price else None,
            triggered.trigger_epoch,
        )
    if kind == "order_cancel_requested":
        return None
    raise UnknownEvent(f"this release does not execute {event.type}")


def _id(text: str) -> UUID:
    try:
        return Uuid(text)
    except ValueError as error:
        raise Poison(f"{text!r} is no order id") from error
