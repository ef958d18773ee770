"""Holds <-> messages."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_money import parse_decimal, to_text
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.hold import UnconfirmedHold
from hub_position.domain.placing import HUNDRED, HoldAnswer, HoldRequest
from hub_position.domain.trade import Side
from hub_position.mapping.values import WIRE_SIDES, read_side, read_uuid

ZERO = Decimal(0)


def read_hold_request(message: position_pb2.HoldRequest, fees: FeeSchedule) -> HoldRequest:
    side = read_side(message.side)
    if side is Side.SELL and message.unit_price:
        raise Invalid("A SELL has no unit price.", code="unit_price_on_sell", field="unit_price")
    if not 1 <= len(message.symbol) <= 32:
        raise Invalid("symbol must have 1 to 32 characters.", code="invalid_symbol", field="symbol")
    if len(message.idempotency_key) > 255:
        raise Invalid("idempotency_key is too long.", code="too_long", field="idempotency_key")
    percentage = _percentage(message, side)
    unit_price = parse_decimal(message.unit_price, field="unit_price") if side is Side.BUY else ZERO
    if message.by_value and unit_price != 1:
        raise Invalid("By value is for a BUY at a unit price of 1.", code="not_by_value", field="by_value")
    return HoldRequest(
        hold_id=read_uuid(message.hold_id, "hold_id"),
        order_id=read_uuid(message.order_id, "order_id"),
        account_id=read_uuid(message.account_id, "account_id"),
        user_id=read_uuid(message.user_id, "user_id"),
        side=side,
        symbol=message.symbol,
        quantity=ZERO if percentage is not None else parse_decimal(message.quantity, field="quantity"),
        unit_price=unit_price,
        idempotency_key=message.idempotency_key,
        percentage=percentage,
        lot_size=parse_decimal(message.lot_size, field="lot_size") if message.lot_size else None,
        by_value=message.by_value,
        replaced_hold_id=(
            read_uuid(message.replaced_hold_id, "replaced_hold_id") if message.replaced_hold_id else None
        ),
        replaced_filled_quantity=_optional(message.replaced_filled_quantity, "replaced_filled_quantity"),
        replaced_may_fill=message.replaced_may_fill,
        most_position=_optional(message.most_position, "most_position"),
        fee_rate=fees.rate(message.asset_class) if message.asset_class else None,
    )


def _percentage(message: position_pb2.HoldRequest, side: Side) -> Decimal | None:
    if not message.percentage:
        return None
    if side is Side.BUY or message.quantity or message.replaced_hold_id:
        raise Invalid(
            "A percentage is for a SELL, instead of a quantity.",
            code="percentage_not_allowed",
            field="percentage",
        )
    percentage = parse_decimal(message.percentage, field="percentage")
    if percentage > HUNDRED:
        raise Invalid("percentage must be at most 100.", code="too_large", field="percentage")
    return percentage


def _optional(text: str, field: str) -> Decimal | None:
    """Zero is a number here."""
    if not text:
        return None
    value = parse_decimal(text, field=field, positive=False)
    if value < 0:
        raise Invalid(f"{field} must not be negative.", code="negative", field=field)
    return value


def read_hold_price(message: position_pb2.HoldPrice) -> tuple[UUID, Decimal]:
    return read_uuid(message.hold_id, "hold_id"), parse_decimal(message.unit_price, field="unit_price")


def hold_result(answer: HoldAnswer) -> position_pb2.HoldResult:
    return position_pb2.HoldResult(
        hold_id=str(answer.hold_id),
        granted=answer.granted,
        standing_hold_id="" if answer.standing_hold_id is None else str(answer.standing_hold_id),
        code=answer.code,
        available="" if answer.available is None else to_text(answer.available),
        required="" if answer.required is None else to_text(answer.required),
        quantity="" if answer.quantity is None else to_text(answer.quantity),
        unit_price="" if answer.unit_price is None else to_text(answer.unit_price),
    )


def unconfirmed_hold(found: UnconfirmedHold) -> position_pb2.UnconfirmedHold:
    return position_pb2.UnconfirmedHold(
        hold_id=str(found.hold.hold_id),
        order_id=str(found.hold.order_id),
        account_id=str(found.hold.account_id),
        user_id=str(found.user_id),
        side=WIRE_SIDES[found.hold.side],
        symbol=found.hold.symbol,
        quantity=to_text(found.hold.quantity),
    )
