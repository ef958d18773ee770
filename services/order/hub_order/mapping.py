"""Domain values to protobuf and back. What a caller sent wrong is refused here, with the field's name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_market_client import Quote as MarketQuote
from hub_money import parse_decimal, to_text
from hub_order.domain import Execution, Order, OrderType, Quote, Side, Status, TimeInForce
from hub_order.risk import Draft

E = TypeVar("E", bound=StrEnum)

MOST_KEY = 255
MOST_NAME = 128
MOST_SYMBOL = 32

SIDES: Mapping[int, Side] = {order_pb2.SIDE_BUY: Side.BUY, order_pb2.SIDE_SELL: Side.SELL}
TYPES: Mapping[int, OrderType] = {
    order_pb2.ORDER_TYPE_MARKET: OrderType.MARKET,
    order_pb2.ORDER_TYPE_LIMIT: OrderType.LIMIT,
    order_pb2.ORDER_TYPE_STOP_LOSS: OrderType.STOP_LOSS,
    order_pb2.ORDER_TYPE_STOP_LIMIT: OrderType.STOP_LIMIT,
    order_pb2.ORDER_TYPE_TRAILING_STOP: OrderType.TRAILING_STOP,
}
TIMES_IN_FORCE: Mapping[int, TimeInForce] = {
    order_pb2.TIME_IN_FORCE_UNSPECIFIED: TimeInForce.DAY,
    order_pb2.TIME_IN_FORCE_DAY: TimeInForce.DAY,
    order_pb2.TIME_IN_FORCE_GTC: TimeInForce.GTC,
    order_pb2.TIME_IN_FORCE_IOC: TimeInForce.IOC,
    order_pb2.TIME_IN_FORCE_FOK: TimeInForce.FOK,
}
STATUSES = {
    Status.PENDING: order_pb2.ORDER_STATUS_PENDING,
    Status.PROCESSING: order_pb2.ORDER_STATUS_PROCESSING,
    Status.PARTIALLY_EXECUTED: order_pb2.ORDER_STATUS_PARTIALLY_EXECUTED,
    Status.EXECUTED: order_pb2.ORDER_STATUS_EXECUTED,
    Status.CANCELLED: order_pb2.ORDER_STATUS_CANCELLED,
    Status.EXPIRED: order_pb2.ORDER_STATUS_EXPIRED,
    Status.REPLACED: order_pb2.ORDER_STATUS_REPLACED,
    Status.FAILED: order_pb2.ORDER_STATUS_FAILED,
}
SIDE_NUMBERS = {Side.BUY: order_pb2.SIDE_BUY, Side.SELL: order_pb2.SIDE_SELL}
TYPE_NUMBERS = {kind: order_pb2.OrderType.Value(f"ORDER_TYPE_{kind}") for kind in OrderType}
TIME_IN_FORCE_NUMBERS = {kind: order_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{kind}") for kind in TimeInForce}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A well-formed order of a caller who is still to be verified."""

    order_id: UUID
    access_token: str
    draft: Draft
    client_order_id: str
    idempotency_key: str
    body_hash: bytes
    deadline: datetime | None
    traceparent: str


def submission(item: order_pb2.OrderSubmission) -> Submission:
    draft = Draft(
        symbol=_text(item.symbol, field="symbol", longest=MOST_SYMBOL, required=True),
        side=_known(SIDES, item.side, field="side"),
        type=_known(TYPES, item.type, field="type"),
        time_in_force=_known(TIMES_IN_FORCE, item.time_in_force, field="time_in_force"),
        quantity=parse_decimal(item.quantity, field="quantity"),
        limit_price=parse_decimal(item.limit_price, field="limit_price") if item.limit_price else None,
    )
    return Submission(
        order_id=uuid(item.order_id, field="order_id"),
        access_token=item.access_token,
        draft=draft,
        client_order_id=_text(item.client_order_id, field="client_order_id", longest=MOST_NAME),
        idempotency_key=_text(item.idempotency_key, field="idempotency_key", longest=MOST_KEY),
        body_hash=item.body_hash,
        deadline=item.deadline.ToDatetime(UTC) if item.HasField("deadline") else None,
        traceparent=item.traceparent,
    )


def uuid(text: str, *, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def page_token(order_id: UUID) -> str:
    return base64.urlsafe_b64encode(order_id.bytes).rstrip(b"=").decode()


def page_start(token: str) -> UUID | None:
    """The last order of the page before; None for the first page."""
    if not token:
        return None
    try:
        return UUID(bytes=base64.b64decode(token + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise Invalid("The page token is not one.", code="invalid_page_token", field="page_token") from None


def order_message(order: Order) -> order_pb2.Order:
    message = order_pb2.Order(
        order_id=str(order.order_id),
        account_id=str(order.account_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=SIDE_NUMBERS[order.side],
        type=TYPE_NUMBERS[order.type],
        time_in_force=TIME_IN_FORCE_NUMBERS[order.time_in_force],
        quantity=to_text(order.quantity),
        limit_price=_optional(order.limit_price),
        protection_price=_optional(order.protection_price),
        status=STATUSES[order.status],
        reason=order.reason,
        filled_quantity=to_text(order.filled_quantity),
        average_price=_optional(order.average_price),
        version=order.version,
        accepted_at=timestamp(order.accepted_at),
        updated_at=timestamp(order.updated_at),
        stop_price=_optional(order.stop_price),
        trail_amount=_optional(order.trail_amount),
        trail_percent=_optional(order.trail_percent),
        notional=_optional(order.notional),
        extended_hours=order.extended_hours,
        replaces="" if order.replaces is None else str(order.replaces),
        replaced_by="" if order.replaced_by is None else str(order.replaced_by),
        cancel_requested=bool(order.ending) and not order.final,
    )
    if order.expires_at is not None:
        message.expires_at.FromDatetime(order.expires_at)
    if order.triggered_at is not None:
        message.triggered_at.FromDatetime(order.triggered_at)
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


def accepted_event(order: Order) -> event_pb2.OrderAccepted:
    return event_pb2.OrderAccepted(order=order_message(order))


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
        new_unit_price=_optional(price),
        user_id=str(order.user_id),
    )


def triggered_event(order: Order, quote: Quote) -> event_pb2.OrderTriggered:
    return event_pb2.OrderTriggered(
        order_id=str(order.order_id),
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
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _optional(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)


def _known(values: Mapping[int, E], number: int, *, field: str) -> E:
    found = values.get(number)
    if found is None:
        choices = ", ".join(dict.fromkeys(values.values()))
        raise Invalid(f"{field} must be one of {choices}.", code="invalid_choice", field=field)
    return found


def _text(value: str, *, field: str, longest: int, required: bool = False) -> str:
    if required and not value:
        raise Invalid(f"{field} is required.", code="required", field=field)
    if len(value) > longest or not value.isprintable():
        raise Invalid(
            f"{field} must be at most {longest} printable characters.", code="invalid_text", field=field
        )
    return value
