"""PATCH of an order and the close of a position: orders that come out of what there is already. As with new
ones, the gateway mints the order's id, and says so where it cannot learn what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_gateway import codes
from hub_gateway.codec import NULL, Body, Schema, decimal, optional_decimal
from hub_gateway.exchange import Request, Response
from hub_gateway.gate import Gate
from hub_gateway.limits import Rule
from hub_gateway.market_data import known_symbol, symbol_of_the_path
from hub_gateway.new_orders import (
    ACCEPTED_HEADERS,
    IDEMPOTENCY_KEY,
    ClientOrderId,
    TrailPercent,
    accepted_answer,
    idempotency_key,
    nothing,
    text,
    trail_percent_below_100,
)
from hub_gateway.operation import Operation, Resource
from hub_gateway.path_ids import order_id
from hub_gateway.peers import Peers
from hub_gateway.resend import until_known
from hub_gateway.types.common import AnyDecimal, OptionalDecimal, described
from hub_gateway.types.orders import Order, TimeInForce
from hub_rpc import calling_as
from hub_runtime.ids import uuid7_text
from hub_texts import printable

HUNDRED: Final = Decimal(100)
TERMS: Final = ("quantity", "limit_price", "stop_price", "trail_amount", "trail_percent")


class Replacement(Body, frozen=True):
    """What is to change, at least one of these; what is left out stays."""

    quantity: Annotated[
        OptionalDecimal, described("The whole quantity, what is filled already included.", "10")
    ] = msgspec.field(default_factory=nothing)
    limit_price: OptionalDecimal = msgspec.field(default_factory=nothing)
    stop_price: OptionalDecimal = msgspec.field(default_factory=nothing)
    trail_amount: OptionalDecimal = msgspec.field(default_factory=nothing)
    trail_percent: TrailPercent = msgspec.field(default_factory=nothing)
    time_in_force: TimeInForce | None = None
    client_order_id: ClientOrderId = None


class Closing(Body, frozen=True):
    """How much to sell: a quantity, or a percentage of what can be sold; neither: all of it. A null is
    refused, as whoever sends one may have meant a number."""

    quantity: AnyDecimal = msgspec.field(default_factory=nothing)
    percentage: Annotated[AnyDecimal, described("Of what can be sold, above 0 and at most 100.", "50")] = (
        msgspec.field(default_factory=nothing)
    )


_REPLACEMENT: Final[Schema[Replacement]] = Schema(Replacement)
_CLOSING: Final[Schema[Closing]] = Schema(Closing)
REPLACE_PROBLEMS: Final = codes.together(
    codes.NUMBERS,
    codes.NAMES,
    codes.PRICES,
    codes.REPLACING,
    codes.TERMS,
    codes.UNKNOWN,
    codes.HOLDS,
    codes.ACCEPTING,
)
CLOSE_PROBLEMS: Final = codes.together(
    codes.NUMBERS, codes.NAMES, codes.CLOSING, codes.TERMS, codes.HOLDS, codes.ACCEPTING
)


class Changes:
    def __init__(self, *, peers: Peers, gate: Gate, pace: Rule, timeout_s: float) -> None:
        self._order = peers.order
        self._gate = gate
        self._pace = pace
        self._timeout_s = timeout_s

    def resources(self) -> Sequence[Resource]:
        return [Resource("/api/v1/positions/{symbol}/close", POST=self._close())]

    def replacement(self) -> Operation:
        return Operation(
            handler=self.replace,
            summary="Replace an order",
            tag="orders",
            description="202: a new order is in the place of this one, which ends as REPLACED. The new order "
            "is for what is not filled yet, and queues anew, whatever changed. Where a venue has this order, "
            "both say `replace_requested` and the venue decides. Until then this one may still be filled; "
            "the new one is then for less, or ends as FAILED with NOT_REPLACED.",
            body=Replacement,
            examples={"price": {"limit_price": "400"}, "quantity": {"quantity": "5"}},
            headers=(IDEMPOTENCY_KEY,),
            answers={202: Order},
            answer_headers=ACCEPTED_HEADERS,
            problems=REPLACE_PROBLEMS,
        )

    def _close(self) -> Operation:
        return Operation(
            handler=self.close,
            summary="Sell a position, or a part of it, at the market",
            tag="portfolio",
            description="Without a body: all that can be sold, which is what no open order sells already. A "
            "percentage is rounded down to the lot, or to 8 places where the instrument trades in fractions.",
            body=Closing,
            body_optional=True,
            examples={"half": {"percentage": "50"}, "some": {"quantity": "5"}, "all": {}},
            headers=(IDEMPOTENCY_KEY,),
            answers={202: Order},
            answer_headers=ACCEPTED_HEADERS,
            problems=CLOSE_PROBLEMS,
        )

    async def replace(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        body = _REPLACEMENT.read(await request.json())
        wanted = replacement(body, order_id=order_id(request))
        wanted.idempotency_key = idempotency_key(request.header("idempotency-key"))
        wanted.new_order_id = uuid7_text()
        with calling_as(caller.token):
            done = await until_known(
                lambda timeout_s: self._order.ReplaceOrder(wanted, timeout=timeout_s),
                order_id=wanted.new_order_id,
                keyed=bool(wanted.idempotency_key),
                timeout_s=self._timeout_s,
            )
        return accepted_answer(done.accepted)

    async def close(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        content = await request.optional_json()
        wanted = closing(_CLOSING.read(content or b"{}"), symbol=known_symbol(request))
        wanted.idempotency_key = idempotency_key(request.header("idempotency-key"))
        wanted.order_id = uuid7_text()
        with calling_as(caller.token), symbol_of_the_path():
            done = await until_known(
                lambda timeout_s: self._order.ClosePosition(wanted, timeout=timeout_s),
                order_id=wanted.order_id,
                keyed=bool(wanted.idempotency_key),
                timeout_s=self._timeout_s,
            )
        return accepted_answer(done.accepted)


def replacement(body: Replacement, *, order_id: str) -> order_pb2.ReplaceOrderRequest:
    """What the body means; the ids are still to come."""
    numbers = {name: optional_decimal(getattr(body, name), field=name) for name in TERMS}
    trail_percent_below_100(numbers["trail_percent"])
    if numbers["trail_amount"] is not None and numbers["trail_percent"] is not None:
        sentence = "An order has one trail: an amount, or per cent."
        raise Invalid(sentence, code="trail_not_allowed", field="trail_percent")
    name = printable(body.client_order_id or "", field="client_order_id", longest=64)
    if not any(number is not None for number in numbers.values()) and not body.time_in_force and not name:
        raise Invalid("There is nothing to replace.", code="nothing_to_replace")
    force = body.time_in_force or "UNSPECIFIED"
    message = order_pb2.ReplaceOrderRequest(
        order_id=order_id,
        time_in_force=order_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{force}"),
        client_order_id=name,
        quantity=text(numbers["quantity"]),
        limit_price=text(numbers["limit_price"]),
        stop_price=text(numbers["stop_price"]),
        trail_amount=text(numbers["trail_amount"]),
        trail_percent=text(numbers["trail_percent"]),
    )
    terms = [getattr(message, name) for name in TERMS]
    message.body_hash = _hash("replace", order_id, *terms, message.time_in_force, name)
    return message


def closing(body: Closing, *, symbol: str) -> order_pb2.ClosePositionRequest:
    """What the body means; the ids are still to come."""
    quantity = _given(body.quantity, "quantity")
    percentage = _given(body.percentage, "percentage")
    if percentage is not None and (quantity is not None or percentage > HUNDRED):
        sentence = "percentage is at most 100, and stands instead of quantity."
        raise Invalid(sentence, code="invalid_percentage", field="percentage")
    message = order_pb2.ClosePositionRequest(
        symbol=symbol, quantity=text(quantity), percentage=text(percentage)
    )
    message.body_hash = _hash("close", symbol, message.quantity, message.percentage)
    return message


def _given(raw: msgspec.Raw, field: str) -> Decimal | None:
    return None if raw is NULL else decimal(raw, field=field)


def _hash(*meaning: str | int) -> bytes:
    """Of what a request means; it begins with a word, so that no request has the hash of another kind."""
    return hashlib.sha256(msgspec.json.encode(meaning)).digest()
