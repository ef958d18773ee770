"""Orders and executions, from protobuf to the documents of the public interface."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from hub.order.v1 import order_pb2
from hub_gateway.render import when
from hub_gateway.types.executions import BlotterEntry
from hub_gateway.types.orders import (
    Execution,
    Order,
    OrderEvent,
    OrderStatus,
    OrderType,
    QuoteUsed,
    Side,
    Status,
    TimeInForce,
)
from hub_money import money, to_text

_STATUS = {
    number: cast(Status, name.removeprefix("ORDER_STATUS_")) for name, number in order_pb2.OrderStatus.items()
}
_SIDE = {number: cast(Side, name.removeprefix("SIDE_")) for name, number in order_pb2.Side.items()}
_TYPE = {
    number: cast(OrderType, name.removeprefix("ORDER_TYPE_")) for name, number in order_pb2.OrderType.items()
}
_FORCE = {
    number: cast(TimeInForce, name.removeprefix("TIME_IN_FORCE_"))
    for name, number in order_pb2.TimeInForce.items()
}


def order(message: order_pb2.Order) -> Order:
    return Order(
        order_id=message.order_id,
        account_id=message.account_id,
        client_order_id=message.client_order_id or None,
        symbol=message.symbol,
        side=_SIDE[message.side],
        type=_TYPE[message.type],
        time_in_force=_FORCE[message.time_in_force],
        quantity=message.quantity,
        notional=message.notional or None,
        limit_price=message.limit_price or None,
        stop_price=message.stop_price or None,
        trail_amount=message.trail_amount or None,
        trail_percent=message.trail_percent or None,
        extended_hours=message.extended_hours,
        protection_price=message.protection_price or None,
        status=_STATUS[message.status],
        cancel_requested=message.cancel_requested,
        replace_requested=message.replace_requested,
        reason=message.reason or None,
        filled_quantity=message.filled_quantity,
        average_price=message.average_price or None,
        version=message.version,
        accepted_at=when(message.accepted_at),
        updated_at=when(message.updated_at),
        expires_at=when(message.expires_at),
        triggered_at=when(message.triggered_at),
        replaces=message.replaces or None,
        replaced_by=message.replaced_by or None,
    )


def order_status(message: order_pb2.Order) -> OrderStatus:
    return OrderStatus(
        order_id=message.order_id,
        status=_STATUS[message.status],
        cancel_requested=message.cancel_requested,
        replace_requested=message.replace_requested,
        reason=message.reason or None,
        filled_quantity=message.filled_quantity,
        average_price=message.average_price or None,
        version=message.version,
        updated_at=when(message.updated_at),
        triggered_at=when(message.triggered_at),
        replaced_by=message.replaced_by or None,
    )


def execution(message: order_pb2.Execution) -> Execution:
    return Execution(
        execution_id=message.execution_id,
        quantity=message.quantity,
        price=message.price,
        executed_at=when(message.executed_at),
        quote=QuoteUsed(
            epoch=message.quote_epoch,
            seq=message.quote_seq,
            bid=message.quote_bid,
            ask=message.quote_ask,
        ),
    )


def order_event(message: order_pb2.OrderEvent) -> OrderEvent:
    return OrderEvent(
        version=message.version,
        kind=message.kind,
        status=_STATUS[message.status],
        reason=message.reason or None,
        actor=message.actor,
        occurred_at=when(message.occurred_at),
        detail=dict(message.detail),
        quote=dict(message.quote),
        hash=message.hash.hex(),
    )


def blotter_entry(message: order_pb2.BlotterEntry) -> BlotterEntry:
    done = execution(message.execution)
    return BlotterEntry(
        execution_id=done.execution_id,
        order_id=message.order_id,
        account_id=message.account_id,
        client_order_id=message.client_order_id or None,
        symbol=message.symbol,
        side=_SIDE[message.side],
        type=_TYPE[message.type],
        quantity=done.quantity,
        price=done.price,
        value=to_text(money(Decimal(done.quantity) * Decimal(done.price))),
        executed_at=done.executed_at,
        market_time=when(message.market_time),
        settled_at=when(message.settled_at),
        venue=message.venue,
        venue_execution_id=message.venue_execution_id,
        quote=done.quote,
    )
