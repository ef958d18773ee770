"""/orders: checks what a request says by itself and mints the order's id. The order service decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

import msgspec

from hub.order.v1 import order_pb2
from hub_errors import Invalid, NotFound
from hub_gateway import codes, render
from hub_gateway.codec import NULL, Body, Schema, decimal, optional_decimal, printable
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Caller, Gate
from hub_gateway.limits import Rule
from hub_gateway.market_data import symbol
from hub_gateway.operation import PAGES, Operation, Parameter, Resource
from hub_gateway.pages import flag, page
from hub_gateway.peers import Peers
from hub_gateway.problems import Header
from hub_gateway.submissions import Submissions
from hub_gateway.types.common import PRINTABLE, AnyDecimal, OptionalDecimal, Symbol, described
from hub_gateway.types.orders import Order, OrderStatus, OrderType, OrderWithExecutions, Side, TimeInForce
from hub_gateway.types.orders import Orders as OrdersPage
from hub_money import to_text
from hub_rpc import calling_as
from hub_runtime import get_logger
from hub_runtime.ids import uuid7
from hub_runtime.tracing import current_traceparent

log = get_logger("orders")


class NewOrder(Body, frozen=True):
    """What to buy or sell. A LIMIT order needs a limit_price, a MARKET order has none."""

    symbol: Symbol
    side: Side
    type: OrderType
    quantity: AnyDecimal
    limit_price: OptionalDecimal = msgspec.field(default_factory=lambda: NULL)
    time_in_force: Annotated[
        TimeInForce,
        described("DAY is for the session, GTC until it is cancelled. DAY orders do not expire yet."),
    ] = "DAY"
    client_order_id: Annotated[
        str | None,
        described("A name of your own, unique for ever in your account.", pattern=PRINTABLE, maxLength=64),
    ] = None


_SIDE: Final = dict(order_pb2.Side.items())
_TYPE: Final = dict(order_pb2.OrderType.items())
_FORCE: Final = dict(order_pb2.TimeInForce.items())
_NEW_ORDER: Final[Schema[NewOrder]] = Schema(NewOrder)
SUBMIT_PROBLEMS: Final = codes.together(
    codes.NUMBERS,
    {
        400: (
            "invalid_symbol",
            "price_required",
            "price_not_allowed",
            "invalid_length",
            "invalid_characters",
            "invalid_idempotency_key",
            "tick_size",
            "lot_size",
            "quantity_too_small",
            "quantity_too_large",
        ),
        409: ("idempotency_key_reused", "client_order_id_taken", "order_id_taken", "order_abandoned"),
        422: (
            "unknown_symbol",
            "not_tradable",
            "halted",
            "market_data_stale",
            "price_out_of_band",
            "value_too_large",
            "insufficient_funds",
            "insufficient_shares",
            "account_closed",
            "account_restricted",
            "account_reducing",
            "account_halted",
            "hold_refused",
        ),
        429: ("queue_full",),
        503: (
            "in_doubt",
            "not_sent",
            "order_in_flight",
            "order_collided",
            "account_not_opened",
            "market_data_unavailable",
        ),
    },
)
IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    description="Your name for the request, new for each order. Makes it repeatable for 24 hours: "
    "the first answer comes again.",
    schema={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"},
)
ACCEPTED_HEADERS: Final = {
    "Location": "Where the order can be read.",
    "Idempotency-Replayed": "true, where this is the first answer once more.",
}
OPEN_ONLY: Final = Parameter(
    name="open_only",
    description="Only orders that have not ended.",
    schema={"type": "boolean", "default": False},
)


class Orders:
    def __init__(self, *, peers: Peers, gate: Gate, submissions: Submissions, pace: Rule) -> None:
        self._order = peers.order
        self._gate = gate
        self._submissions = submissions
        self._pace = pace

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/orders", GET=self._list(), POST=self._submit()),
            Resource("/api/v1/orders/{order_id}", GET=self._one()),
            Resource("/api/v1/orders/{order_id}/status", GET=self._status()),
            Resource("/api/v1/orders/{order_id}/cancel", PUT=self._cancel()),
        ]

    def _submit(self) -> Operation:
        return Operation(
            handler=self.submit,
            summary="Send an order",
            tag="orders",
            description="202: the order is durable, and will be executed or end with a reason.",
            body=NewOrder,
            example={"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "10"},
            headers=(IDEMPOTENCY_KEY,),
            answers={202: Order},
            answer_headers=ACCEPTED_HEADERS,
            problems=SUBMIT_PROBLEMS,
        )

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="Your orders, newest first",
            tag="orders",
            query=(*PAGES, OPEN_ONLY),
            answers={200: OrdersPage},
        )

    def _one(self) -> Operation:
        return Operation(
            handler=self.one,
            summary="An order and its executions",
            tag="orders",
            answers={200: OrderWithExecutions},
            problems={404: ("order_not_found",)},
        )

    def _status(self) -> Operation:
        return Operation(
            handler=self.status,
            summary="What changes of an order",
            tag="orders",
            answers={200: OrderStatus},
            problems={404: ("order_not_found",)},
        )

    def _cancel(self) -> Operation:
        return Operation(
            handler=self.cancel,
            summary="Cancel an order",
            tag="orders",
            answers={200: Order},
            problems={404: ("order_not_found",), 422: ("order_final",)},
        )

    async def submit(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        body = _NEW_ORDER.read(await request.json())
        accepted = await send(self._submissions, body, caller=caller, request=request)
        headers = accepted_headers(accepted, path="/api/v1/orders")
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
        return answer(OrdersPage(orders=orders, next_page_token=found.next_page_token or None))

    async def one(self, request: Request) -> Response:
        found = await self._get(request)
        executions = [render.execution(execution) for execution in found.executions]
        return answer(OrderWithExecutions(order=render.order(found.order), executions=executions))

    async def status(self, request: Request) -> Response:
        found = await self._get(request)
        return answer(render.order_status(found.order))

    async def cancel(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request, self._pace)
        wanted = order_pb2.CancelOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            cancelled = await self._order.CancelOrder(wanted)
        return answer(render.order(cancelled.order))

    async def _get(self, request: Request) -> order_pb2.GetOrderResponse:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.GetOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            return await self._order.GetOrder(wanted)


async def send(
    submissions: Submissions, body: NewOrder, *, caller: Caller, request: Request
) -> order_pb2.Accepted:
    """The one way that every order takes, whatever shape it came in."""
    key = idempotency_key(request.header("idempotency-key"))
    accepted = await submissions.submit(submission(body, caller=caller, key=key))
    log.info("order_answered", order_id=accepted.order.order_id, repeated=accepted.repeated_answer)
    return accepted


def accepted_headers(accepted: order_pb2.Accepted, *, path: str) -> Sequence[Header]:
    """Where the order is, and whether this was answered before."""
    headers: list[Header] = [(b"location", f"{path}/{accepted.order.order_id}".encode())]
    if accepted.repeated_answer:
        headers.append((b"idempotency-replayed", b"true"))
    return headers


def submission(body: NewOrder, *, caller: Caller, key: str) -> order_pb2.OrderSubmission:
    """The order as it goes to the order service, under the id it keeps whatever happens."""
    quantity = decimal(body.quantity, field="quantity")
    limit_price = _limit_price(body)
    message = order_pb2.OrderSubmission(
        symbol=symbol(body.symbol),
        side=_SIDE[f"SIDE_{body.side}"],
        type=_TYPE[f"ORDER_TYPE_{body.type}"],
        time_in_force=_FORCE[f"TIME_IN_FORCE_{body.time_in_force}"],
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


def order_id(request: Request) -> str:
    text = request.parameter("order_id").lower()
    try:
        if str(UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise NotFound("There is no such order.", code="order_not_found")
