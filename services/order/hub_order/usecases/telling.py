"""Says in the log, and counts, what became of orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from hub_money import to_text
from hub_order.domain import Change, Side
from hub_runtime import counted, counter, get_logger, use_traceparent

ORDERS = counter("hub_order_orders_total", "Orders by what became of them", ("outcome", "code"))

log = get_logger("execute")


def tell_all(changes: Sequence[Change], traces: Mapping[UUID, str]) -> None:
    """Each in its own trace."""
    for change in changes:
        with use_traceparent(traces.get(change.order.order_id) or change.order.traceparent):
            tell(change)


def tell(change: Change) -> None:
    order, execution = change.order, change.execution
    about = {"order_id": str(order.order_id), "account_id": str(order.account_id), "symbol": order.symbol}
    if execution is not None:
        verb = "bought" if order.side is Side.BUY else "sold"
        quantity, price = to_text(execution.quantity), to_text(execution.price)
        text = f"order executed: {verb} {quantity} {order.symbol} at {price}"
        log.info("order_executed", **about, quantity=quantity, price=price, highlight=True, text=text)
    elif order.final:
        status, reason = str(order.status), order.reason
        text = f"order {status.lower()}: {to_text(order.quantity)} {order.symbol} {reason}".rstrip()
        log.info("order_closed", **about, status=status, reason=reason, highlight=True, text=text)
    else:
        log.info(f"order_{change.record.kind}", **about)
    if change.record.kind == "accepted":
        counted(ORDERS, "accepted", "").inc()
    elif order.final or execution is None:
        counted(ORDERS, str(order.status).lower(), order.reason).inc()
