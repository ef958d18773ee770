"""Ends an order for its owner. The simulated venue holds no orders, so a cancellation is final at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub_errors import Refused
from hub_identity import Principal
from hub_order.domain import Change, Order, Status, close
from hub_order.store import Orders
from hub_order.usecases.execute import tell
from hub_order.usecases.read import order_not_found
from hub_runtime import current_traceparent


async def cancel(order_id: UUID, principal: Principal, *, orders: Orders) -> Order:
    """Whoever locks the row first wins: a fill before makes this a refusal, a fill after finds it closed."""
    account_id = UUID(principal.account_id)

    def decide(order: Order, now: datetime) -> list[Change]:
        if order.account_id != account_id or order.final:
            return []
        return [close(order, Status.CANCELLED, actor=f"user:{principal.user_id}", now=now)]

    if await orders.get(order_id, account_id) is None:
        raise order_not_found()
    changes = await orders.change([order_id], decide, traces={order_id: current_traceparent()})
    if changes:
        tell(changes[-1])
        return changes[-1].order
    raise Refused("The order has ended already.", code="order_final")
