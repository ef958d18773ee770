"""What callers ask for, as values. What they sent wrong is refused here, with the field's name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_errors.page_tokens import invalid_page_token
from hub_money import parse_decimal
from hub_order.domain import HUNDRED, OPEN, Side, Status, TimeInForce
from hub_order.mapping.words import SIDES, STATUS_WORDS, TIMES_IN_FORCE, TYPES
from hub_order.risk import Draft
from hub_postgres import Uuid
from hub_runtime import utc_time

E = TypeVar("E", bound=StrEnum)

MOST_KEY = 255
MOST_NAME = 128
MOST_SYMBOL = 32
MOST_PERCENT = HUNDRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A well-formed order of a caller who is still to be verified."""

    order_id: UUID
    access_token: str
    draft: Draft
    client_order_id: str
    idempotency_key: str
    body_hash: bytes
    deadline: datetime | None
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What is to change of an order; None: it stays."""

    order_id: UUID
    new_order_id: UUID
    quantity: Decimal | None
    """The whole quantity, with what is filled already."""
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    time_in_force: TimeInForce | None
    client_order_id: str
    idempotency_key: str
    body_hash: bytes

    @property
    def given(self) -> dict[str, Decimal | TimeInForce]:
        """The terms that the caller sent, by their names."""
        terms: dict[str, Decimal | TimeInForce | None] = {
            "quantity": self.quantity,
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "trail_amount": self.trail_amount,
            "trail_percent": self.trail_percent,
            "time_in_force": self.time_in_force,
        }
        return {name: term for name, term in terms.items() if term is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """How much of a position is to be sold: a quantity, or a share of what can be sold in per cent."""

    order_id: UUID
    symbol: str
    quantity: Decimal | None
    percentage: Decimal | None
    idempotency_key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which orders of an account; None: any."""

    statuses: frozenset[Status] | None = None
    side: Side | None = None
    symbol: str | None = None
    accepted_from: datetime | None = None
    accepted_before: datetime | None = None


def submission(item: order_pb2.OrderSubmission) -> Submission:
    draft = Draft(
        symbol=_text(item.symbol, field="symbol", longest=MOST_SYMBOL, required=True),
        side=_known(SIDES, item.side, field="side"),
        type=_known(TYPES, item.type, field="type"),
        time_in_force=_known(TIMES_IN_FORCE, item.time_in_force, field="time_in_force"),
        quantity=_number(item.quantity, field="quantity"),
        notional=_number(item.notional, field="notional"),
        limit_price=_number(item.limit_price, field="limit_price"),
        stop_price=_number(item.stop_price, field="stop_price"),
        trail_amount=_number(item.trail_amount, field="trail_amount"),
        trail_percent=_number(item.trail_percent, field="trail_percent"),
        extended_hours=item.extended_hours,
    )
    return Submission(
        order_id=uuid(item.order_id, field="order_id"),
        access_token=item.access_token,
        draft=draft,
        client_order_id=_text(item.client_order_id, field="client_order_id", longest=MOST_NAME),
        idempotency_key=_text(item.idempotency_key, field="idempotency_key", longest=MOST_KEY),
        body_hash=item.body_hash,
        deadline=utc_time(item.deadline.seconds, item.deadline.nanos) if item.HasField("deadline") else None,
        traceparent=item.traceparent,
    )


def replacement(request: order_pb2.ReplaceOrderRequest) -> Replacement:
    kept = request.time_in_force == order_pb2.TIME_IN_FORCE_UNSPECIFIED
    return Replacement(
        order_id=uuid(request.order_id, field="order_id"),
        new_order_id=uuid(request.new_order_id, field="new_order_id"),
        quantity=_number(request.quantity, field="quantity"),
        limit_price=_number(request.limit_price, field="limit_price"),
        stop_price=_number(request.stop_price, field="stop_price"),
        trail_amount=_number(request.trail_amount, field="trail_amount"),
        trail_percent=_number(request.trail_percent, field="trail_percent"),
        time_in_force=None if kept else _known(TIMES_IN_FORCE, request.time_in_force, field="time_in_force"),
        client_order_id=_text(request.client_order_id, field="client_order_id", longest=MOST_NAME),
        idempotency_key=_text(request.idempotency_key, field="idempotency_key", longest=MOST_KEY),
        body_hash=request.body_hash,
    )


def closing(request: order_pb2.ClosePositionRequest) -> Close:
    if request.quantity and request.percentage:
        raise Invalid("Give quantity or percentage, not both.", code="invalid_percentage", field="percentage")
    percentage = _number(request.percentage, field="percentage")
    if percentage is not None and percentage > MOST_PERCENT:
        raise Invalid("percentage is at most 100.", code="invalid_percentage", field="percentage")
    return Close(
        order_id=uuid(request.order_id, field="order_id"),
        symbol=_text(request.symbol, field="symbol", longest=MOST_SYMBOL, required=True),
        quantity=_number(request.quantity, field="quantity"),
        percentage=MOST_PERCENT if not request.quantity and percentage is None else percentage,
        idempotency_key=_text(request.idempotency_key, field="idempotency_key", longest=MOST_KEY),
        body_hash=request.body_hash,
    )


def order_filter(request: order_pb2.ListOrdersRequest) -> Filter:
    statuses = frozenset(_known(STATUS_WORDS, number, field="statuses") for number in request.statuses)
    if request.open_only:
        statuses = statuses & OPEN if statuses else OPEN
    narrowed = bool(request.statuses) or request.open_only
    return Filter(
        statuses=statuses if narrowed else None,
        side=_known(SIDES, request.side, field="side") if request.side else None,
        symbol=_text(request.symbol, field="symbol", longest=MOST_SYMBOL) or None,
        accepted_from=request.accepted_from.ToDatetime(UTC) if request.HasField("accepted_from") else None,
        accepted_before=request.accepted_before.ToDatetime(UTC)
        if request.HasField("accepted_before")
        else None,
    )


@lru_cache(50_000)
def id_of(text: str) -> UUID:
    """An id out of a verified token: of the few that keep coming back."""
    return Uuid(text)


def uuid(text: str, *, field: str) -> UUID:
    try:
        return Uuid(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def page_token(order_id: UUID) -> str:
    return base64.urlsafe_b64encode(order_id.bytes).rstrip(b"=").decode()


def page_start(token: str) -> UUID | None:
    """The last order of the page before; None for the first page."""
    if not token:
        return None
    try:
        return UUID(bytes=base64.b64decode(token + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise invalid_page_token() from None


def _number(text: str, *, field: str) -> Decimal | None:
    return parse_decimal(text, field=field) if text else None


def _known(values: Mapping[int, E], number: int, *, field: str) -> E:
    found = values.get(number)
    if found is None:
        choices = ", ".join(dict.fromkeys(values.values()))
        raise Invalid(f"{field} must be one of {choices}.", code="invalid_choice", field=field)
    return found


def _text(value: str, *, field: str, longest: int, required: bool = False) -> str:
    if required and not value:
        raise Invalid(f"{field} is required.", code="required", field=field)
    if len(value) > longest or not value.isprintable():
        raise Invalid(
            f"{field} must be at most {longest} printable characters.", code="invalid_text", field=field
        )
    return value
