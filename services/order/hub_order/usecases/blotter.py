"""What venues did to the caller's orders, or to all for those who look after all; an order's records."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_errors import Denied, Invalid
from hub_identity import Principal
from hub_order import mapping_blotter
from hub_order.mapping import uuid
from hub_order.store import Orders
from hub_order.store.blotter import Blotter, BlotterLine
from hub_order.usecases.read import order_not_found

PAGE_SIZE = 100
MOST_ON_A_PAGE = 500
SEES_ALL = frozenset({"admin", "support"})

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(9999, 1, 1, tzinfo=UTC)
NIL = UUID(int=0)


async def list_executions(
    request: order_pb2.ListExecutionsRequest, principal: Principal, *, blotter: Blotter
) -> order_pb2.ListExecutionsResponse:
    """Newest first. Raises Denied where all accounts are asked for without a role that sees them."""
    if not 0 <= request.page_size <= MOST_ON_A_PAGE:
        raise Invalid(f"page_size is at most {MOST_ON_A_PAGE}.", code="invalid_page_size", field="page_size")
    if request.all_accounts and not principal.roles & SEES_ALL:
        raise Denied("This needs the role admin or support.", code="role_required")
    since, before = LONG_AGO, (FAR_AHEAD, NIL)
    if request.HasField("executed_from"):
        since = mapping_blotter.time(request.executed_from, field="executed_from")
    if request.HasField("executed_before"):
        before = (mapping_blotter.time(request.executed_before, field="executed_before"), NIL)
    if request.page_token:
        before = mapping_blotter.place(request.page_token)
    page = await blotter.page(
        None if request.all_accounts else UUID(principal.account_id),
        before=before,
        since=since,
        symbol=request.symbol,
        size=request.page_size or PAGE_SIZE,
    )
    return order_pb2.ListExecutionsResponse(
        entries=[_entry(line) for line in page.lines],
        next_page_token=mapping_blotter.page_token(page.next),
    )


async def list_order_events(
    request: order_pb2.ListOrderEventsRequest, principal: Principal, *, orders: Orders
) -> order_pb2.ListOrderEventsResponse:
    """Oldest first. Raises NotFound for another account's order."""
    order_id = uuid(request.order_id, field="order_id")
    if await orders.get(order_id, UUID(principal.account_id)) is None:
        raise order_not_found()
    records = await orders.records(order_id)
    return order_pb2.ListOrderEventsResponse(
        events=[mapping_blotter.order_event(record, stored) for record, stored in records]
    )


def _entry(line: BlotterLine) -> order_pb2.BlotterEntry:
    return mapping_blotter.entry(
        line.execution,
        client_order_id=line.client_order_id,
        symbol=line.symbol,
        side=line.side,
        order_type=line.type,
        settled_at=line.settled_at,
    )
