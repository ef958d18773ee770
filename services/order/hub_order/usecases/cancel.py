"""Ends orders for their owner, or for an administrator. One that a venue has ends when the venue says so; all
others end at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub_errors import Refused
from hub_identity import Principal, require_role
from hub_order.domain import Change, Order, Status, ask_end, close
from hub_order.store import Orders
from hub_order.usecases.read import order_not_found
from hub_order.usecases.telling import tell_all
from hub_runtime import current_traceparent

MOST_AT_ONCE = 100


async def cancel(order_id: UUID, principal: Principal, *, orders: Orders) -> Order:
    """Whoever locks the row first wins: a fill before makes this a refusal, a fill after finds it closed. An
    end that is asked for already is not asked for twice."""
    account_id = UUID(principal.account_id)
    order = await orders.get(order_id, account_id)
    if order is None:
        raise order_not_found()
    cancelled = await _cancel([order_id], account_id, principal, orders=orders)
    if cancelled:
        return cancelled[0]
    order = await orders.get(order_id, account_id)
    if order is not None and not order.final and order.ending:
        return order
    raise Refused("The order has ended already.", code="order_final")


async def cancel_all(principal: Principal, *, symbol: str, orders: Orders) -> tuple[list[Order], bool]:
    """A bounded number of the open ones, and whether there may be more."""
    return await _cancel_open(UUID(principal.account_id), principal, symbol=symbol, orders=orders)


async def cancel_all_of(
    account_id: UUID, principal: Principal, *, orders: Orders
) -> tuple[list[Order], bool]:
    """The same of an account that is not one's own. Raises Denied."""
    require_role(principal, "admin")
    return await _cancel_open(account_id, principal, symbol="", orders=orders)


async def _cancel_open(
    account_id: UUID, principal: Principal, *, symbol: str, orders: Orders
) -> tuple[list[Order], bool]:
    found = await orders.open_of(account_id, symbol=symbol, limit=MOST_AT_ONCE + 1)
    ended = await _cancel(found[:MOST_AT_ONCE], account_id, principal, orders=orders)
    return ended, len(found) > MOST_AT_ONCE


async def _cancel(
    order_ids: list[UUID], account_id: UUID, principal: Principal, *, orders: Orders
) -> list[Order]:
    actor = f"user:{principal.user_id}"

    def decide(order: Order, now: datetime) -> list[Change]:
        if order.account_id != account_id or order.final or order.ending:
            return []
        if order.route is not None:
            return [ask_end(order, Status.CANCELLED, actor=actor, now=now)]
        return [close(order, Status.CANCELLED, actor=actor, now=now)]

    traces = dict.fromkeys(order_ids, current_traceparent())
    changes = await orders.change(order_ids, decide, traces=traces)
    tell_all(changes, traces)
    return [change.order for change in changes]
