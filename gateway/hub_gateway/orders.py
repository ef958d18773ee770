"""/orders: checks what a request says by itself and mints the order's id. The order service decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import msgspec

from hub.order.v1 import order_pb2
from hub_errors import Invalid, NotFound
from hub_gateway import render
from hub_gateway.codec import NULL, Body, Schema, decimal, optional_decimal, printable
from hub_gateway.exchange import Request, Resource, Response, answer
from hub_gateway.gate import Caller, Gate
from hub_gateway.limits import Rule
from hub_gateway.market_data import symbol
from hub_gateway.pages import flag, page
from hub_gateway.peers import Peers
from hub_gateway.problems import Header
from hub_gateway.submissions import Submissions
from hub_money import to_text
from hub_rpc import calling_as
from hub_runtime import get_logger
from hub_runtime.ids import uuid7
from hub_runtime.tracing import current_traceparent

log = get_logger("orders")


class NewOrder(Body, frozen=True):
    symbol: str
    side: Literal["BUY", "SELL"]
    type: Literal["MARKET", "LIMIT"]
    quantity: msgspec.Raw
    limit_price: msgspec.Raw = NULL
    time_in_force: Literal["DAY", "GTC"] = "DAY"
    client_order_id: str | None = None


_NEW_ORDER: Final[Schema[NewOrder]] = Schema(NewOrder)


class Orders:
    def __init__(self, *, peers: Peers, gate: Gate, submissions: Submissions, pace: Rule) -> None:
        self._order = peers.order
        self._gate = gate
        self._submissions = submissions
        self._pace = pace

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/orders", GET=self.list, POST=self.submit),
            Resource("/api/v1/orders/{order_id}", GET=self.one),
            Resource("/api/v1/orders/{order_id}/status", GET=self.status),
            Resource("/api/v1/orders/{order_id}/cancel", PUT=self.cancel),
        ]

    async def submit(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        body = _NEW_ORDER.read(await request.json())
        accepted = await self._submissions.submit(
            submission(body, caller=caller, key=idempotency_key(request.header("idempotency-key")))
        )
        log.info("order_answered", order_id=accepted.order.order_id, repeated=accepted.repeated_answer)
        headers: list[Header] = [(b"location", f"/api/v1/orders/{accepted.order.order_id}".encode())]
        if accepted.repeated_answer:
            headers.append((b"idempotency-replayed", b"true"))
        return answer(render.order(accepted.order), status=202, headers=headers)

    async def list(self, request: Request) -> Response:
        query = request.query("page_size", "page_token", "open_only")
        size, token = page(query)
        wanted = order_pb2.ListOrdersRequest(
            page_size=size, page_token=token, open_only=flag(query, "open_only")
        )
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._order.ListOrders(wanted)
        orders = [render.order(order) for order in found.orders]
        return answer({"orders": orders, "next_page_token": found.next_page_token or None})

    async def one(self, request: Request) -> Response:
        found = await self._get(request)
        executions = [render.execution(execution) for execution in found.executions]
        return answer({"order": render.order(found.order), "executions": executions})

    async def status(self, request: Request) -> Response:
        found = await self._get(request)
        return answer(render.order_status(found.order))

    async def cancel(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request, self._pace)
        wanted = order_pb2.CancelOrderRequest(order_id=_order_id(request))
        with calling_as(caller.token):
            cancelled = await self._order.CancelOrder(wanted)
        return answer(render.order(cancelled.order))

    async def _get(self, request: Request) -> order_pb2.GetOrderResponse:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.GetOrderRequest(order_id=_order_id(request))
        with calling_as(caller.token):
            return await self._order.GetOrder(wanted)


def submission(body: NewOrder, *, caller: Caller, key: str) -> order_pb2.OrderSubmission:
    """The order as it goes to the order service, under the id it keeps whatever happens."""
    quantity = decimal(body.quantity, field="quantity")
    limit_price = _limit_price(body)
    message = order_pb2.OrderSubmission(
        symbol=symbol(body.symbol),
        side=order_pb2.Side.Value(f"SIDE_{body.side}"),
        type=order_pb2.OrderType.Value(f"ORDER_TYPE_{body.type}"),
        time_in_force=order_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{body.time_in_force}"),
        quantity=to_text(quantity),
        limit_price="" if limit_price is None else to_text(limit_price),
        client_order_id=printable(body.client_order_id or "", field="client_order_id", longest=64),
    )
    message.body_hash = body_hash(message)
    message.order_id = str(uuid7())
    message.access_token = caller.token
    message.idempotency_key = key
    message.traceparent = current_traceparent()
    return message


def body_hash(message: order_pb2.OrderSubmission) -> bytes:
    """Of what the request means, not of its text: "1.0" and 1 are the same order."""
    meaning = [message.symbol, message.side, message.type, message.time_in_force]
    meaning += [message.quantity, message.limit_price, message.client_order_id]
    return hashlib.sha256(msgspec.json.encode(meaning)).digest()


def _limit_price(body: NewOrder) -> Decimal | None:
    price = optional_decimal(body.limit_price, field="limit_price")
    if body.type == "LIMIT" and price is None:
        raise Invalid("A LIMIT order needs a limit_price.", code="price_required", field="limit_price")
    if body.type == "MARKET" and price is not None:
        raise Invalid("A MARKET order has no limit_price.", code="price_not_allowed", field="limit_price")
    return price


def idempotency_key(header: str | None) -> str:
    """The key, or nothing where the caller chose none."""
    if header is None:
        return ""
    if not (1 <= len(header) <= 255 and header.isascii() and header.isprintable()):
        sentence = "Idempotency-Key must have 1 to 255 printable ASCII characters."
        raise Invalid(sentence, code="invalid_idempotency_key", field="Idempotency-Key")
    return header


def _order_id(request: Request) -> str:
    text = request.parameter("order_id").lower()
    try:
        if str(UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise NotFound("There is no such order.", code="order_not_found")
