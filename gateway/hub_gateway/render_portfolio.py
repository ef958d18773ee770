"""What the portfolio service answers, as documents of the public interface."""

from __future__ import annotations

from hub.portfolio.v1 import history_pb2, portfolio_pb2
from hub_gateway.render import when
from hub_gateway.types.history import EquityPoint
from hub_gateway.types.portfolio import (
    AllocatedCategory,
    AllocatedPosition,
    Allocation,
    Category,
    Position,
    Summary,
)


def valued_position(message: portfolio_pb2.ValuedPosition) -> Position:
    return Position(
        symbol=message.symbol,
        name=message.name or None,
        asset_class=message.asset_class or None,
        quantity=message.quantity,
        held=message.held,
        total_cost=message.total_cost,
        average_price=message.average_price or None,
        price=message.price or None,
        price_at=when(message.price_at),
        stale=message.stale,
        market_value=message.market_value or None,
        unrealised_pnl=message.unrealised_pnl or None,
        realised_pnl=message.realised_pnl,
        fees=message.fees,
        status=message.status,
        weight=message.weight or None,
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        day_change=message.day_change or None,
        day_change_percent=message.day_change_percent or None,
    )


def summary(message: portfolio_pb2.GetSummaryResponse) -> Summary:
    return Summary(
        currency=message.currency,
        cash=message.cash,
        buying_power=message.buying_power,
        invested=message.invested,
        market_value=message.market_value,
        total=message.total,
        unrealised_pnl=message.unrealised_pnl,
        realised_pnl=message.realised_pnl,
        fees=message.fees,
        stale=message.stale,
        as_of=when(message.as_of),
        positions=[valued_position(position) for position in message.positions],
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        day_change=message.day_change or None,
        day_change_percent=message.day_change_percent or None,
        categories=[_category(each) for each in message.categories],
    )


def allocation(message: portfolio_pb2.GetAllocationResponse) -> Allocation:
    return Allocation(
        currency=message.currency,
        invested=message.invested,
        market_value=message.market_value,
        unrealised_pnl=message.unrealised_pnl,
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        stale=message.stale,
        as_of=when(message.as_of),
        categories=[_allocated(each) for each in message.categories],
    )


def _category(message: portfolio_pb2.Category) -> Category:
    return Category(
        asset_class=message.asset_class or None,
        invested=message.invested,
        market_value=message.market_value,
        unrealised_pnl=message.unrealised_pnl,
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        day_change=message.day_change or None,
        day_change_percent=message.day_change_percent or None,
        weight=message.weight or None,
        positions=message.position_count,
        stale=message.stale,
    )


def _allocated(message: portfolio_pb2.Category) -> AllocatedCategory:
    return AllocatedCategory(
        asset_class=message.asset_class or None,
        invested=message.invested,
        market_value=message.market_value,
        unrealised_pnl=message.unrealised_pnl,
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        weight=message.weight or None,
        stale=message.stale,
        positions=[_allocated_position(each) for each in message.positions],
    )


def _allocated_position(message: portfolio_pb2.ValuedPosition) -> AllocatedPosition:
    return AllocatedPosition(
        symbol=message.symbol,
        name=message.name or None,
        invested=message.total_cost,
        market_value=message.market_value or None,
        unrealised_pnl=message.unrealised_pnl or None,
        unrealised_pnl_percent=message.unrealised_pnl_percent or None,
        weight=message.weight or None,
        price_at=when(message.price_at),
        stale=message.stale,
    )


def equity_point(message: history_pb2.EquityPoint) -> EquityPoint:
    return EquityPoint(
        at=when(message.at),
        day=message.day,
        equity=message.equity,
        cash=message.cash,
        market_value=message.market_value,
        net_flow=message.net_flow,
        profit_loss=message.profit_loss,
        return_percent=message.return_percent or None,
        benchmark_percent=message.benchmark_percent or None,
    )
