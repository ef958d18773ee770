"""Events to the updates that screens are sent: what the order, the position or the account is now."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub.quote_stream.v1 import quote_stream_pb2
from hub_runtime.clock import utc_text

_STATUS: Final = {
    number: name.removeprefix("ORDER_STATUS_") for name, number in order_pb2.OrderStatus.items()
}
_SIDE: Final = {number: name.removeprefix("SIDE_") for name, number in order_pb2.Side.items()}
_TYPE: Final = {number: name.removeprefix("ORDER_TYPE_") for name, number in order_pb2.OrderType.items()}
_FORCE: Final = {
    number: name.removeprefix("TIME_IN_FORCE_") for name, number in order_pb2.TimeInForce.items()
}

ORDERS: Final = ("order_accepted", "order_executed", "order_closed")


def updates(envelope: event_pb2.Envelope) -> list[quote_stream_pb2.AccountUpdate]:
    """None where an event is of no interest to a screen, or not known yet; two where an order came in the
    place of another."""
    payload = envelope.WhichOneof("payload")
    if payload in ORDERS:
        return [_order_update(envelope, getattr(envelope, payload).order)]
    if payload == "order_replaced":
        replaced = envelope.order_replaced
        return [_order_update(envelope, order) for order in (replaced.order, replaced.new_order)]
    if payload == "position_changed":
        changed = envelope.position_changed
        return [_update(envelope, "position", changed.symbol, changed.version, position(changed))]
    if payload == "account_changed":
        account = envelope.account_changed
        return [_update(envelope, "account", envelope.account_id, account.version, balance(account))]
    return []


def _order_update(envelope: event_pb2.Envelope, message: order_pb2.Order) -> quote_stream_pb2.AccountUpdate:
    return _update(envelope, "order", message.order_id, message.version, order(message))


def _update(
    envelope: event_pb2.Envelope, kind: str, subject_id: str, version: int, document: dict[str, Any]
) -> quote_stream_pb2.AccountUpdate:
    return quote_stream_pb2.AccountUpdate(
        account_id=envelope.account_id,
        event_id=envelope.event_id,
        kind=kind,
        subject_id=subject_id,
        version=version,
        update_json=msgspec.json.encode(document),
    )


def order(message: order_pb2.Order) -> dict[str, Any]:
    """The same members as the gateway's answers have; a test holds the two against each other."""
    return {
        "order_id": message.order_id,
        "account_id": message.account_id,
        "client_order_id": message.client_order_id or None,
        "symbol": message.symbol,
        "side": _SIDE[message.side],
        "type": _TYPE[message.type],
        "time_in_force": _FORCE[message.time_in_force],
        "quantity": message.quantity,
        "notional": message.notional or None,
        "limit_price": message.limit_price or None,
        "stop_price": message.stop_price or None,
        "trail_amount": message.trail_amount or None,
        "trail_percent": message.trail_percent or None,
        "extended_hours": message.extended_hours,
        "protection_price": message.protection_price or None,
        "status": _STATUS[message.status],
        "cancel_requested": message.cancel_requested,
        "replace_requested": message.replace_requested,
        "reason": message.reason or None,
        "filled_quantity": message.filled_quantity,
        "average_price": message.average_price or None,
        "version": message.version,
        "accepted_at": _when(message.accepted_at),
        "updated_at": _when(message.updated_at),
        "expires_at": _when(message.expires_at),
        "triggered_at": _when(message.triggered_at),
        "replaces": message.replaces or None,
        "replaced_by": message.replaced_by or None,
    }


def position(message: event_pb2.PositionChanged) -> dict[str, Any]:
    return {
        "kind": message.kind,
        "symbol": message.symbol,
        "quantity": message.quantity,
        "total_cost": message.total_cost,
        "realised_pnl": message.realised_pnl,
        "version": message.version,
    }


def balance(message: event_pb2.AccountChanged) -> dict[str, Any]:
    return {
        "cash": message.cash,
        "held": message.held,
        "buying_power": message.buying_power,
        "status": message.status or None,
        "trading_state": message.trading_state or None,
        "version": message.version,
    }


def _when(at: Timestamp) -> str | None:
    if not at.seconds and not at.nanos:
        return None
    return utc_text(at.seconds, at.nanos)
