"""What is said on the broker."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from uuid import UUID

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_money import to_text
from hub_order.domain import Execution, Order, Quote, Side
from hub_order.mapping.messages import execution_message, optional, order_message, timestamp


def accepted_event(message: order_pb2.Order) -> event_pb2.OrderAccepted:
    return event_pb2.OrderAccepted(order=message)


def executed_event(order: Order, execution: Execution) -> event_pb2.OrderExecuted:
    return event_pb2.OrderExecuted(
        order=order_message(order),
        execution=execution_message(execution),
        hold_id=str(order.hold_id),
        execution_count=order.execution_count,
        market_time=timestamp(execution.quote.market_time),
        user_id=str(order.user_id),
    )


def closed_event(order: Order) -> event_pb2.OrderClosed:
    return event_pb2.OrderClosed(
        order=order_message(order), hold_id=str(order.hold_id), execution_count=order.execution_count
    )


def replaced_event(order: Order, successor: Order) -> event_pb2.OrderReplaced:
    price = successor.worst_price if successor.side is Side.BUY else None
    return event_pb2.OrderReplaced(
        order=order_message(order),
        hold_id=str(order.hold_id),
        execution_count=order.execution_count,
        new_order=order_message(successor),
        new_hold_id=str(successor.hold_id),
        new_unit_price=optional(price),
        user_id=str(order.user_id),
    )


def triggered_event(
    order_id: UUID, quote: Quote, *, stop_price: Decimal | None, epoch: int
) -> event_pb2.OrderTriggered:
    return event_pb2.OrderTriggered(
        order_id=str(order_id),
        stop_price=optional(stop_price),
        trigger_epoch=epoch,
        quote_epoch=quote.epoch,
        quote_seq=quote.seq,
        bid=to_text(quote.bid),
        ask=to_text(quote.ask),
        bid_size=to_text(quote.bid_size),
        ask_size=to_text(quote.ask_size),
        market_time=timestamp(quote.market_time),
    )


def carried_quote(event: event_pb2.OrderTriggered) -> Quote:
    """The quote that came with a hand-over; its symbol is the order's."""
    return Quote(
        symbol="",
        epoch=event.quote_epoch,
        seq=event.quote_seq,
        bid=Decimal(event.bid),
        ask=Decimal(event.ask),
        bid_size=Decimal(event.bid_size or 0),
        ask_size=Decimal(event.ask_size or 0),
        market_time=event.market_time.ToDatetime(UTC),
    )
