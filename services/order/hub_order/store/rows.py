"""Rows to domain values and back, and the statements that write orders and their chain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from hub_order.audit import Record
from hub_order.domain import Change, Execution, Order, OrderType, Quote, Side, Status, TimeInForce

ORDER = """
    id, account_id, user_id, client_order_id, symbol, side, type, time_in_force, quantity, limit_price,
    protection_price, hold_id, replaces, parent_order_id, body_hash, traceparent, status, reason,
    filled_quantity, filled_value, execution_count, rested, version, chain, accepted_at, market_time,
    updated_at
"""

INSERT_ORDERS = f"""
    INSERT INTO orders ({ORDER})
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::numeric[], $10::numeric[], $11::numeric[], $12::uuid[], $13::uuid[], $14::uuid[], $15::bytea[],
        $16::text[], $17::text[], $18::text[], $19::numeric[], $20::numeric[], $21::integer[], $22::boolean[],
        $23::bigint[], $24::bytea[], $25::timestamptz[], $26::timestamptz[], $27::timestamptz[])
    ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 - a constant list of columns

INSERT_RECORDS = """
    INSERT INTO order_events (order_id, version, account_id, kind, status, reason, actor, occurred_at, detail,
                              quote, prev_hash, hash)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::timestamptz[], $9::jsonb[], $10::jsonb[], $11::bytea[], $12::bytea[])
"""


def columns(table: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """What unnest takes: a list for each column."""
    return [list(column) for column in zip(*table, strict=True)]


def order_values(order: Order) -> tuple[Any, ...]:
    return (
        *(order.order_id, order.account_id, order.user_id, order.client_order_id or None, order.symbol),
        *(order.side, order.type, order.time_in_force),
        *(order.quantity, order.limit_price, order.protection_price),
        *(order.hold_id, order.replaces, order.parent_order_id, order.body_hash, order.traceparent),
        *(order.status, order.reason, order.filled_quantity, order.filled_value, order.execution_count),
        *(order.rested, order.version, order.chain, order.accepted_at, order.market_time, order.updated_at),
    )


def order(row: asyncpg.Record) -> Order:
    return Order(
        order_id=row["id"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        client_order_id=row["client_order_id"] or "",
        symbol=row["symbol"],
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        quantity=row["quantity"],
        limit_price=row["limit_price"],
        protection_price=row["protection_price"],
        hold_id=row["hold_id"],
        replaces=row["replaces"],
        parent_order_id=row["parent_order_id"],
        body_hash=row["body_hash"],
        traceparent=row["traceparent"],
        status=Status(row["status"]),
        reason=row["reason"],
        filled_quantity=row["filled_quantity"],
        filled_value=row["filled_value"],
        execution_count=row["execution_count"],
        rested=row["rested"],
        version=row["version"],
        chain=row["chain"],
        accepted_at=row["accepted_at"],
        market_time=row["market_time"],
        updated_at=row["updated_at"],
    )


def record_values(change: Change) -> tuple[Any, ...]:
    record = change.record
    return (
        *(record.order_id, record.version, record.account_id, record.kind, record.status, record.reason),
        *(record.actor, record.occurred_at, json.dumps(dict(record.detail))),
        *(
            None if record.quote is None else json.dumps(dict(record.quote)),
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
