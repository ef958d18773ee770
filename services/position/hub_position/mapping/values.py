"""What several messages are made of. What cannot be read is Invalid, and names the field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_events import UnknownEvent
from hub_money import parse_decimal
from hub_position.domain.trade import Side
from hub_postgres import Uuid
from hub_runtime import since_epoch, utc_time

SIDES: Final = {order_pb2.SIDE_BUY: Side.BUY, order_pb2.SIDE_SELL: Side.SELL}
WIRE_SIDES: Final = {side: number for number, side in SIDES.items()}


def read_uuid(text: str, field: str) -> UUID:
    try:
        return Uuid(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def at_most(count: int, most: int, field: str) -> None:
    """Raises Invalid where there are more."""
    if count > most:
        raise Invalid(f"{field} may be at most {most}.", code="too_many", field=field)


def read_time(stamp: Timestamp, field: str) -> datetime:
    if not stamp.seconds:
        raise Invalid(f"{field} is missing.", code="missing", field=field)
    return utc_time(stamp.seconds, stamp.nanos)


def read_side(side: order_pb2.Side.ValueType) -> Side:
    """A side of a newer release is not wrong, only not known here yet."""
    known = SIDES.get(side)
    if known is not None:
        return known
    if side not in order_pb2.Side.values():
        raise UnknownEvent(f"this release does not know side {side}")
    raise Invalid("side must be BUY or SELL.", code="invalid_side", field="side")


def timestamp(moment: datetime) -> Timestamp:
    seconds, nanoseconds = since_epoch(moment)
    return Timestamp(seconds=seconds, nanos=nanoseconds)


def number(text: str, field: str) -> Decimal:
    return parse_decimal(text or "0", field=field, positive=False)
