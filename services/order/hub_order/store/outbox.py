"""What the other services are told about a change of an order."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_events import ORDERS, POSITIONS, OutboxRow, Payload, envelope
from hub_order import mapping
from hub_order.domain import Change, Status

CLOSES = frozenset({Status.CANCELLED, Status.EXPIRED, Status.REPLACED, Status.FAILED})


def outbox_rows(
    change: Change, traces: Mapping[UUID, str], *, message: order_pb2.Order | None = None
) -> list[OutboxRow]:
    """A new order goes to the worker, fills and ends go to the books, and all to whoever follows updates. The
    end that is asked of a venue goes to the worker alone; that an order works now, and waits, is nobody's but
    the followers'. `message` is the order, made before."""
    order, account_id = change.order, str(change.order.account_id)
    said = _said(change, message)
    if said is None:
        return []
    kind, payload = said
    told = envelope(
        kind,
        str(order.order_id),
        account_id,
        payload,
        traceparent=traces.get(order.order_id) or order.traceparent,
        occurred_at=order.updated_at,
    )
    if kind == "order.cancel_requested":
        return [OutboxRow(ORDERS.name, ORDERS.key("processing", account_id), told)]
    if change.begins:
        return [OutboxRow(ORDERS.status, "", told)]
    # The broker tells the other two to the fan-out orders.status as well: see hub_events.topology.
    if kind == "order.accepted":
        return [OutboxRow(ORDERS.name, ORDERS.key("submit", account_id), told)]
    return [OutboxRow(POSITIONS.name, POSITIONS.key("updates", account_id), told)]


def _said(change: Change, message: order_pb2.Order | None) -> tuple[str, Payload] | None:
    order = change.order
    if change.execution is not None:
        return "order.executed", mapping.executed_event(order, change.execution)
    if change.successor is not None:
        return "order.replaced", mapping.replaced_event(order, change.successor)
    if order.status in CLOSES:
        return "order.closed", mapping.closed_event(order)
    # That it works is said in the words that followers know, the releases before this one among them.
    if change.begins or change.record.kind == "accepted":
        return "order.accepted", mapping.accepted_event(message or mapping.order_message(order))
    # One that was asked to be replaced is asked to end once it is clear that it is not.
    asked = change.record.kind in {"end_requested", "replace_requested"}
    if asked or (change.record.kind == "replace_refused" and order.ending):
        return "order.cancel_requested", event_pb2.OrderCancelRequested(order_id=str(order.order_id))
    return None
