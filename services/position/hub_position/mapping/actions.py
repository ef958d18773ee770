"""Corporate actions <-> messages."""

from __future__ import annotations

from decimal import Decimal

from hub.position.v1 import corporate_actions_pb2
from hub_errors import Invalid
from hub_money import parse_decimal
from hub_position.domain.actions import ActionType, CorporateAction, Progress
from hub_position.mapping.values import read_time, read_uuid


def read_action(message: corporate_actions_pb2.ApplyCorporateActionRequest) -> CorporateAction:
    """Raises Invalid for what is neither a split nor a dividend, or both."""
    if bool(message.ratio) == bool(message.amount):
        raise Invalid("An action has a ratio or an amount.", code="invalid_action", field="ratio")
    if not message.symbol:
        raise Invalid("symbol is missing.", code="missing", field="symbol")
    split = bool(message.ratio)
    return CorporateAction(
        action_id=read_uuid(message.action_id, "action_id"),
        symbol=message.symbol,
        type=ActionType.SPLIT if split else ActionType.DIVIDEND,
        number=parse_decimal(message.ratio or message.amount, field="ratio" if split else "amount"),
        effective_at=read_time(message.effective_at, "effective_at"),
        lieu_price=_lieu_price(message) if split else None,
    )


def _lieu_price(message: corporate_actions_pb2.ApplyCorporateActionRequest) -> Decimal | None:
    if not message.cash_in_lieu_price:
        return None
    return parse_decimal(message.cash_in_lieu_price, field="cash_in_lieu_price")


def action_progress(progress: Progress) -> corporate_actions_pb2.ApplyCorporateActionResponse:
    return corporate_actions_pb2.ApplyCorporateActionResponse(
        open_holds=progress.open_holds,
        accounts=progress.accounts,
        left=progress.left,
        done=progress.done,
    )
