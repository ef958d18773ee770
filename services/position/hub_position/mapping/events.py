"""Events <-> what is booked, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_events import ORDERS, POSITIONS, OutboxRow, Payload, envelope
from hub_money import parse_decimal, to_text
from hub_position.domain.account import Account
from hub_position.domain.batch import Ending, PositionChange, Replacement
from hub_position.domain.cash import Settled
from hub_position.domain.hold import Terms
from hub_position.domain.trade import Side, Trade
from hub_position.mapping.values import number, read_side, read_time, read_uuid, timestamp

ZERO = Decimal(0)


def read_trade(
    event: event_pb2.OrderExecuted,
    settles_on: Callable[[str, datetime], date],
    fee_rate: Callable[[str], Decimal],
) -> Trade:
    """`settles_on` answers for a symbol and the market time of its trade, `fee_rate` for a symbol; where the
    hold says another rate, that one counts."""
    order, execution = event.order, event.execution
    executed_at = read_time(execution.executed_at, "execution.executed_at")
    has_market_time = event.HasField("market_time")
    market_time = read_time(event.market_time, "market_time") if has_market_time else executed_at
    trade = Trade(
        trade_id=read_uuid(execution.execution_id, "execution.execution_id"),
        account_id=read_uuid(order.account_id, "order.account_id"),
        order_id=read_uuid(order.order_id, "order.order_id"),
        hold_id=read_uuid(event.hold_id, "hold_id"),
        symbol=order.symbol,
        side=read_side(order.side),
        quantity=parse_decimal(execution.quantity, field="execution.quantity"),
        price=parse_decimal(execution.price, field="execution.price"),
        fee=ZERO,
        executed_at=executed_at,
        market_time=market_time,
        settles_on=settles_on(order.symbol, market_time),
    )
    return trade.charged(fee_rate(order.symbol))


def read_ending(event: event_pb2.OrderClosed | event_pb2.OrderReplaced | event_pb2.OrderExecuted) -> Ending:
    """How the order ended, and after how many executions."""
    order = event.order
    return Ending(
        hold=_terms(order, event.hold_id, "hold_id", order.limit_price or order.protection_price),
        final_quantity=number(order.filled_quantity, "filled_quantity"),
        final_count=event.execution_count,
    )


def read_replacement(event: event_pb2.OrderReplaced) -> Replacement:
    successor = _terms(event.new_order, event.new_hold_id, "new_hold_id", event.new_unit_price)
    return Replacement(read_ending(event), successor)


def _terms(order: order_pb2.Order, hold_id: str, field: str, unit_price: str) -> Terms:
    """What an order's hold is for, as it was asked for when the order was accepted."""
    side = read_side(order.side)
    by_value = side is Side.BUY and bool(order.notional)
    if by_value or side is Side.SELL:
        unit_price = "1" if by_value else "0"
    return Terms(
        hold_id=read_uuid(hold_id, field),
        order_id=read_uuid(order.order_id, "order.order_id"),
        account_id=read_uuid(order.account_id, "order.account_id"),
        side=side,
        symbol=order.symbol,
        quantity=number(order.notional if by_value else order.quantity, "order.quantity"),
        unit_price=number(unit_price, "unit_price"),
        by_value=by_value,
    )


def changed_position(change: PositionChange, traceparent: str | None) -> OutboxRow:
    position = change.position
    payload = event_pb2.PositionChanged(
        kind=change.kind.value,
        position_id=str(position.position_id),
        symbol=position.symbol,
        quantity=to_text(position.holding.quantity),
        total_cost=to_text(position.holding.total_cost),
        realised_pnl=to_text(position.holding.realised_pnl),
        version=position.version,
        trade_id="" if change.trade_id is None else str(change.trade_id),
    )
    return _told("position.changed", position.position_id, position.account_id, payload, traceparent)


def changed_account(account: Account, traceparent: str | None) -> OutboxRow:
    payload = event_pb2.AccountChanged(
        cash=to_text(account.cash),
        held=to_text(account.held),
        buying_power=to_text(account.buying_power),
        version=account.version,
        status=account.status.value,
        trading_state=account.trading_state.value,
    )
    return _told("account.changed", account.account_id, account.account_id, payload, traceparent)


def settled_trade(settled: Settled, now: datetime) -> OutboxRow:
    """For the order service alone."""
    trade, account = str(settled.trade_id), str(settled.account_id)
    payload = event_pb2.TradeSettled(trade_id=trade, settled_at=timestamp(now))
    event = envelope("trade.settled", trade, account, payload)
    return OutboxRow(ORDERS.name, ORDERS.key("settlement", account), event)


def _told(name: str, aggregate: UUID, account: UUID, payload: Payload, traceparent: str | None) -> OutboxRow:
    """For everybody who listens; without a trace of its own it goes on in the current one."""
    event = envelope(name, str(aggregate), str(account), payload, traceparent=traceparent)
    return OutboxRow(POSITIONS.status, "", event)
