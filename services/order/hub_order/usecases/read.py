"""Orders as their owner sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub_errors import Invalid, NotFound
from hub_identity import Principal
from hub_order.domain import Execution, Order
from hub_order.mapping import Filter, page_start, page_token
from hub_order.store import Orders

PAGE_SIZE = 50
MOST_ON_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page:
    orders: Sequence[Order]
    next_page_token: str
    total: int


async def get_order(
    order_id: UUID, principal: Principal, *, orders: Orders
) -> tuple[Order, Sequence[Execution]]:
    order = await orders.get(order_id, UUID(principal.account_id))
    if order is None:
        raise order_not_found()
    return order, await orders.executions(order_id) if order.execution_count else []


async def list_orders(
    principal: Principal, wanted: Filter, *, page_size: int, token: str, include_total: bool, orders: Orders
) -> Page:
    """Newest first. One more than asked for is read, to know whether another page follows. The total is of
    all pages, and 0 where it was not asked for."""
    if not 0 <= page_size <= MOST_ON_A_PAGE:
        raise Invalid(f"page_size is at most {MOST_ON_A_PAGE}.", code="invalid_page_size", field="page_size")
    size = page_size or PAGE_SIZE
    account_id = UUID(principal.account_id)
    found = await orders.page(account_id, wanted, before=page_start(token), limit=size + 1)
    total = await orders.count(account_id, wanted) if include_total else 0
    page = found[:size]
    return Page(page, page_token(page[-1].order_id) if len(found) > size else "", total)


def order_not_found() -> NotFound:
    return NotFound("There is no such order.", code="order_not_found", field="order_id")
