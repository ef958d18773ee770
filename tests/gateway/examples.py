"""Messages that have everything a message of their kind can have."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hub.order.v1 import order_pb2
from hub_runtime import uuid7

M = TypeVar("M", bound=Message)
NUMBERS = frozenset(
    {
        "quantity",
        "limit_price",
        "protection_price",
        "filled_quantity",
        "average_price",
        "stop_price",
        "trail_amount",
        "trail_percent",
        "notional",
        "price",
        "quote_bid",
        "quote_ask",
    }
)


def filled(message: M) -> M:
    """Every field has a value of its own: one that a rendering forgets, or takes for another, shows."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.name == "Timestamp":
            getattr(message, field.name).FromSeconds(1_800_000_000 + field.number)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            filled(getattr(message, field.name))
        elif field.type == FieldDescriptor.TYPE_BOOL:
            setattr(message, field.name, True)
        elif field.enum_type is not None:
            setattr(message, field.name, field.enum_type.values[-1].number)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            setattr(message, field.name, _text(field.name, field.number))
        else:
            setattr(message, field.name, field.number)
    return message


def an_order(order_id: str = "", **change: object) -> order_pb2.Order:
    """An order that rests."""
    order = order_pb2.Order(
        order_id=order_id or str(uuid7()),
        account_id=str(uuid7()),
        symbol="AAPL",
        side=order_pb2.SIDE_BUY,
        type=order_pb2.ORDER_TYPE_LIMIT,
        time_in_force=order_pb2.TIME_IN_FORCE_GTC,
        quantity="10",
        limit_price="99.5",
        status=order_pb2.ORDER_STATUS_PROCESSING,
        filled_quantity="0",
        version=2,
    )
    order.MergeFrom(order_pb2.Order(**change))  # type: ignore[arg-type]
    return order


def _text(name: str, number: int) -> str:
    if name in NUMBERS:
        return f"{number}.5"
    if name.endswith("_id") or name in {"replaces", "replaced_by"}:
        return str(uuid7())
    return "AAPL" if name == "symbol" else f"text {number}"
