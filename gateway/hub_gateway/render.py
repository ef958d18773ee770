"""Protobuf to the JSON of the public interface. Decimals stay strings; what is not there is null."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from hub.auth.v1 import auth_pb2
from hub.market_data.v1 import market_data_pb2
from hub.order.v1 import order_pb2
from hub.portfolio.v1 import portfolio_pb2
from hub.position.v1 import position_pb2

Document = dict[str, Any]

_STATUS = {number: name.removeprefix("ORDER_STATUS_") for name, number in order_pb2.OrderStatus.items()}
_SIDE = {number: name.removeprefix("SIDE_") for name, number in order_pb2.Side.items()}
_TYPE = {number: name.removeprefix("ORDER_TYPE_") for name, number in order_pb2.OrderType.items()}
_FORCE = {number: name.removeprefix("TIME_IN_FORCE_") for name, number in order_pb2.TimeInForce.items()}
_CLASS = {number: name.removeprefix("ASSET_CLASS_") for name, number in market_data_pb2.AssetClass.items()}


def when(at: Timestamp) -> str | None:
    """RFC 3339 in UTC, microseconds."""
    if not at.seconds and not at.nanos:
        return None
    return at.ToDatetime().isoformat(timespec="microseconds") + "Z"


def user(message: auth_pb2.User) -> Document:
    return {
        "user_id": message.user_id,
        "account_id": message.account_id,
        "email": message.email,
        "name": message.name,
        "roles": list(message.roles),
        "created_at": when(message.created_at),
    }


def tokens(message: auth_pb2.Tokens) -> Document:
    return {
        "access_token": message.access_token,
        "refresh_token": message.refresh_token,
        "token_type": "Bearer",
        "expires_in": message.expires_in,
    }


def instrument(message: market_data_pb2.Instrument) -> Document:
    return {
        "symbol": message.symbol,
        "name": message.name,
        "asset_class": _CLASS[message.asset_class],
        "exchange": message.exchange,
        "currency": message.currency,
        "tick_size": message.tick_size,
        "lot_size": message.lot_size,
        "fractionable": message.fractionable,
        "tradable": message.tradable,
        "halted": message.halted,
        "calendar": message.calendar,
    }


def quote(message: market_data_pb2.Quote) -> Document:
    return {
        "symbol": message.symbol,
        "epoch": message.epoch,
        "seq": message.seq,
        "bid": message.bid,
        "bid_size": message.bid_size,
        "ask": message.ask,
        "ask_size": message.ask_size,
        "last": message.last,
        "open": message.open,
        "high": message.high,
        "low": message.low,
        "previous_close": message.previous_close,
        "volume": message.volume,
        "market_time": when(message.market_time),
        "received_at": when(message.received_at),
    }


def order(message: order_pb2.Order) -> Document:
    return {
        "order_id": message.order_id,
        "account_id": message.account_id,
        "client_order_id": message.client_order_id or None,
        "symbol": message.symbol,
        "side": _SIDE[message.side],
        "type": _TYPE[message.type],
        "time_in_force": _FORCE[message.time_in_force],
        "quantity": message.quantity,
        "limit_price": message.limit_price or None,
        "protection_price": message.protection_price or None,
        "status": _STATUS[message.status],
        "reason": message.reason or None,
        "filled_quantity": message.filled_quantity,
        "average_price": message.average_price or None,
        "version": message.version,
        "accepted_at": when(message.accepted_at),
        "updated_at": when(message.updated_at),
    }


def order_status(message: order_pb2.Order) -> Document:
    whole = order(message)
    names = ("order_id", "status", "reason", "filled_quantity", "average_price", "version", "updated_at")
    return {name: whole[name] for name in names}


def execution(message: order_pb2.Execution) -> Document:
    return {
        "execution_id": message.execution_id,
        "quantity": message.quantity,
        "price": message.price,
        "executed_at": when(message.executed_at),
        "quote": {
            "epoch": message.quote_epoch,
            "seq": message.quote_seq,
            "bid": message.quote_bid,
            "ask": message.quote_ask,
        },
    }


def balance(message: position_pb2.GetBalanceResponse) -> Document:
    return {
        "account_id": message.account_id,
        "currency": message.currency,
        "status": message.status,
        "cash": message.cash,
        "settled": message.settled,
        "unsettled": message.unsettled,
        "held": message.held,
        "buying_power": message.buying_power,
        "withdrawable": message.withdrawable,
    }


def posting(message: position_pb2.Posting) -> Document:
    return {
        "posting_id": message.posting_id,
        "transaction_id": message.transaction_id,
        "kind": message.kind,
        "ledger_account": message.ledger_account,
        "amount": message.amount,
        "symbol": message.symbol or None,
        "trade_id": message.trade_id or None,
        "posted_at": when(message.posted_at),
    }


def valued_position(message: portfolio_pb2.ValuedPosition) -> Document:
    return {
        "symbol": message.symbol,
        "name": message.name or None,
        "asset_class": message.asset_class or None,
        "quantity": message.quantity,
        "held": message.held,
        "total_cost": message.total_cost,
        "average_price": message.average_price or None,
        "price": message.price or None,
        "price_at": when(message.price_at),
        "stale": message.stale,
        "market_value": message.market_value or None,
        "unrealised_pnl": message.unrealised_pnl or None,
        "realised_pnl": message.realised_pnl,
        "fees": message.fees,
        "status": message.status,
        "weight": message.weight or None,
    }


def summary(message: portfolio_pb2.GetSummaryResponse) -> Document:
    return {
        "currency": message.currency,
        "cash": message.cash,
        "buying_power": message.buying_power,
        "invested": message.invested,
        "market_value": message.market_value,
        "total": message.total,
        "unrealised_pnl": message.unrealised_pnl,
        "realised_pnl": message.realised_pnl,
        "fees": message.fees,
        "stale": message.stale,
        "as_of": when(message.as_of),
        "positions": [valued_position(position) for position in message.positions],
    }
