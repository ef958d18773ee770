"""Domain values to rows: the columns of each multi-row write, and what goes into them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hub_position.domain.account import Account, StateChange
from hub_position.domain.actions import ActionEffect
from hub_position.domain.batch import Entry
from hub_position.domain.hold import Hold
from hub_position.domain.ledger import Posting, SharePosting
from hub_position.domain.placing import NewHold
from hub_position.domain.position import Booked, Position
from hub_postgres import array_parameters

Columns = Mapping[str, str]
Row = tuple[object, ...]


def rows_of(columns: Columns, name: str = "new", first: int = 1) -> str:
    """A FROM item with these columns, whose parameters, from `first` on, are one array per column."""
    return f"unnest({array_parameters(columns.values(), first)}) AS {name} ({', '.join(columns)})"


def insert(table: str, columns: Columns, first: int = 1) -> str:
    names, source = ", ".join(columns), rows_of(columns, first=first)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {source}"  # noqa: S608 - constants


NEW_HOLDS = {
    "hold_id": "uuid",
    "order_id": "uuid",
    "account_id": "uuid",
    "idempotency_key": "text",
    "side": "text",
    "symbol": "text",
    "quantity": "numeric",
    "unit_price": "numeric",
    "remaining": "numeric",
    "by_value": "boolean",
    "covered": "numeric",
    "fee_rate": "numeric",
}


def new_hold(new: NewHold) -> Row:
    request = new.request
    return (
        request.hold_id,
        request.order_id,
        request.account_id,
        request.idempotency_key or None,
        request.side.value,
        request.symbol,
        request.quantity,
        request.unit_price,
        new.set_aside,
        request.by_value,
        new.covered,
        request.fee_rate,
    )


def made_hold(made: Hold) -> Row:
    """Before anything was set aside for it."""
    return (
        made.hold_id,
        made.order_id,
        made.account_id,
        None,
        made.side.value,
        made.symbol,
        made.quantity,
        made.unit_price,
        0,
        made.by_value,
        made.covered,
        made.fee_rate,
    )


HOLDS = {
    "hold_id": "uuid",
    "remaining": "numeric",
    "booked_quantity": "numeric",
    "booked_count": "bigint",
    "final_quantity": "numeric",
    "final_count": "bigint",
    "confirmed": "boolean",
    "closed": "boolean",
    "covered": "numeric",
}


def hold(value: Hold) -> Row:
    return (
        value.hold_id,
        value.remaining,
        value.booked_quantity,
        value.booked_count,
        value.final_quantity,
        value.final_count,
        value.confirmed,
        value.closed,
        value.covered,
    )


QUANTITIES = {"hold_id": "uuid", "quantity": "numeric"}


def quantity(value: Hold) -> Row:
    return (value.hold_id, value.quantity)


PRICES = {"hold_id": "uuid", "unit_price": "numeric", "remaining": "numeric"}


def price(value: Hold) -> Row:
    return (value.hold_id, value.unit_price, value.remaining)


ACCOUNTS = {
    "account_id": "uuid",
    "cash_settled": "numeric",
    "cash_unsettled": "numeric",
    "held": "numeric",
    "version": "bigint",
}


def account(value: Account) -> Row:
    return (value.account_id, value.settled, value.unsettled, value.held, value.version)


STATES = {
    "account_id": "uuid",
    "from_status": "text",
    "to_status": "text",
    "from_trading_state": "text",
    "to_trading_state": "text",
    "reason": "text",
    "actor": "text",
    "changed_at": "timestamptz",
}


def state(change: StateChange) -> Row:
    return (
        change.after.account_id,
        change.before.status.value,
        change.after.status.value,
        change.before.trading_state.value,
        change.after.trading_state.value,
        change.reason,
        change.actor,
        change.changed_at,
    )


POSITIONS = {
    "position_id": "uuid",
    "account_id": "uuid",
    "symbol": "text",
    "quantity": "numeric",
    "held": "numeric",
    "total_cost": "numeric",
    "realised_pnl": "numeric",
    "fees": "numeric",
    "status": "text",
    "last_executed_at": "timestamptz",
    "last_trade_id": "uuid",
    "version": "bigint",
    "opened_at": "timestamptz",
    "updated_at": "timestamptz",
    "actions": "bigint",
    "split_at": "timestamptz",
    "split_ratio": "numeric",
    "split_factor": "numeric",
    "negative_since": "timestamptz",
}


def position(value: Position) -> Row:
    executed_at, trade_id = value.last or (None, None)
    return (
        value.position_id,
        value.account_id,
        value.symbol,
        value.holding.quantity,
        value.held,
        value.holding.total_cost,
        value.holding.realised_pnl,
        value.holding.fees,
        value.holding.status.value,
        executed_at,
        trade_id,
        value.version,
        value.opened_at,
        value.updated_at,
        value.actions,
        value.split_at,
        value.split_ratio,
        value.split_factor,
        value.negative_since,
    )


TRADES = {
    "trade_id": "uuid",
    "account_id": "uuid",
    "position_id": "uuid",
    "order_id": "uuid",
    "hold_id": "uuid",
    "symbol": "text",
    "side": "text",
    "quantity": "numeric",
    "price": "numeric",
    "gross": "numeric",
    "fee": "numeric",
    "net_cash": "numeric",
    "cost_removed": "numeric",
    "realised_gross": "numeric",
    "realised_net": "numeric",
    "executed_at": "timestamptz",
    "market_time": "timestamptz",
    "settles_on": "date",
}


def trade(entry: Entry) -> Row:
    fact, effect = entry.trade, entry.effect
    return (
        fact.trade_id,
        fact.account_id,
        entry.position_id,
        fact.order_id,
        fact.hold_id,
        fact.symbol,
        fact.side.value,
        fact.quantity,
        fact.price,
        fact.gross,
        fact.fee,
        fact.net_cash,
        effect.cost_removed,
        effect.realised,
        effect.realised - fact.fee,
        fact.executed_at,
        fact.market_time,
        fact.settles_on,
    )


EFFECTS = {"trade_id": "uuid", "cost_removed": "numeric", "realised_gross": "numeric"}


def effect(booked: Booked) -> Row:
    return (booked.trade.trade_id, booked.effect.cost_removed, booked.effect.realised)


POSTINGS = {
    "transaction_id": "uuid",
    "account_id": "uuid",
    "kind": "text",
    "ledger_account": "text",
    "amount": "numeric",
    "symbol": "text",
    "trade_id": "uuid",
    "settles_on": "date",
}


def posting(value: Posting) -> Row:
    return (
        value.transaction_id,
        value.account_id,
        value.kind.value,
        value.ledger_account.value,
        value.amount,
        value.symbol,
        value.trade_id,
        value.settles_on,
    )


SHARE_POSTINGS = {
    "transaction_id": "uuid",
    "account_id": "uuid",
    "kind": "text",
    "symbol": "text",
    "trade_id": "uuid",
    "quantity_before": "numeric",
    "quantity_after": "numeric",
    "ratio": "numeric",
}


def share_posting(value: SharePosting) -> Row:
    return (
        value.transaction_id,
        value.account_id,
        value.kind.value,
        value.symbol,
        value.trade_id,
        value.before,
        value.after,
        value.ratio,
    )


ACTION_EFFECTS = {
    "action_id": "uuid",
    "account_id": "uuid",
    "position_id": "uuid",
    "symbol": "text",
    "quantity_before": "numeric",
    "quantity_after": "numeric",
    "cost_removed": "numeric",
    "cash": "numeric",
    "fraction": "numeric",
    "lieu": "numeric",
}


def action_effect(action_id: UUID, position: Position, effect: ActionEffect) -> Row:
    return (
        action_id,
        position.account_id,
        position.position_id,
        position.symbol,
        effect.quantity_before,
        effect.quantity_after,
        effect.cost_removed,
        effect.cash,
        effect.fraction,
        effect.lieu,
    )
