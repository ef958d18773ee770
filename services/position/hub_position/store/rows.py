"""Rows to domain values, and the columns to read them from."""

from __future__ import annotations

import asyncpg

from hub_position.domain.account import Account, AccountState, AccountStatus, TradingState
from hub_position.domain.hold import Hold
from hub_position.domain.position import Booked, Effect, Holding, Position, PositionStatus
from hub_position.domain.trade import Side, Trade

ACCOUNT = "account_id, user_id, currency, status, trading_state, cash_settled, cash_unsettled, held, version"
STATE = f"{ACCOUNT}, state_reason, state_actor, state_changed_at"
POSITION = (
    "position_id, account_id, symbol, quantity, held, total_cost, realised_pnl, fees, status, "
    "last_executed_at, last_trade_id, version, opened_at, updated_at, actions, split_at, split_ratio, "
    "split_factor, negative_since"
)
HOLD = (
    "hold_id, order_id, account_id, idempotency_key, side, symbol, quantity, unit_price, remaining, "
    "booked_quantity, booked_count, final_quantity, final_count, confirmed, placed_at, closed_at, "
    "by_value, covered, fee_rate"
)
TRADE = (
    "trade_id, account_id, order_id, hold_id, symbol, side, quantity, price, fee, gross, cost_removed, "
    "realised_gross, executed_at, market_time, settles_on"
)


def account(row: asyncpg.Record) -> Account:
    return Account(
        account_id=row["account_id"],
        user_id=row["user_id"],
        currency=row["currency"],
        status=AccountStatus(row["status"]),
        trading_state=TradingState(row["trading_state"]),
        settled=row["cash_settled"],
        unsettled=row["cash_unsettled"],
        held=row["held"],
        version=row["version"],
    )


def account_state(row: asyncpg.Record) -> AccountState:
    return AccountState(account(row), row["state_reason"], row["state_actor"], row["state_changed_at"])


def position(row: asyncpg.Record) -> Position:
    return Position(
        position_id=row["position_id"],
        account_id=row["account_id"],
        symbol=row["symbol"],
        opened_at=row["opened_at"],
        updated_at=row["updated_at"],
        holding=Holding(
            quantity=row["quantity"],
            total_cost=row["total_cost"],
            realised_pnl=row["realised_pnl"],
            fees=row["fees"],
            status=PositionStatus(row["status"]),
        ),
        held=row["held"],
        last=(row["last_executed_at"], row["last_trade_id"]),
        version=row["version"],
        actions=row["actions"],
        split_at=row["split_at"],
        split_ratio=row["split_ratio"],
        split_factor=row["split_factor"],
        negative_since=row["negative_since"],
    )


def hold(row: asyncpg.Record) -> Hold:
    return Hold(
        hold_id=row["hold_id"],
        order_id=row["order_id"],
        account_id=row["account_id"],
        idempotency_key=row["idempotency_key"] or "",
        side=Side(row["side"]),
        symbol=row["symbol"],
        quantity=row["quantity"],
        unit_price=row["unit_price"],
        remaining=row["remaining"],
        booked_quantity=row["booked_quantity"],
        booked_count=row["booked_count"],
        final_quantity=row["final_quantity"],
        final_count=row["final_count"],
        confirmed=row["confirmed"],
        closed=row["closed_at"] is not None,
        placed_at=row["placed_at"],
        by_value=row["by_value"],
        covered=row["covered"],
        fee_rate=row["fee_rate"],
    )


def booked(row: asyncpg.Record) -> Booked:
    trade = Trade(
        trade_id=row["trade_id"],
        account_id=row["account_id"],
        order_id=row["order_id"],
        hold_id=row["hold_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        executed_at=row["executed_at"],
        market_time=row["market_time"],
        settles_on=row["settles_on"],
    )
    added = row["gross"] if trade.side is Side.BUY else row["gross"] * 0
    return Booked(trade, Effect(added, row["cost_removed"], row["realised_gross"]))
