"""Rows to domain values and back, and the statements that write orders and their chain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from hub_money import to_text
from hub_order.audit import Record
from hub_order.domain import (
    Change,
    Execution,
    Order,
    OrderType,
    Quote,
    Route,
    Side,
    Status,
    TimeInForce,
    order_of,
)
from hub_postgres import array_parameters

_COLUMNS = {
    "id": "uuid",
    "account_id": "uuid",
    "user_id": "uuid",
    "client_order_id": "text",
    "symbol": "text",
    "side": "text",
    "type": "text",
    "time_in_force": "text",
    "quantity": "numeric",
    "limit_price": "numeric",
    "protection_price": "numeric",
    "hold_id": "uuid",
    "stop_price": "numeric",
    "trail_amount": "numeric",
    "trail_percent": "numeric",
    "notional": "numeric",
    "extended_hours": "boolean",
    "replaces": "uuid",
    "replaced_by": "uuid",
    "parent_order_id": "uuid",
    "body_hash": "bytea",
    "traceparent": "text",
    "status": "text",
    "reason": "text",
    "filled_quantity": "numeric",
    "filled_value": "numeric",
    "execution_count": "integer",
    "rested": "boolean",
    "reprice": "boolean",
    "triggered_at": "timestamptz",
    "route": "jsonb",
    "ending": "text",
    "ending_actor": "text",
    "venue_filled": "numeric",
    "expires_at": "timestamptz",
    "version": "bigint",
    "chain": "bytea",
    "accepted_at": "timestamptz",
    "market_time": "timestamptz",
    "updated_at": "timestamptz",
}
_encode = msgspec.json.Encoder().encode
# What a step may change of an order; the rest stays as it was accepted.
_CHANGING = (
    *("quantity", "protection_price", "stop_price", "replaced_by", "status", "reason", "filled_quantity"),
    *("filled_value", "execution_count", "rested", "reprice", "triggered_at", "route", "ending"),
    *("ending_actor", "venue_filled", "version", "chain", "updated_at"),
)


def _unnest(columns: Iterable[str], kinds: Mapping[str, str], first: int = 1) -> str:
    return array_parameters((kinds[name] for name in columns), first)


ORDER = ", ".join(_COLUMNS)
_FIELDS = ("order_id", *list(_COLUMNS)[1:])
_SIDES = {str(each): each for each in Side}
_TYPES = {str(each): each for each in OrderType}
_TIMES_IN_FORCE = {str(each): each for each in TimeInForce}
_STATUSES = {str(each): each for each in Status}

_EXECUTION = (
    "uuid uuid uuid text text numeric numeric bigint bigint numeric numeric "
    "timestamptz timestamptz timestamptz"
)
_EXECUTION_COLUMNS = (
    "id, order_id, account_id, venue, venue_execution_id, quantity, price, quote_epoch, quote_seq, "
    "quote_bid, quote_ask, executed_at, venue_time, market_time"
)
_RECORD = "uuid bigint uuid text text text text timestamptz jsonb jsonb bytea bytea"
_RECORD_COLUMNS = (
    "order_id, version, account_id, kind, status, reason, actor, occurred_at, detail, quote, prev_hash, hash"
)
ORDER_WIDTH, UPDATE_WIDTH = len(_COLUMNS), len(_CHANGING) + 2
EXECUTION_WIDTH, RECORD_WIDTH = len(_EXECUTION.split()), len(_RECORD.split())

# Each statement's parameters begin at `first`; `where` is about its `new` rows.


def inserting_orders(first: int = 1, where: str = "true") -> str:
    return f"""
    INSERT INTO orders ({ORDER}) SELECT * FROM unnest({_unnest(_COLUMNS, _COLUMNS, first)}) AS new ({ORDER})
    WHERE {where} ON CONFLICT DO NOTHING RETURNING id
    """  # noqa: S608 - constant columns, as below


def updating_orders(first: int = 1, where: str = "true") -> str:
    return f"""
    UPDATE orders SET {", ".join(f"{name} = new.{name}" for name in _CHANGING)}
    FROM unnest({array_parameters("uuid bigint", first)}, {_unnest(_CHANGING, _COLUMNS, first + 2)})
         AS new (id, read_version, {", ".join(_CHANGING)})
    WHERE orders.id = new.id AND orders.version = new.read_version AND {where} RETURNING orders.id
    """  # noqa: S608


def inserting_records(first: int = 1, where: str = "true") -> str:
    return f"""
    INSERT INTO order_events ({_RECORD_COLUMNS})
    SELECT * FROM unnest({array_parameters(_RECORD, first)}) AS new ({_RECORD_COLUMNS}) WHERE {where}
    """  # noqa: S608


def inserting_executions(first: int = 1) -> str:
    return f"""
    INSERT INTO executions ({_EXECUTION_COLUMNS}) SELECT * FROM unnest({array_parameters(_EXECUTION, first)})
    ON CONFLICT DO NOTHING RETURNING id
    """  # noqa: S608


INSERT_ORDERS = inserting_orders()
INSERT_RECORDS = inserting_records()
INSERT_EXECUTIONS = inserting_executions()


def order_values(order: Order) -> tuple[Any, ...]:
    return (
        *(order.order_id, order.account_id, order.user_id, order.client_order_id or None, order.symbol),
        *(order.side, order.type, order.time_in_force),
        *(order.quantity, order.limit_price, order.protection_price, order.hold_id),
        *(order.stop_price, order.trail_amount, order.trail_percent, order.notional, order.extended_hours),
        *(order.replaces, order.replaced_by, order.parent_order_id, order.body_hash, order.traceparent),
        *(order.status, order.reason, order.filled_quantity, order.filled_value, order.execution_count),
        *(order.rested, order.reprice, order.triggered_at, _route_text(order.route)),
        *(order.ending, order.ending_actor, order.venue_filled, order.expires_at),
        *(order.version, order.chain, order.accepted_at, order.market_time, order.updated_at),
    )


def update_values(before: Order, after: Order) -> tuple[Any, ...]:
    return (
        *(before.order_id, before.version),
        *(after.quantity, after.protection_price, after.stop_price, after.replaced_by),
        *(after.status, after.reason, after.filled_quantity, after.filled_value, after.execution_count),
        *(after.rested, after.reprice, after.triggered_at, _route_text(after.route)),
        *(after.ending, after.ending_actor, after.venue_filled),
        *(after.version, after.chain, after.updated_at),
    )


def order(row: asyncpg.Record) -> Order:
    """A row of the columns ORDER."""
    values = dict(zip(_FIELDS, row.values(), strict=False))
    values["client_order_id"] = values["client_order_id"] or ""
    values["side"] = _SIDES[values["side"]]
    values["type"] = _TYPES[values["type"]]
    values["time_in_force"] = _TIMES_IN_FORCE[values["time_in_force"]]
    values["status"] = _STATUSES[values["status"]]
    values["route"] = _route(values["symbol"], values["route"])
    return order_of(values)


def _route_text(route: Route | None) -> str | None:
    if route is None:
        return None
    quote = route.quote
    prices = {"bid": quote.bid, "ask": quote.ask, "bid_size": quote.bid_size, "ask_size": quote.ask_size}
    prices |= {"filled_quantity": route.filled_quantity, "filled_value": route.filled_value}
    if route.whole_quantity is not None:
        prices["whole_quantity"] = route.whole_quantity
    successor = {} if route.successor is None else {"successor": str(route.successor)}
    times = {"market_time": quote.market_time, "routed_at": route.routed_at}
    return json.dumps(
        {"venue": route.venue, "epoch": quote.epoch, "seq": quote.seq}
        | {name: to_text(price) for name, price in prices.items()}
        | {name: time.isoformat() for name, time in times.items()}
        | successor
    )


def _route(symbol: str, text: str | None) -> Route | None:
    if text is None:
        return None
    read = json.loads(text)
    prices = {name: Decimal(read[name]) for name in ("bid", "ask", "bid_size", "ask_size")}
    market_time = datetime.fromisoformat(read["market_time"])
    quote = Quote(symbol=symbol, epoch=read["epoch"], seq=read["seq"], market_time=market_time, **prices)
    return Route(
        venue=read["venue"],
        quote=quote,
        routed_at=datetime.fromisoformat(read["routed_at"]),
        filled_quantity=Decimal(read["filled_quantity"]),
        filled_value=Decimal(read["filled_value"]),
        successor=UUID(read["successor"]) if "successor" in read else None,
        whole_quantity=Decimal(read["whole_quantity"]) if "whole_quantity" in read else None,
    )


def record_values(change: Change) -> tuple[Any, ...]:
    record = change.record
    return (
        *(record.order_id, record.version, record.account_id, record.kind, record.status, record.reason),
        *(record.actor, record.occurred_at, _encode(record.detail).decode()),
        *(
            None if record.quote is None else _encode(record.quote).decode(),
            record.prev_hash,
            change.order.chain,
        ),
    )


def record(row: asyncpg.Record) -> tuple[Record, bytes]:
    """The record, and the hash that is stored beside it."""
    found = Record(
        order_id=row["order_id"],
        version=row["version"],
        account_id=row["account_id"],
        kind=row["kind"],
        status=row["status"],
        reason=row["reason"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        detail=json.loads(row["detail"]),
        quote=None if row["quote"] is None else json.loads(row["quote"]),
        prev_hash=row["prev_hash"],
    )
    return found, row["hash"]


def execution_values(execution: Execution) -> tuple[Any, ...]:
    quote = execution.quote
    return (
        *(execution.execution_id, execution.order_id, execution.account_id, execution.venue),
        *(execution.venue_execution_id, execution.quantity, execution.price, quote.epoch, quote.seq),
        *(quote.bid, quote.ask, execution.executed_at, execution.venue_time, quote.market_time),
    )


def execution(row: asyncpg.Record) -> Execution:
    quote = Quote(
        symbol="",
        epoch=row["quote_epoch"],
        seq=row["quote_seq"],
        bid=row["quote_bid"],
        ask=row["quote_ask"],
        bid_size=row["quote_bid"] * 0,
        ask_size=row["quote_ask"] * 0,
        market_time=row["market_time"],
    )
    return Execution(
        execution_id=row["id"],
        order_id=row["order_id"],
        account_id=row["account_id"],
        venue=row["venue"],
        venue_execution_id=row["venue_execution_id"],
        quantity=row["quantity"],
        price=row["price"],
        quote=quote,
        executed_at=row["executed_at"],
        venue_time=row["venue_time"],
    )
