"""Activities, statements and parts of positions, as documents of the public interface."""

from __future__ import annotations

from typing import Final

from hub.order.v1 import order_pb2
from hub.portfolio.v1 import statements_pb2
from hub.position.v1 import activities_pb2, views_pb2
from hub_gateway.render import when
from hub_gateway.types.activities import Activity
from hub_gateway.types.orders import Side
from hub_gateway.types.statements import (
    Statement,
    StatementCash,
    StatementMonth,
    StatementPosition,
    StatementSums,
)
from hub_gateway.types.views import PositionView, ViewedPosition

SIDES: Final[dict[order_pb2.Side.ValueType, Side]] = {
    order_pb2.SIDE_BUY: "BUY",
    order_pb2.SIDE_SELL: "SELL",
}


def activity(message: activities_pb2.Activity) -> Activity:
    fill = message.fill
    return Activity(
        activity_id=message.activity_id,
        transaction_id=message.transaction_id,
        type=message.type,
        posted_at=when(message.posted_at),
        symbol=message.symbol or None,
        side=SIDES.get(fill.side),
        quantity=fill.quantity or None,
        price=fill.price or None,
        ratio=message.ratio or None,
        quantity_before=message.quantity_before or None,
        quantity_after=message.quantity_after or None,
        net_amount=message.net_amount,
        settled=message.settled,
        cost=message.cost,
        realised_pnl=message.realised_pnl,
        fee=message.fee,
        dividend=message.dividend,
        order_id=fill.order_id or None,
        trade_id=fill.trade_id or None,
        executed_at=when(fill.executed_at),
        reason=message.reason or None,
    )


def statement_month(message: statements_pb2.StatementMonth) -> StatementMonth:
    return StatementMonth(
        month=message.month,
        final=message.final,
        issued_at=when(message.issued_at),
        content_hash=message.content_hash or None,
    )


def statement(found: statements_pb2.GetStatementResponse) -> Statement:
    message = found.statement
    return Statement(
        month=message.month,
        final=message.final,
        account_id=message.account_id,
        currency=message.currency,
        starts_at=when(message.starts_at),
        ends_at=when(message.ends_at),
        issued_at=when(message.issued_at),
        content_hash=found.content_hash or None,
        opening_cash=_cash(message.opening_cash),
        closing_cash=_cash(message.closing_cash),
        opening_positions=[_position(each) for each in message.opening_positions],
        closing_positions=[_position(each) for each in message.closing_positions],
        sums=_sums(message.sums),
        opening_value=message.opening_value,
        closing_value=message.closing_value,
        return_percent=message.return_percent or None,
        return_from=message.return_from or None,
        return_until=message.return_until or None,
        line_count=message.line_count,
        lines=[activity(each) for each in found.lines],
        next_page_token=found.next_page_token or None,
    )


def _cash(message: statements_pb2.StatementCash) -> StatementCash:
    return StatementCash(settled=message.settled, unsettled=message.unsettled, total=message.total)


def _position(message: statements_pb2.StatementPosition) -> StatementPosition:
    return StatementPosition(
        symbol=message.symbol,
        quantity=message.quantity,
        total_cost=message.total_cost,
        price=message.price or None,
        price_day=message.price_day or None,
        market_value=message.market_value or None,
    )


def _sums(message: statements_pb2.StatementSums) -> StatementSums:
    return StatementSums(
        deposits=message.deposits,
        withdrawals=message.withdrawals,
        adjustments=message.adjustments,
        trades=message.trades,
        dividends=message.dividends,
        other=message.other,
        net_change=message.net_change,
        fees=message.fees,
        realised_pnl=message.realised_pnl,
        realised_net=message.realised_net,
        cost_change=message.cost_change,
    )


def viewed_position(message: views_pb2.ViewedPosition) -> ViewedPosition:
    return ViewedPosition(
        symbol=message.symbol,
        quantity=message.quantity,
        total_cost=message.total_cost,
        views=[_view(each) for each in message.views],
        rest=_view(message.rest),
        reduced=message.reduced,
    )


def _view(message: views_pb2.PositionView) -> PositionView:
    return PositionView(
        view_id=message.view_id or None,
        name=message.name,
        wanted_quantity=message.wanted_quantity or None,
        wanted_percentage=message.wanted_percentage or None,
        quantity=message.quantity,
        total_cost=message.total_cost,
        created_at=when(message.created_at),
    )
