"""OrderService over gRPC: message to values, use case, values to message. Nothing is decided here."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc import aio

from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_errors import Exhausted, HubError, Invalid
from hub_identity import Trust, current_principal
from hub_order import mapping
from hub_order.store import Blotter
from hub_order.usecases.answers import Answer
from hub_order.usecases.blotter import list_executions, list_order_events
from hub_order.usecases.cancel import cancel, cancel_all
from hub_order.usecases.desk import Desk
from hub_order.usecases.read import get_order, list_orders
from hub_order.usecases.refusals import Refusals
from hub_order.usecases.replace import Exchange, replace
from hub_order.usecases.submit import close_position, submit
from hub_order.usecases.telling import ORDERS
from hub_rpc import status_number
from hub_runtime import get_logger, span, use_traceparent, uuid7

MOST_ITEMS = 64

Context = aio.ServicerContext[Any, Any]

log = get_logger("rpc")


class OrderService(order_pb2_grpc.OrderServiceServicer):
    def __init__(
        self, *, trust: Trust, desk: Desk, exchange: Exchange, refusals: Refusals, blotter: Blotter
    ) -> None:
        self._trust = trust
        self._refusals = refusals
        self._blotter = blotter
        self._desk = desk
        self._exchange = exchange
        self._orders = exchange.orders

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
            mapping.order_filter(request),
            page_size=request.page_size,
            token=request.page_token,
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
        principal = current_principal(self._trust)
        async with self._refusals.of("cancel", principal, request):
            order_id = mapping.uuid(request.order_id, field="order_id")
            order = await cancel(order_id, principal, orders=self._orders)
        return order_pb2.CancelOrderResponse(order=mapping.order_message(order))

    async def CancelOrders(
        self, request: order_pb2.CancelOrdersRequest, context: Context
    ) -> order_pb2.CancelOrdersResponse:
        principal = current_principal(self._trust)
        async with self._refusals.of("cancel_all", principal, request):
            ended, more = await cancel_all(principal, symbol=request.symbol, orders=self._orders)
        return order_pb2.CancelOrdersResponse(
            orders=[mapping.order_message(order) for order in ended], more=more
        )

    async def ReplaceOrder(
        self, request: order_pb2.ReplaceOrderRequest, context: Context
    ) -> order_pb2.ReplaceOrderResponse:
        principal = current_principal(self._trust)
        async with self._refusals.of("replace", principal, request):
            wanted = mapping.replacement(request)
            answer = await replace(wanted, principal, desk=self._desk, exchange=self._exchange)
        return order_pb2.ReplaceOrderResponse(accepted=_accepted(answer))

    async def ClosePosition(
        self, request: order_pb2.ClosePositionRequest, context: Context
    ) -> order_pb2.ClosePositionResponse:
        principal = current_principal(self._trust)
        async with self._refusals.of("close", principal, request):
            answer = await close_position(mapping.closing(request), principal, desk=self._desk)
        return order_pb2.ClosePositionResponse(accepted=_accepted(answer))

    async def ListOrderEvents(
        self, request: order_pb2.ListOrderEventsRequest, context: Context
    ) -> order_pb2.ListOrderEventsResponse:
        return await list_order_events(request, current_principal(self._trust), orders=self._orders)

    async def ListExecutions(
        self, request: order_pb2.ListExecutionsRequest, context: Context
    ) -> order_pb2.ListExecutionsResponse:
        return await list_executions(request, current_principal(self._trust), blotter=self._blotter)

    async def _submit(self, item: order_pb2.OrderSubmission) -> order_pb2.SubmissionResult:
        """One item's result. Its failure is its own, whatever it is."""
        about = {"order.id": item.order_id}
        with use_traceparent(item.traceparent), span("order.submit", attributes=about):
            try:
                principal = self._trust.verify(item.access_token)
                async with self._refusals.of("submit", principal, item):
                    answer = await submit(mapping.submission(item), principal, desk=self._desk)
            except HubError as error:
                return _refused(item, error)
            except Exception as error:  # noqa: BLE001 - one item must not take the others with it
                return _failed(item, error)
        return order_pb2.SubmissionResult(order_id=item.order_id, accepted=_accepted(answer))


def _accepted(answer: Answer) -> order_pb2.Accepted:
    return order_pb2.Accepted(order=answer.order, repeated_answer=answer.repeated)


def _refused(item: order_pb2.OrderSubmission, error: HubError) -> order_pb2.SubmissionResult:
    ORDERS.labels("refused", error.code).inc()
    log.info("order_refused", order_id=item.order_id, symbol=item.symbol, code=error.code)
    refused = order_pb2.Refused(
        status=status_number(error),
        code=error.code,
        message=error.message,
        field=error.field,
        retry_after_s=error.retry_after_s or 0.0 if isinstance(error, Exhausted) else 0.0,
    )
    return order_pb2.SubmissionResult(order_id=item.order_id, refused=refused)


def _failed(item: order_pb2.OrderSubmission, error: Exception) -> order_pb2.SubmissionResult:
    error_id = str(uuid7())
    log.error("submission_failed", order_id=item.order_id, error_id=error_id, exc_info=error)
    known = HubError(f"Something went wrong on our side. Its id is {error_id}.", code="internal")
    return _refused(item, known)
