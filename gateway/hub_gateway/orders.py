"""/orders: reading orders and ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from hub.order.v1 import order_pb2
from hub_errors import HubError, Invalid
from hub_gateway import render_orders
from hub_gateway.changes import Changes
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import symbol
from hub_gateway.new_orders import NewOrders
from hub_gateway.operation import MOMENT, PAGES, SYMBOL, Operation, Parameter, Resource
from hub_gateway.pages import between, choice, flag, page
from hub_gateway.path_ids import order_id
from hub_gateway.peers import Peers
from hub_gateway.types.orders import (
    CancelledOrders,
    Order,
    OrderEvents,
    OrderStatus,
    OrderWithExecutions,
    Status,
)
from hub_gateway.types.orders import Orders as OrdersPage
from hub_rpc import calling_as
from hub_runtime import get_logger

log = get_logger("orders")

# One call ends a bounded number of orders: there are as many as an account has open, up to this.
MOST_ROUNDS: Final = 20
CANCEL_ALL_TIME_S: Final = 10.0
STATUSES: Final = get_args(Status)
SIDES: Final[Mapping[str, order_pb2.Side.ValueType]] = {
    "BUY": order_pb2.SIDE_BUY,
    "SELL": order_pb2.SIDE_SELL,
}
OF_SYMBOL: Final = Parameter(name="symbol", description="Only of this instrument.", schema=SYMBOL)
FROM: Final = Parameter(name="from", description="Not before this moment or day (UTC).", schema=MOMENT)
BEFORE: Final = Parameter(name="before", description="Before this moment or day (UTC).", schema=MOMENT)
FILTERS: Final = (
    Parameter(
        name="status",
        description="Only these; also with commas between.",
        schema={
            "type": "array",
            "items": {"type": "string", "enum": list(STATUSES)},
            "minItems": 1,
            "maxItems": len(STATUSES),
        },
    ),
    Parameter(
        name="side", description="Only purchases or sales.", schema={"type": "string", "enum": list(SIDES)}
    ),
    OF_SYMBOL,
    FROM,
    BEFORE,
    Parameter(
        name="open_only",
        description="Only orders that have not ended.",
        schema={"type": "boolean", "default": False},
    ),
)
NOT_FOUND: Final = {404: ("order_not_found",)}


class Orders:
    def __init__(self, *, peers: Peers, gate: Gate, new_orders: NewOrders, changes: Changes) -> None:
        self._order = peers.order
        self._gate = gate
        self._new_orders = new_orders
        self._changes = changes

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/orders",
                GET=self._list(),
                POST=self._new_orders.operation(),
                DELETE=self._cancel_all(),
            ),
            Resource("/api/v1/orders/{order_id}", GET=self._one(), PATCH=self._changes.replacement()),
            Resource("/api/v1/orders/{order_id}/status", GET=self._status()),
            Resource("/api/v1/orders/{order_id}/events", GET=self._events()),
            Resource("/api/v1/orders/{order_id}/cancel", PUT=self._cancel()),
        ]

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="Your orders, newest first",
            tag="orders",
            description="`from` and `before` are of the time an order was accepted at.",
            query=(*FILTERS, *PAGES),
            answers={200: OrdersPage},
            problems={400: ("invalid_value", "invalid_length", "invalid_symbol", "inverted_range")},
        )

    def _one(self) -> Operation:
        return Operation(
            handler=self.one,
            summary="An order and its executions",
            tag="orders",
            answers={200: OrderWithExecutions},
            problems=NOT_FOUND,
        )

    def _status(self) -> Operation:
        return Operation(
            handler=self.status,
            summary="What changes of an order",
            tag="orders",
            answers={200: OrderStatus},
            problems=NOT_FOUND,
        )

    def _events(self) -> Operation:
        return Operation(
            handler=self.events,
            summary="Everything that happened to an order",
            tag="orders",
            description="Append-only: each record has a hash over itself and the one before.",
            answers={200: OrderEvents},
            problems=NOT_FOUND,
        )

    def _cancel(self) -> Operation:
        return Operation(
            handler=self.cancel,
            summary="Cancel an order",
            tag="orders",
            description="200: it is cancelled. 202: a venue has it (`cancel_requested`), and the venue's "
            "answer decides; until then it may still be filled.",
            answers={200: Order, 202: Order},
            problems={**NOT_FOUND, 422: ("order_final",)},
        )

    def _cancel_all(self) -> Operation:
        return Operation(
            handler=self.cancel_all,
            summary="Cancel all your open orders, or those of an instrument",
            tag="orders",
            description="Each is decided for itself: one that was filled meanwhile is not in the answer.",
            query=(OF_SYMBOL,),
            answers={200: CancelledOrders},
            problems={400: ("invalid_symbol",)},
        )

    async def list(self, request: Request) -> Response:
        names = ("side", "symbol", "from", "before", "open_only", "page_size", "page_token")
        query = request.query(*names, lists=("status",))
        size, token = page(query)
        wanted = order_pb2.ListOrdersRequest(
            page_size=size,
            page_token=token,
            open_only=flag(query, "open_only"),
            statuses=_statuses(query),
            side=choice(query, "side", SIDES, order_pb2.SIDE_UNSPECIFIED),
            symbol=wanted_symbol(query),
        )
        start, end = between(query, "from", "before")
        if start is not None:
            wanted.accepted_from.FromDatetime(start)
        if end is not None:
            wanted.accepted_before.FromDatetime(end)
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._order.ListOrders(wanted)
        orders = [render_orders.order(order) for order in found.orders]
        return answer(OrdersPage(orders=orders, next_page_token=found.next_page_token or None))

    async def one(self, request: Request) -> Response:
        found = await self._get(request)
        executions = [render_orders.execution(execution) for execution in found.executions]
        return answer(OrderWithExecutions(order=render_orders.order(found.order), executions=executions))

    async def status(self, request: Request) -> Response:
        found = await self._get(request)
        return answer(render_orders.order_status(found.order))

    async def events(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.ListOrderEventsRequest(order_id=order_id(request))
        with calling_as(caller.token):
            found = await self._order.ListOrderEvents(wanted)
        events = [render_orders.order_event(event) for event in found.events]
        return answer(OrderEvents(order_id=wanted.order_id, events=events))

    async def cancel(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.CancelOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            found = await self._order.CancelOrder(wanted)
        return answer(render_orders.order(found.order), status=202 if found.order.cancel_requested else 200)

    async def cancel_all(self, request: Request) -> Response:
        wanted = order_pb2.CancelOrdersRequest(symbol=wanted_symbol(request.query("symbol")))
        caller = await self._gate.user(request)
        cancelled: dict[str, order_pb2.Order] = {}
        with calling_as(caller.token):
            more = await self._cancel_rounds(wanted, cancelled)
        orders = [render_orders.order(order) for order in cancelled.values()]
        return answer(CancelledOrders(orders=orders, more=more))

    async def _cancel_rounds(
        self, wanted: order_pb2.CancelOrdersRequest, cancelled: dict[str, order_pb2.Order]
    ) -> bool:
        """Fills in what is cancelled; whether there may be more."""
        until = asyncio.get_running_loop().time() + CANCEL_ALL_TIME_S
        for _ in range(MOST_ROUNDS):
            try:
                found = await self._order.CancelOrders(
                    wanted, timeout=until - asyncio.get_running_loop().time()
                )
            except HubError as error:
                if not cancelled:
                    raise
                # What is cancelled already must be told.
                log.warning("cancel_all_broken_off", code=error.code, cancelled=len(cancelled))
                return True
            before = len(cancelled)
            cancelled.update({order.order_id: order for order in found.orders})
            if not found.more or len(cancelled) == before:
                return found.more
        return True

    async def _get(self, request: Request) -> order_pb2.GetOrderResponse:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.GetOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            return await self._order.GetOrder(wanted)


def wanted_symbol(query: Mapping[str, str]) -> str:
    """The instrument that is asked for; empty for all."""
    return symbol(query["symbol"]) if "symbol" in query else ""


def _statuses(query: Mapping[str, str]) -> Sequence[order_pb2.OrderStatus.ValueType]:
    if "status" not in query:
        return []
    names = query["status"].split(",")
    if len(names) > len(STATUSES):
        sentence = f"status may be there {len(STATUSES)} times."
        raise Invalid(sentence, code="invalid_length", field="status")
    if not set(names) <= set(STATUSES):
        sentence = f"status must be one of {', '.join(STATUSES)}."
        raise Invalid(sentence, code="invalid_value", field="status")
    return [order_pb2.OrderStatus.Value(f"ORDER_STATUS_{name}") for name in dict.fromkeys(names)]
