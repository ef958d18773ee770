"""Executions and records as messages, and where a page of executions begins."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_errors.page_tokens import invalid_page_token
from hub_order.audit import Record
from hub_order.domain import Execution, OrderType, Side, Status
from hub_order.mapping import SIDE_NUMBERS, STATUSES, TYPE_NUMBERS, execution_message, timestamp

Place = tuple[datetime, UUID]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE_BYTES = 8 + 16

# What of a request is kept with its refusal: what was asked for, nothing by which one could ask again.
_ASKED = {
    *("symbol", "side", "type", "time_in_force", "quantity", "notional", "percentage", "limit_price"),
    *("stop_price", "trail_amount", "trail_percent", "extended_hours", "client_order_id", "new_order_id"),
}


def entry(
    execution: Execution,
    *,
    client_order_id: str,
    symbol: str,
    side: Side,
    order_type: OrderType,
    settled_at: datetime | None,
) -> order_pb2.BlotterEntry:
    return order_pb2.BlotterEntry(
        execution=execution_message(execution),
        order_id=str(execution.order_id),
        account_id=str(execution.account_id),
        client_order_id=client_order_id,
        symbol=symbol,
        side=SIDE_NUMBERS[side],
        type=TYPE_NUMBERS[order_type],
        venue=execution.venue,
        venue_execution_id=execution.venue_execution_id,
        market_time=timestamp(execution.quote.market_time),
        settled_at=None if settled_at is None else timestamp(settled_at),
    )


def order_event(record: Record, stored: bytes) -> order_pb2.OrderEvent:
    return order_pb2.OrderEvent(
        version=record.version,
        kind=record.kind,
        status=STATUSES[Status(record.status)],
        reason=record.reason,
        actor=record.actor,
        occurred_at=timestamp(record.occurred_at),
        detail=dict(record.detail),
        quote=dict(record.quote or {}),
        hash=stored,
    )


def asked(request: Message) -> dict[str, str]:
    """What was asked for, as texts, for the record of a refusal."""
    found = {}
    for field, value in request.ListFields():
        if field.name in _ASKED:
            named = field.enum_type.values_by_number.get(value) if field.enum_type is not None else None
            found[field.name] = str(value) if named is None else named.name
    return found


def time(message: Timestamp, *, field: str) -> datetime:
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{field} is not a time.", code="invalid_time", field=field) from None


def page_token(place: Place | None) -> str:
    if place is None:
        return ""
    executed_at, execution_id = place
    microseconds = (executed_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(
        microseconds.to_bytes(8, "big", signed=True) + execution_id.bytes
    ).decode()


def place(token: str) -> Place:
    """The last execution of the page before."""
    try:
        read = base64.b64decode(token, altchars=b"-_", validate=True)
        if len(read) != _PLACE_BYTES:
            raise ValueError("another length")
        microseconds = int.from_bytes(read[:8], "big", signed=True)
        return _EPOCH + microseconds * _MICROSECOND, UUID(bytes=read[8:])
    except (ValueError, OverflowError, binascii.Error):
        raise invalid_page_token() from None
