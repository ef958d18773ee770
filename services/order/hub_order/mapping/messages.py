"""Orders, executions and quotes as messages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from hub.order.v1 import order_pb2
from hub_market_client import Quote as MarketQuote
from hub_money import to_text
from hub_order.domain import Execution, Order, Quote
from hub_order.mapping.words import SIDE_NUMBERS, STATUSES, TIME_IN_FORCE_NUMBERS, TYPE_NUMBERS
from hub_runtime import since_epoch

_PRICES = (
    *("limit_price", "protection_price", "average_price", "stop_price", "trail_amount", "trail_percent"),
    "notional",
)


def order_message(order: Order) -> order_pb2.Order:
    """Fields that say nothing are left out: each one that is set costs, and there are many."""
    message = order_pb2.Order(
        order_id=str(order.order_id),
        account_id=str(order.account_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=SIDE_NUMBERS[order.side],
        type=TYPE_NUMBERS[order.type],
        time_in_force=TIME_IN_FORCE_NUMBERS[order.time_in_force],
        quantity=to_text(order.quantity),
        status=STATUSES[order.status],
        reason=order.reason,
        filled_quantity=to_text(order.filled_quantity),
        version=order.version,
        accepted_at=timestamp(order.accepted_at),
        updated_at=timestamp(order.updated_at),
        extended_hours=order.extended_hours,
        cancel_requested=bool(order.ending) and not order.final,
        replace_requested=order.route is not None and (order.waits or order.successor is not None),
    )
    for name in _PRICES:
        price: Decimal | None = getattr(order, name)
        if price is not None:
            setattr(message, name, to_text(price))
    if order.replaces is not None:
        message.replaces = str(order.replaces)
    if order.replaced_by is not None:
        message.replaced_by = str(order.replaced_by)
    if order.expires_at is not None:
        message.expires_at.CopyFrom(timestamp(order.expires_at))
    if order.triggered_at is not None:
        message.triggered_at.CopyFrom(timestamp(order.triggered_at))
    return message


def execution_message(execution: Execution) -> order_pb2.Execution:
    return order_pb2.Execution(
        execution_id=str(execution.execution_id),
        quantity=to_text(execution.quantity),
        price=to_text(execution.price),
        executed_at=timestamp(execution.executed_at),
        quote_epoch=execution.quote.epoch,
        quote_seq=execution.quote.seq,
        quote_bid=to_text(execution.quote.bid),
        quote_ask=to_text(execution.quote.ask),
    )


def quote(market: MarketQuote) -> Quote:
    return Quote(
        symbol=market.symbol,
        epoch=market.epoch,
        seq=market.seq,
        bid=market.bid,
        ask=market.ask,
        bid_size=market.bid_size,
        ask_size=market.ask_size,
        market_time=market.market_time,
    )


def timestamp(time: datetime) -> Timestamp:
    """Timestamp.FromDatetime in a third of its time."""
    seconds, nanoseconds = since_epoch(time)
    return Timestamp(seconds=seconds, nanos=nanoseconds)


def optional(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)
