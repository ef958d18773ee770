"""Domain values <-> protobuf messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_pb2
from hub.portfolio.v1 import history_pb2, portfolio_pb2, watchlist_pb2
from hub.position.v1 import books_pb2, position_pb2
from hub_errors import Invalid
from hub_money import to_text
from hub_portfolio.domain.benchmark import Bar
from hub_portfolio.domain.history import OpenBooks, Owned, Period, Told
from hub_portfolio.domain.mark import Mark, Split
from hub_portfolio.domain.valuation import Books, Cash, Category, Holding, Summary, Valued
from hub_portfolio.domain.watchlist import Watchlist

PERIODS = {
    history_pb2.PERIOD_1D: Period.DAY,
    history_pb2.PERIOD_1W: Period.WEEK,
    history_pb2.PERIOD_1M: Period.MONTH,
    history_pb2.PERIOD_3M: Period.QUARTER,
    history_pb2.PERIOD_1A: Period.YEAR,
    history_pb2.PERIOD_ALL: Period.ALL,
}


def read_uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def read_books(message: position_pb2.GetBooksResponse) -> Books:
    balance = message.balance
    cash = Cash(
        currency=balance.currency, cash=Decimal(balance.cash), buying_power=Decimal(balance.buying_power)
    )
    return Books(cash, [read_holding(position) for position in message.positions])


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
        split=_split(message),
    )


def read_open_books(message: books_pb2.AccountBooks) -> OpenBooks:
    return OpenBooks(
        account_id=read_uuid(message.account_id, "account_id"),
        cash=Decimal(message.cash),
        paid_in=Decimal(message.paid_in),
        version=message.version,
        opened_at=message.opened_at.ToDatetime(tzinfo=UTC),
        positions=[
            Owned(each.symbol, Decimal(each.quantity), Decimal(each.total_cost), _split(each))
            for each in message.positions
        ],
    )


def _split(message: position_pb2.Position | books_pb2.OpenPosition) -> Split | None:
    if not message.split_ratio:
        return None
    return Split(message.split_at.ToDatetime(tzinfo=UTC), Decimal(message.split_ratio))


def read_bar(message: market_data_pb2.Bar) -> Bar:
    return Bar(message.starts_at.ToDatetime(tzinfo=UTC), Decimal(message.close))


def read_period(period: history_pb2.Period.ValueType) -> Period:
    if period not in PERIODS:
        raise Invalid("period must be 1D, 1W, 1M, 3M, 1A or ALL.", code="invalid_value", field="period")
    return PERIODS[period]


def equity_point(told: Told, benchmark: Decimal | None) -> history_pb2.EquityPoint:
    point = told.point
    return history_pb2.EquityPoint(
        at=stamp(point.at),
        day=point.day.isoformat(),
        equity=to_text(point.equity),
        cash=to_text(point.cash),
        market_value=to_text(point.equity - point.cash),
        net_flow=to_text(told.net_flow),
        profit_loss=to_text(told.profit_loss),
        return_percent=_percent(told.return_percent),
        benchmark_percent=_percent(benchmark),
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
        day_change=_text(valued.day_change),
        day_change_percent=_percent(mark.change_percent),
        unrealised_pnl_percent=_percent(valued.unrealised_pnl_percent),
    )


def summary(found: Summary) -> portfolio_pb2.GetSummaryResponse:
    sums = found.sums
    return portfolio_pb2.GetSummaryResponse(
        currency=found.cash.currency,
        cash=to_text(found.cash.cash),
        invested=to_text(sums.invested),
        market_value=to_text(sums.market_value),
        unrealised_pnl=to_text(sums.unrealised_pnl),
        realised_pnl=to_text(found.realised_pnl),
        total=to_text(found.total),
        positions=[valued_position(valued) for valued in found.positions],
        as_of=stamp(found.as_of),
        stale=sums.stale,
        buying_power=to_text(found.cash.buying_power),
        fees=to_text(found.fees),
        unrealised_pnl_percent=_percent(sums.unrealised_pnl_percent),
        day_change=to_text(sums.day_change),
        day_change_percent=_percent(sums.day_change_percent),
        categories=[_category(each) for each in found.categories],
    )


def allocation(found: Summary) -> portfolio_pb2.GetAllocationResponse:
    sums = found.sums
    return portfolio_pb2.GetAllocationResponse(
        currency=found.cash.currency,
        invested=to_text(sums.invested),
        market_value=to_text(sums.market_value),
        unrealised_pnl=to_text(sums.unrealised_pnl),
        unrealised_pnl_percent=_percent(sums.unrealised_pnl_percent),
        categories=[_category(each, with_positions=True) for each in found.categories],
        stale=sums.stale,
        as_of=stamp(found.as_of),
    )


def _category(found: Category, *, with_positions: bool = False) -> portfolio_pb2.Category:
    sums = found.sums
    return portfolio_pb2.Category(
        asset_class=found.asset_class,
        invested=to_text(sums.invested),
        market_value=to_text(sums.market_value),
        unrealised_pnl=to_text(sums.unrealised_pnl),
        unrealised_pnl_percent=_percent(sums.unrealised_pnl_percent),
        day_change=to_text(sums.day_change),
        day_change_percent=_percent(sums.day_change_percent),
        weight=_percent(found.weight),
        position_count=len(found.positions),
        stale=sums.stale,
        positions=[valued_position(each) for each in found.positions] if with_positions else [],
    )


def valued_positions(found: list[Valued], as_of: datetime) -> portfolio_pb2.ListValuedPositionsResponse:
    return portfolio_pb2.ListValuedPositionsResponse(
        positions=[valued_position(valued) for valued in found], as_of=stamp(as_of)
    )


def watchlist(found: Watchlist, marks: Sequence[Mark]) -> watchlist_pb2.Watchlist:
    return watchlist_pb2.Watchlist(
        watchlist_id=str(found.watchlist_id),
        name=found.name.text,
        symbols=[_watched(symbol, mark) for symbol, mark in zip(found.symbols, marks, strict=True)],
        version=found.version,
        created_at=stamp(found.created_at),
        updated_at=stamp(found.updated_at),
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
    return None if moment is None else stamp(moment)


def _text(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
