"""OrderService over gRPC: message to values, use case, values to message. Nothing is decided here."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc import aio

from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_errors import HubError, Invalid
from hub_identity import Trust, current_principal
from hub_order import mapping
from hub_order.store import Orders
from hub_order.usecases.cancel import cancel
from hub_order.usecases.read import get_order, list_orders
from hub_order.usecases.submit import Desk, submit
from hub_order.usecases.telling import ORDERS
from hub_rpc import status_number
from hub_runtime import get_logger, span, use_traceparent, uuid7

MOST_ITEMS = 64

Context = aio.ServicerContext[Any, Any]

log = get_logger("rpc")


class OrderService(order_pb2_grpc.OrderServiceServicer):
    def __init__(self, *, trust: Trust, desk: Desk, orders: Orders) -> None:
        self._trust = trust
        self._desk = desk
        self._orders = orders

    async def SubmitOrders(
        self, request: order_pb2.SubmitOrdersRequest, context: Context
    ) -> order_pb2.SubmitOrdersResponse:
        if len(request.items) > MOST_ITEMS:
            raise Invalid(f"At most {MOST_ITEMS} items.", code="too_many_items", field="items")
        async with asyncio.TaskGroup() as group:
            # Started together, they reach the batches of holds and accepts together.
            tasks = [group.create_task(self._submit(item)) for item in request.items]
        return order_pb2.SubmitOrdersResponse(results=[task.result() for task in tasks])

    async def GetOrder(
        self, request: order_pb2.GetOrderRequest, context: Context
    ) -> order_pb2.GetOrderResponse:
        order_id = mapping.uuid(request.order_id, field="order_id")
        order, executions = await get_order(order_id, current_principal(self._trust), orders=self._orders)
        return order_pb2.GetOrderResponse(
            order=mapping.order_message(order),
            executions=[mapping.execution_message(execution) for execution in executions],
        )

    async def ListOrders(
        self, request: order_pb2.ListOrdersRequest, context: Context
    ) -> order_pb2.ListOrdersResponse:
        page = await list_orders(
            current_principal(self._trust),
            page_size=request.page_size,
            token=request.page_token,
            open_only=request.open_only,
            include_total=request.include_total,
            orders=self._orders,
        )
        return order_pb2.ListOrdersResponse(
            orders=[mapping.order_message(order) for order in page.orders],
            next_page_token=page.next_page_token,
            total=page.total,
        )

    async def CancelOrder(
        self, request: order_pb2.CancelOrderRequest, context: Context
    ) -> order_pb2.CancelOrderResponse:
        order_id = mapping.uuid(request.order_id, field="order_id")
        order = await cancel(order_id, current_principal(self._trust), orders=self._orders)
        return order_pb2.CancelOrderResponse(order=mapping.order_message(order))

    async def _submit(self, item: order_pb2.OrderSubmission) -> order_pb2.SubmissionResult:
        """One item's result. Its failure is its own, whatever it is."""
        about = {"order.id": item.order_id}
        with use_traceparent(item.traceparent), span("order.submit", attributes=about):
            try:
                principal = self._trust.verify(item.access_token)
                answer = await submit(mapping.submission(item), principal, desk=self._desk)
            except HubError as error:
                return _refused(item, error)
            except Exception as error:  # noqa: BLE001 - one item must not take the others with it
                return _failed(item, error)
        accepted = order_pb2.Accepted(order=answer.order, repeated_answer=answer.repeated)
        return order_pb2.SubmissionResult(order_id=item.order_id, accepted=accepted)


def _refused(item: order_pb2.OrderSubmission, error: HubError) -> order_pb2.SubmissionResult:
    ORDERS.labels("refused", error.code).inc()
    log.info("order_refused", order_id=item.order_id, symbol=item.symbol, code=error.code)
    refused = order_pb2.Refused(
        status=status_number(error), code=error.code, message=error.message, field=error.field
    )
    return order_pb2.SubmissionResult(order_id=item.order_id, refused=refused)


def _failed(item: order_pb2.OrderSubmission, error: Exception) -> order_pb2.SubmissionResult:
    error_id = str(uuid7())
    log.error("submission_failed", order_id=item.order_id, error_id=error_id, exc_info=error)
    known = HubError(f"Something went wrong on our side. Its id is {error_id}.", code="internal")
    return _refused(item, known)
