"""Domain values <-> protobuf messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.portfolio.v1 import portfolio_pb2, watchlist_pb2
from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_money import to_text
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.valuation import Cash, Holding, Summary, Valued
from hub_portfolio.domain.watchlist import Watchlist


def read_uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def read_cash(message: position_pb2.GetBalanceResponse) -> Cash:
    return Cash(
        currency=message.currency, cash=Decimal(message.cash), buying_power=Decimal(message.buying_power)
    )


def read_holding(message: position_pb2.Position) -> Holding:
    return Holding(
        symbol=message.symbol,
        quantity=Decimal(message.quantity),
        held=Decimal(message.held),
        total_cost=Decimal(message.total_cost),
        average_price=Decimal(message.average_price) if message.average_price else None,
        realised_pnl=Decimal(message.realised_pnl),
        fees=Decimal(message.fees),
        status=message.status,
    )


def valued_position(valued: Valued) -> portfolio_pb2.ValuedPosition:
    holding, mark = valued.holding, valued.mark
    return portfolio_pb2.ValuedPosition(
        symbol=holding.symbol,
        name=mark.name,
        asset_class=mark.asset_class,
        quantity=to_text(holding.quantity),
        held=to_text(holding.held),
        total_cost=to_text(holding.total_cost),
        average_price=_text(holding.average_price),
        price=_text(mark.price),
        price_at=_optional_stamp(mark.price_at),
        stale=valued.stale,
        market_value=_text(valued.market_value),
        unrealised_pnl=_text(valued.unrealised_pnl),
        realised_pnl=to_text(holding.realised_pnl),
        status=holding.status,
        weight=_percent(valued.weight),
        fees=to_text(holding.fees),
    )


def summary(found: Summary) -> portfolio_pb2.GetSummaryResponse:
    return portfolio_pb2.GetSummaryResponse(
        currency=found.cash.currency,
        cash=to_text(found.cash.cash),
        invested=to_text(found.invested),
        market_value=to_text(found.market_value),
        unrealised_pnl=to_text(found.unrealised_pnl),
        realised_pnl=to_text(found.realised_pnl),
        total=to_text(found.total),
        positions=[valued_position(valued) for valued in found.positions],
        as_of=_stamp(found.as_of),
        stale=found.stale,
        buying_power=to_text(found.cash.buying_power),
        fees=to_text(found.fees),
    )


def valued_positions(found: list[Valued], as_of: datetime) -> portfolio_pb2.ListValuedPositionsResponse:
    return portfolio_pb2.ListValuedPositionsResponse(
        positions=[valued_position(valued) for valued in found], as_of=_stamp(as_of)
    )


def watchlist(found: Watchlist, marks: Sequence[Mark]) -> watchlist_pb2.Watchlist:
    return watchlist_pb2.Watchlist(
        watchlist_id=str(found.watchlist_id),
        name=found.name.text,
        symbols=[_watched(symbol, mark) for symbol, mark in zip(found.symbols, marks, strict=True)],
        version=found.version,
        created_at=_stamp(found.created_at),
        updated_at=_stamp(found.updated_at),
    )


def _watched(symbol: str, mark: Mark) -> watchlist_pb2.WatchedSymbol:
    return watchlist_pb2.WatchedSymbol(
        symbol=symbol,
        name=mark.name,
        asset_class=mark.asset_class,
        price=_text(mark.price),
        price_at=_optional_stamp(mark.price_at),
        stale=mark.stale,
        change=_text(mark.change),
        change_percent=_percent(mark.change_percent),
    )


def _percent(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _optional_stamp(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else _stamp(moment)


def _text(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
