"""What an order is, which states may follow each other, and what a fill or an end does to it.

Pure: no input or output, the clock is passed in. Every change answers the new order and the record of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from hub_money import money, to_text
from hub_order.audit import FIRST, Record

NAMESPACE_HUB_HOLD = UUID("6f2a1c1e-7d5b-5a0e-9a43-1f6d8e1f0c57")
ZERO = Decimal(0)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"


class Status(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    PARTIALLY_EXECUTED = "PARTIALLY_EXECUTED"
    EXECUTED = "EXECUTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"
    FAILED = "FAILED"


_ENDS = frozenset({Status.EXECUTED, Status.CANCELLED, Status.EXPIRED, Status.REPLACED, Status.FAILED})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: _ENDS | {Status.PROCESSING, Status.PARTIALLY_EXECUTED},
    Status.PROCESSING: _ENDS | {Status.PARTIALLY_EXECUTED},
    Status.PARTIALLY_EXECUTED: _ENDS,
    Status.EXECUTED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.REPLACED: frozenset(),
    Status.FAILED: frozenset(),
}
OPEN = frozenset(status for status, following in TRANSITIONS.items() if following)
RESTING = OPEN - {Status.PENDING}


class Reason(StrEnum):
    """Why an order failed."""

    PRICE_PROTECTION = "PRICE_PROTECTION"
    STALE = "STALE"
    ABANDONED = "ABANDONED"


class IllegalTransitionError(Exception):
    """A state that may not follow; asking for one is a defect of the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The two prices an order can be filled at, and where they come from."""

    symbol: str
    epoch: int
    seq: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    market_time: datetime

    def texts(self) -> dict[str, str]:
        prices = {"bid": to_text(self.bid), "ask": to_text(self.ask)}
        return {"epoch": str(self.epoch), "seq": str(self.seq), **prices}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    order_id: UUID
    account_id: UUID
    user_id: UUID
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    protection_price: Decimal | None
    hold_id: UUID
    replaces: UUID | None = None
    parent_order_id: UUID | None = None
    body_hash: bytes = b""
    traceparent: str = ""
    status: Status = Status.PENDING
    reason: str = ""
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    execution_count: int = 0
    rested: bool = False
    version: int = 0
    chain: bytes = FIRST
    accepted_at: datetime
    market_time: datetime | None
    updated_at: datetime

    @property
    def final(self) -> bool:
        return self.status not in OPEN

    @property
    def remaining(self) -> Decimal:
        return max(self.quantity - self.filled_quantity, ZERO)

    @property
    def average_price(self) -> Decimal | None:
        return money(self.filled_value / self.filled_quantity) if self.filled_quantity else None

    @property
    def worst_price(self) -> Decimal | None:
        """The limit, or what protects a purchase at the market; None where any price will do."""
        return self.limit_price if self.type is OrderType.LIMIT else self.protection_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a venue did: a fact, whatever became of the order meanwhile."""

    execution_id: UUID
    order_id: UUID
    account_id: UUID
    venue: str
    venue_execution_id: str
    quantity: Decimal
    price: Decimal
    quote: Quote
    executed_at: datetime
    venue_time: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """The order after one step, the step's record, and the execution that caused it, if one did."""

    order: Order
    record: Record
    execution: Execution | None = None


def hold_id_of(order_id: UUID) -> UUID:
    return uuid5(NAMESPACE_HUB_HOLD, str(order_id))


def execution_id_of(order_id: UUID, venue_execution_id: str) -> UUID:
    return uuid5(order_id, venue_execution_id)


def accepted(order: Order, *, quote: Quote | None) -> Change:
    """A new order becomes durable."""
    detail = {"symbol": order.symbol, "side": str(order.side), "type": str(order.type)}
    detail |= {"quantity": to_text(order.quantity), "time_in_force": str(order.time_in_force)}
    if order.worst_price is not None:
        detail["worst_price"] = to_text(order.worst_price)
    actor = f"user:{order.user_id}"
    return _advance(order, "accepted", actor=actor, now=order.accepted_at, detail=detail, quote=quote)


def abandoned(order: Order) -> Change:
    """A hold was placed, its order never became durable: it exists from now on as one that failed."""
    dead = replace(order, status=Status.FAILED, reason=Reason.ABANDONED)
    return _advance(dead, "abandoned", actor="sweeper", now=order.accepted_at)


def as_accepted(order: Order) -> Order:
    """The order as it was when it was accepted: what the first answer said."""
    return replace(
        order,
        status=Status.PENDING,
        reason="",
        filled_quantity=ZERO,
        filled_value=ZERO,
        execution_count=0,
        version=1,
        updated_at=order.accepted_at,
    )


def rest(order: Order, *, now: datetime, quote: Quote | None) -> Change:
    """The order works from now on, and waits for a price."""
    after = _moved(order, Status.PROCESSING)
    return _advance(replace(after, rested=True), "working", actor="worker", now=now, quote=quote)


def fill(order: Order, execution: Execution) -> Change:
    """Adds an execution. Of an order that is final only the figures change."""
    filled = order.filled_quantity + execution.quantity
    value = order.filled_value + money(execution.quantity * execution.price)
    after = replace(
        order, filled_quantity=filled, filled_value=value, execution_count=order.execution_count + 1
    )
    if not order.final:
        after = _moved(after, Status.EXECUTED if filled >= order.quantity else Status.PARTIALLY_EXECUTED)
        after = replace(after, rested=after.rested or after.status is Status.PARTIALLY_EXECUTED)
    detail = {"execution_id": str(execution.execution_id), "quantity": to_text(execution.quantity)}
    detail["price"] = to_text(execution.price)
    actor, now = f"venue:{execution.venue}", execution.executed_at
    change = _advance(after, "executed", actor=actor, now=now, detail=detail, quote=execution.quote)
    return replace(change, execution=execution)


def close(
    order: Order, status: Status, *, reason: str = "", actor: str, now: datetime, quote: Quote | None = None
) -> Change:
    """Ends an order that is open."""
    if status in OPEN:
        raise IllegalTransitionError(f"{status} is not final")
    after = replace(_moved(order, status), reason=reason)
    return _advance(after, status.lower(), actor=actor, now=now, quote=quote)


def _moved(order: Order, status: Status) -> Order:
    if status is order.status and status is Status.PARTIALLY_EXECUTED:
        return order
    if status not in TRANSITIONS[order.status]:
        raise IllegalTransitionError(f"{status} does not follow {order.status}")
    return replace(order, status=status)


def _advance(
    order: Order,
    kind: str,
    *,
    actor: str,
    now: datetime,
    detail: Mapping[str, str] | None = None,
    quote: Quote | None = None,
) -> Change:
    record = Record(
        order_id=order.order_id,
        version=order.version + 1,
        account_id=order.account_id,
        kind=kind,
        status=order.status,
        reason=order.reason,
        actor=actor,
        occurred_at=now,
        detail=detail or {},
        quote=None if quote is None else quote.texts(),
        prev_hash=order.chain,
    )
    return Change(replace(order, version=record.version, chain=record.hash, updated_at=now), record)
