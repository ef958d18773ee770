"""Envelopes and their packing: one message of the broker carries many of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from hub.event.v1 import event_pb2
from hub_runtime import current_traceparent, since_epoch, utc_now, uuid7_text

Payload = (
    event_pb2.OrderAccepted
    | event_pb2.OrderTriggered
    | event_pb2.OrderExecuted
    | event_pb2.OrderClosed
    | event_pb2.OrderReplaced
    | event_pb2.OrderCancelRequested
    | event_pb2.PositionChanged
    | event_pb2.AccountChanged
    | event_pb2.TradeSettled
)

_FIELDS: Final = {
    field.message_type.full_name: field.name
    for field in event_pb2.Envelope.DESCRIPTOR.oneofs_by_name["payload"].fields
    if field.message_type is not None
}
_EVENTS_TAG: Final = b"\x0a"  # field 1 of EventBatch, length-delimited


def envelope(
    type: str,  # noqa: A002 - the field's name
    aggregate_id: str,
    account_id: str,
    payload: Payload,
    *,
    traceparent: str | None = None,
    occurred_at: datetime | None = None,
) -> event_pb2.Envelope:
    """A new event, caused by the current trace unless another one is given."""
    made = event_pb2.Envelope(
        event_id=uuid7_text(),
        type=type,
        aggregate_id=aggregate_id,
        account_id=account_id,
        traceparent=current_traceparent() if traceparent is None else traceparent,
    )
    stamp = made.occurred_at
    stamp.seconds, stamp.nanos = since_epoch(occurred_at or utc_now())
    getattr(made, _FIELDS[payload.DESCRIPTOR.full_name]).CopyFrom(payload)
    return made


def pack(envelopes: Iterable[bytes]) -> bytes:
    """An EventBatch of envelopes that are already encoded."""
    return b"".join(_EVENTS_TAG + _varint(len(encoded)) + encoded for encoded in envelopes)


def unpack(body: bytes) -> list[event_pb2.Envelope]:
    """Raises google.protobuf.message.DecodeError for what is not a batch."""
    return list(event_pb2.EventBatch.FromString(body).events)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
