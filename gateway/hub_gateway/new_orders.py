"""POST /orders: checks what a request says by itself and mints the order's id. The order service decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_gateway import codes, render_orders
from hub_gateway.codec import NULL, Body, Schema, optional_decimal
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Caller, Gate
from hub_gateway.limits import Rule
from hub_gateway.market_data import symbol
from hub_gateway.operation import Operation, Parameter
from hub_gateway.problems import Header
from hub_gateway.submissions import Submissions
from hub_gateway.types.common import PRINTABLE, OptionalDecimal, Symbol, described
from hub_gateway.types.orders import Order, OrderType, Side, TimeInForce
from hub_money import to_text
from hub_runtime import get_logger
from hub_runtime.ids import uuid7_text
from hub_runtime.tracing import current_traceparent
from hub_texts import printable

log = get_logger("orders")


def nothing() -> msgspec.Raw:
    """What an optional decimal is where it is left out."""
    return NULL


ClientOrderId = Annotated[
    str | None,
    described("A name of your own, unique for ever in your account.", pattern=PRINTABLE, maxLength=64),
]
TrailPercent = Annotated[
    OptionalDecimal, described("How far the stop follows the market's best, in per cent: below 100.", "2.5")
]


class NewOrder(Body, frozen=True):
    """What to buy or sell. It has a `quantity`, or (a MARKET order only) a `notional`. LIMIT and STOP_LIMIT
    have a `limit_price`; STOP_LOSS and STOP_LIMIT a `stop_price`; a TRAILING_STOP has a `trail_amount` or a
    `trail_percent`. None of these goes with another type."""

    symbol: Symbol
    side: Side
    type: OrderType
    quantity: OptionalDecimal = msgspec.field(default_factory=nothing)
    notional: Annotated[
        OptionalDecimal, described("Cash to spend or to get at the market, instead of a quantity.", "250")
    ] = msgspec.field(default_factory=nothing)
    limit_price: OptionalDecimal = msgspec.field(default_factory=nothing)
    stop_price: Annotated[
        OptionalDecimal,
        described("Sets the order off: a sale when the ask is there or below, a purchase when the bid is."),
    ] = msgspec.field(default_factory=nothing)
    trail_amount: Annotated[
        OptionalDecimal, described("How far the stop follows the market's best, in money.", "5")
    ] = msgspec.field(default_factory=nothing)
    trail_percent: TrailPercent = msgspec.field(default_factory=nothing)
    time_in_force: Annotated[
        TimeInForce,
        described(
            "DAY is for the session (the next one, while the market is closed; with extended_hours for those "
            "of its day), GTC until it is cancelled, "
            "IOC for what there is at once, FOK for all of it at once or nothing."
        ),
    ] = "DAY"
    extended_hours: Annotated[
        bool,
        described(
            "Whether it works before the session opens and after it closes too, where that is offered: "
            "LIMIT orders, DAY or GTC, in what does not trade always."
        ),
    ] = False
    client_order_id: ClientOrderId = None


_SIDE: Final = dict(order_pb2.Side.items())
_TYPE: Final = dict(order_pb2.OrderType.items())
_FORCE: Final = dict(order_pb2.TimeInForce.items())
_NEW_ORDER: Final[Schema[NewOrder]] = Schema(NewOrder)
_BUY: Final = {"symbol": "AAPL", "side": "BUY"}
_SELL: Final = {"symbol": "AAPL", "side": "SELL", "quantity": "1", "time_in_force": "GTC"}
EXAMPLES: Final = {
    "market": {**_BUY, "type": "MARKET", "quantity": "10"},
    "cash": {**_BUY, "type": "MARKET", "notional": "250"},
    "limit": {**_BUY, "type": "LIMIT", "quantity": "1", "limit_price": "400", "time_in_force": "GTC"},
    "stop loss": {**_SELL, "type": "STOP_LOSS", "stop_price": "380"},
    "stop limit": {**_SELL, "type": "STOP_LIMIT", "stop_price": "380", "limit_price": "375"},
    "trailing stop": {**_SELL, "type": "TRAILING_STOP", "trail_percent": "5"},
}
SUBMIT_PROBLEMS: Final = codes.together(
    codes.NUMBERS,
    codes.NAMES,
    codes.AMOUNTS,
    codes.PRICES,
    codes.TERMS,
    codes.UNKNOWN,
    codes.HOLDS,
    codes.ACCEPTING,
    {400: ("invalid_symbol",)},
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
PATH: Final = "/api/v1/orders"
# What the body hash has always covered; what came later is in it only where it is there, so that an order
# without it keeps its hash.
_FIRST: Final = (
    "symbol",
    "side",
    "type",
    "time_in_force",
    "quantity",
    "limit_price",
    "client_order_id",
)
_LATER: Final = ("stop_price", "trail_amount", "trail_percent", "notional", "extended_hours")
_LIMITED: Final = frozenset({"LIMIT", "STOP_LIMIT"})
_AT_ONCE: Final = frozenset({"IOC", "FOK"})
_STOPPED: Final = frozenset({"STOP_LOSS", "STOP_LIMIT"})


class NewOrders:
    def __init__(self, *, gate: Gate, submissions: Submissions, pace: Rule) -> None:
        self._gate = gate
        self._submissions = submissions
        self._pace = pace

    def operation(self) -> Operation:
        return Operation(
            handler=self.submit,
            summary="Send an order",
            tag="orders",
            description="202: the order is durable, and will be executed or end with a reason.",
            body=NewOrder,
            examples=EXAMPLES,
            headers=(IDEMPOTENCY_KEY,),
            answers={202: Order},
            answer_headers=ACCEPTED_HEADERS,
            problems=SUBMIT_PROBLEMS,
        )

    async def submit(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        body = _NEW_ORDER.read(await request.json())
        accepted = await send(self._submissions, body, caller=caller, request=request)
        return accepted_answer(accepted)


async def send(
    submissions: Submissions, body: NewOrder, *, caller: Caller, request: Request
) -> order_pb2.Accepted:
    """The one way that every new order takes, whatever shape it came in."""
    key = idempotency_key(request.header("idempotency-key"))
    accepted = await submissions.submit(submission(body, caller=caller, key=key))
    log.info("order_answered", order_id=accepted.order.order_id, repeated=accepted.repeated_answer)
    return accepted


def accepted_answer(accepted: order_pb2.Accepted) -> Response:
    """202 with the order, and where it is."""
    headers = accepted_headers(accepted, path=PATH)
    return answer(render_orders.order(accepted.order), status=202, headers=headers)


def accepted_headers(accepted: order_pb2.Accepted, *, path: str) -> Sequence[Header]:
    """Where the order is, and whether this was answered before."""
    headers: list[Header] = [(b"location", f"{path}/{accepted.order.order_id}".encode())]
    if accepted.repeated_answer:
        headers.append((b"idempotency-replayed", b"true"))
    return headers


def submission(body: NewOrder, *, caller: Caller, key: str) -> order_pb2.OrderSubmission:
    """The order as it goes to the order service, under the id it keeps whatever happens."""
    numbers = {
        name: optional_decimal(getattr(body, name), field=name)
        for name in ("quantity", "notional", "limit_price", "stop_price", "trail_amount", "trail_percent")
    }
    _check(body, numbers)
    message = order_pb2.OrderSubmission(
        symbol=symbol(body.symbol),
        side=_SIDE[f"SIDE_{body.side}"],
        type=_TYPE[f"ORDER_TYPE_{body.type}"],
        time_in_force=_FORCE[f"TIME_IN_FORCE_{body.time_in_force}"],
        client_order_id=printable(body.client_order_id or "", field="client_order_id", longest=64),
        extended_hours=body.extended_hours,
        quantity=text(numbers["quantity"]),
        notional=text(numbers["notional"]),
        limit_price=text(numbers["limit_price"]),
        stop_price=text(numbers["stop_price"]),
        trail_amount=text(numbers["trail_amount"]),
        trail_percent=text(numbers["trail_percent"]),
    )
    message.body_hash = body_hash(message)
    message.order_id = uuid7_text()
    message.access_token = caller.token
    message.idempotency_key = key
    message.traceparent = current_traceparent()
    return message


def body_hash(message: order_pb2.OrderSubmission) -> bytes:
    """Of what the request means, not of its text: "1.0" and 1 are the same order."""
    meaning = [getattr(message, name) for name in _FIRST]
    meaning += [[name, getattr(message, name)] for name in _LATER if getattr(message, name)]
    return hashlib.sha256(msgspec.json.encode(meaning)).digest()


def text(number: Decimal | None) -> str:
    return "" if number is None else to_text(number)


def idempotency_key(header: str | None) -> str:
    """The key, or nothing where the caller chose none."""
    if header is None:
        return ""
    if not (1 <= len(header) <= 255 and header.isascii() and header.isprintable()):
        sentence = "Idempotency-Key must have 1 to 255 printable ASCII characters."
        raise Invalid(sentence, code="invalid_idempotency_key", field="Idempotency-Key")
    return header


def trail_percent_below_100(percent: Decimal | None) -> None:
    if percent is not None and percent >= 100:
        sentence = "trail_percent must be below 100."
        raise Invalid(sentence, code="trail_too_large", field="trail_percent")


def _check(body: NewOrder, numbers: Mapping[str, Decimal | None]) -> None:
    """What goes with what."""
    by_cash = numbers["notional"] is not None
    if by_cash and (body.type != "MARKET" or numbers["quantity"] is not None):
        sentence = "Only a MARKET order may have a notional, instead of a quantity."
        raise Invalid(sentence, code="notional_not_allowed", field="notional")
    if not by_cash and numbers["quantity"] is None:
        needed = "a quantity or a notional" if body.type == "MARKET" else "a quantity"
        sentence = f"A {body.type} order needs {needed}."
        raise Invalid(sentence, code="quantity_required", field="quantity")
    limited, stopped = body.type in _LIMITED, body.type in _STOPPED
    if limited != (numbers["limit_price"] is not None):
        code = "price_required" if limited else "price_not_allowed"
        raise Invalid(_mismatch(body, "limit_price", needed=limited), code=code, field="limit_price")
    if stopped != (numbers["stop_price"] is not None):
        code = "stop_required" if stopped else "stop_not_allowed"
        raise Invalid(_mismatch(body, "stop_price", needed=stopped), code=code, field="stop_price")
    _check_trail(body, numbers)
    if body.extended_hours and (body.type != "LIMIT" or body.time_in_force in _AT_ONCE):
        sentence = "Only LIMIT orders that are DAY or GTC work outside of the regular session."
        raise Invalid(sentence, code="extended_hours_not_allowed", field="extended_hours")


def _check_trail(body: NewOrder, numbers: Mapping[str, Decimal | None]) -> None:
    trailing = body.type == "TRAILING_STOP"
    trails = [name for name in ("trail_amount", "trail_percent") if numbers[name] is not None]
    if trailing and not trails:
        sentence = "A TRAILING_STOP order needs a trail_amount or a trail_percent."
        raise Invalid(sentence, code="trail_required", field="trail_amount")
    if len(trails) > int(trailing):
        sentence = "A TRAILING_STOP order has one trail, other orders have none."
        raise Invalid(sentence, code="trail_not_allowed", field=trails[-1])
    trail_percent_below_100(numbers["trail_percent"])


def _mismatch(body: NewOrder, name: str, *, needed: bool) -> str:
    return f"A {body.type} order {'needs a' if needed else 'has no'} {name}."
