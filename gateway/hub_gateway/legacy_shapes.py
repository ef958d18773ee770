"""Protobuf to the predecessor's documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, cast

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET, UnsetType

from hub.market_data.v1 import market_data_pb2
from hub.order.v1 import order_pb2
from hub.portfolio.v1 import portfolio_pb2, watchlist_pb2
from hub_gateway import render, render_orders
from hub_gateway.codec import NULL
from hub_gateway.types.legacy import (
    LegacyAccepted,
    LegacyAggregation,
    LegacyAsset,
    LegacyBalance,
    LegacyCancelled,
    LegacyCategory,
    LegacyOrder,
    LegacyStatus,
    LegacySummary,
    LegacyWatched,
)
from hub_money import money, to_text

CATEGORIES: Final = {
    name.removeprefix("ASSET_CLASS_"): number for name, number in market_data_pb2.AssetClass.items()
}
MESSAGES: Final = {
    "PENDING": "The order waits to be processed.",
    "PROCESSING": "The order works in the market.",
    "PARTIALLY_EXECUTED": "A part of the order was executed.",
    "EXECUTED": "The order was executed.",
    "CANCELLED": "The order was cancelled.",
    "EXPIRED": "The order has expired.",
    "REPLACED": "The order was replaced by another.",
    "FAILED": "The order failed.",
}
OPEN: Final = frozenset({"PENDING", "PROCESSING", "PARTIALLY_EXECUTED"})


def in_capitals(symbol: str) -> str:
    """Only of ASCII: some other letters would become another symbol."""
    return symbol.upper() if symbol.isascii() else symbol


def number(value: Decimal | str) -> msgspec.Raw:
    """A JSON number with exactly these digits."""
    return msgspec.Raw(to_text(Decimal(value)).encode())


def balance(available: str) -> LegacyBalance:
    return LegacyBalance(availableBalance=number(available))


def aggregation(positions: Sequence[portfolio_pb2.ValuedPosition]) -> LegacyAggregation:
    """By category, in the order of their numbers."""
    by_category: dict[int, list[portfolio_pb2.ValuedPosition]] = {}
    for position in positions:
        by_category.setdefault(CATEGORIES.get(position.asset_class, 0), []).append(position)
    return LegacyAggregation(
        totalInvested=number(_invested(positions)),
        currentTotal=number(_current(positions)),
        positionAggregation=[_category(each, by_category[each]) for each in sorted(by_category)],
    )


def summary(message: portfolio_pb2.GetSummaryResponse) -> LegacySummary:
    return LegacySummary(
        Balance=balance(message.buying_power),
        TotalPortfolio=number(Decimal(message.cash) + _current(message.positions)),
        LastUpdatedDate=render.when(message.as_of) or "",
        PositionAggregation=aggregation(message.positions),
    )


def watchlist(lists: Iterable[watchlist_pb2.Watchlist]) -> list[LegacyWatched]:
    """Every symbol once, those of the first list first."""
    found = {each.symbol: each for each in reversed([each for one in lists for each in one.symbols])}
    return [
        LegacyWatched(
            Symbol=each.symbol,
            CompanyName=each.name,
            LastQuote=number(each.price) if each.price else NULL,
            Category=CATEGORIES.get(each.asset_class, 0),
        )
        for each in reversed(found.values())
    ]


def accepted(message: order_pb2.Order) -> LegacyAccepted:
    return LegacyAccepted(
        order_id=message.order_id,
        status=_status(message),
        message="The order was accepted.",
        estimated_price=_optional(message.limit_price or message.stop_price),
        submitted_at=render.when(message.accepted_at),
    )


def order(message: order_pb2.Order, *, user_id: str, executed_at: Timestamp | None = None) -> LegacyOrder:
    shown = render_orders.order(message)
    asked = message.limit_price or message.stop_price
    price = message.average_price or asked or message.protection_price or "0"
    filled = Decimal(message.filled_quantity or 0)
    return LegacyOrder(
        order_id=message.order_id,
        user_id=user_id,
        symbol=message.symbol,
        order_type=shown.type,
        order_side=shown.side,
        quantity=number(message.quantity),
        price=_optional(asked),
        status=shown.status,
        created_at=shown.accepted_at,
        updated_at=shown.updated_at,
        executed_at=UNSET if executed_at is None else cast(str, render.when(executed_at)),
        execution_price=_optional(message.average_price),
        estimated_value=number(money(Decimal(message.quantity) * Decimal(price))),
        execution_value=number(money(filled * Decimal(message.average_price))) if filled else UNSET,
    )


def status(message: order_pb2.Order) -> LegacyStatus:
    name = _status(message)
    return LegacyStatus(
        order_id=message.order_id,
        status=name,
        message=_message(message),
        updated_at=render.when(message.updated_at),
        can_cancel=name in OPEN and not message.cancel_requested,
    )


def cancelled(message: order_pb2.Order) -> LegacyCancelled:
    name = _status(message)
    return LegacyCancelled(
        order_id=message.order_id,
        status=name,
        message=_message(message),
        updated_at=render.when(message.updated_at),
    )


def _category(category: int, positions: Sequence[portfolio_pb2.ValuedPosition]) -> LegacyCategory:
    invested, current = _invested(positions), _current(positions)
    gain = current - invested
    return LegacyCategory(
        category=category,
        totalInvested=number(invested),
        currentTotal=number(current),
        pnl=number(gain),
        pnlPercentage=number(money(gain / invested * 100) if invested else Decimal(0)),
        assets=[_asset(position, category) for position in positions],
    )


def _asset(position: portfolio_pb2.ValuedPosition, category: int) -> LegacyAsset:
    return LegacyAsset(
        symbol=position.symbol,
        quantity=number(position.quantity),
        averagePrice=number(position.average_price or "0"),
        currentPrice=number(position.price) if position.price else NULL,
        category=category,
    )


def _invested(positions: Iterable[portfolio_pb2.ValuedPosition]) -> Decimal:
    return sum((Decimal(position.total_cost) for position in positions), Decimal(0))


def _current(positions: Iterable[portfolio_pb2.ValuedPosition]) -> Decimal:
    """A holding without a price counts at its cost."""
    return sum((Decimal(each.market_value or each.total_cost) for each in positions), Decimal(0))


def _optional(text: str) -> msgspec.Raw | UnsetType:
    return number(text) if text else UNSET


def _message(message: order_pb2.Order) -> str:
    if message.cancel_requested:
        return "The end of the order was asked of the venue that has it."
    if message.replace_requested:
        return "A replacement was asked of the venue that has the order."
    return MESSAGES[_status(message)]


def _status(message: order_pb2.Order) -> str:
    return render_orders.order(message).status
