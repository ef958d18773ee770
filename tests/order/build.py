"""Values for the order service's tests, each with only what the test cares about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hub_market_client import Instrument
from hub_order.domain import (
    Execution,
    Order,
    OrderType,
    Quote,
    Route,
    Side,
    Status,
    TimeInForce,
    execution_id_of,
    hold_id_of,
)
from hub_order.resting import Entry, entry
from hub_order.risk import Draft, Facts, Limits
from hub_runtime import uuid7

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LIMITS = Limits(
    price_band=Decimal("0.05"),
    price_sanity=Decimal(10),
    price_protection=Decimal("0.05"),
    most_quantity=Decimal(1_000_000),
    most_value=Decimal(1_000_000),
)


def quote(bid: str = "99", ask: str = "100", **fields: Any) -> Quote:
    values: dict[str, Any] = {"symbol": "AAPL", "epoch": 1, "seq": 1, "market_time": NOW}
    sizes = {"bid_size": Decimal(500), "ask_size": Decimal(500)}
    return Quote(bid=Decimal(bid), ask=Decimal(ask), **{**values, **sizes, **fields})


def order(**fields: Any) -> Order:
    """A market purchase of 10 AAPL, or with `limit_price` a limit one, not yet accepted."""
    order_id: UUID = fields.pop("order_id", None) or uuid7()
    limit_price = fields.pop("limit_price", None)
    side = fields.get("side", Side.BUY)
    protects = limit_price is None and side is Side.BUY
    values: dict[str, Any] = {
        "account_id": uuid4(),
        "user_id": uuid4(),
        "client_order_id": "",
        "symbol": "AAPL",
        "side": side,
        "type": OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "quantity": Decimal(10),
        "limit_price": None if limit_price is None else Decimal(limit_price),
        "protection_price": Decimal(105) if protects else None,
        "hold_id": hold_id_of(order_id),
        "accepted_at": NOW,
        "market_time": NOW,
        "updated_at": NOW,
    }
    return Order(order_id=order_id, **{**values, **fields})


def resting(**fields: Any) -> Order:
    """As `order`, or with `stop_price`, `trail_amount` or `trail_percent` a stop, as the worker leaves it."""
    trails = {"trail_amount", "trail_percent"} & fields.keys()
    if trails:
        fields.setdefault("type", OrderType.TRAILING_STOP)
    elif "stop_price" in fields:
        limited = fields.get("limit_price") is not None
        fields.setdefault("type", OrderType.STOP_LIMIT if limited else OrderType.STOP_LOSS)
    for name in ("stop_price", "trail_amount", "trail_percent"):
        if fields.get(name) is not None:
            fields[name] = Decimal(fields[name])
    return order(**{"status": Status.PROCESSING, "rested": True, "version": 2, **fields})


def entry_of(of: Order) -> Entry:
    """What the store reads of it for the trigger."""
    return entry(
        order_id=of.order_id,
        account_id=of.account_id,
        traceparent=of.traceparent,
        version=of.version,
        symbol=of.symbol,
        side=of.side,
        type=of.type,
        status=of.status,
        routed=of.route is not None,
        triggered=of.triggered_at is not None,
        limit_price=of.limit_price,
        stop_price=of.stop_price,
        trail_amount=of.trail_amount,
        trail_percent=of.trail_percent,
        accepted_at=of.accepted_at,
        extended_hours=of.extended_hours,
    )


def route() -> Route:
    return Route(
        venue="slow", quote=quote(), routed_at=NOW, filled_quantity=Decimal(0), filled_value=Decimal(0)
    )


def execution(
    of: Order, quantity: str | Decimal, price: str = "100", seq: int = 1, **fields: Any
) -> Execution:
    venue_execution_id = f"sim-{of.order_id}-1-{seq}"
    values: dict[str, Any] = {
        "execution_id": execution_id_of(of.order_id, venue_execution_id),
        "order_id": of.order_id,
        "account_id": of.account_id,
        "venue": "simulated",
        "venue_execution_id": venue_execution_id,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "quote": quote(seq=seq),
        "executed_at": NOW + timedelta(seconds=seq),
        "venue_time": NOW,
    }
    return Execution(**{**values, **fields})


def instrument(**fields: Any) -> Instrument:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "name": "Apple",
        "asset_class": "STOCK",
        "exchange": "XNAS",
        "currency": "USD",
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal(1),
        "fractionable": True,
        "tradable": True,
        "halted": False,
        "calendar": "24x7",
    }
    return Instrument(**{**values, **fields})


def draft(**fields: Any) -> Draft:
    """A market purchase of 10 AAPL, or with `limit_price` a limit one. Prices may be texts."""
    kind = OrderType.MARKET if fields.get("limit_price") is None else OrderType.LIMIT
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "side": Side.BUY,
        "type": kind,
        "time_in_force": TimeInForce.DAY,
        "quantity": None if "notional" in fields else Decimal(10),
    }
    numbers = {
        name: Decimal(value) for name, value in fields.items() if type(value) is str and name != "symbol"
    }
    return Draft(**{**values, **fields, **numbers})


def facts(of: Draft | None = None, **fields: Any) -> Facts:
    values: dict[str, Any] = {
        "draft": of or draft(),
        "limits": LIMITS,
        "instrument": instrument(),
        "quote": quote(),
        "fresh": True,
        "session_open": True,
    }
    return Facts(**{**values, **fields})
