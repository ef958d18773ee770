"""Bars and corporate actions."""

from __future__ import annotations

from hub.market_data.v1 import market_data_pb2 as pb
from hub_errors import Invalid
from hub_market_data.domain.actions import ActionType, Adjustment, CorporateAction
from hub_market_data.domain.bars import Bar, Timeframe
from hub_market_data.mapping.times import timestamp
from hub_money import to_text

_TIMEFRAMES = {
    pb.TIMEFRAME_1MIN: Timeframe.MINUTE,
    pb.TIMEFRAME_5MIN: Timeframe.FIVE_MINUTES,
    pb.TIMEFRAME_15MIN: Timeframe.QUARTER_HOUR,
    pb.TIMEFRAME_30MIN: Timeframe.HALF_HOUR,
    pb.TIMEFRAME_1HOUR: Timeframe.HOUR,
    pb.TIMEFRAME_1DAY: Timeframe.DAY,
    pb.TIMEFRAME_1WEEK: Timeframe.WEEK,
    pb.TIMEFRAME_1MONTH: Timeframe.MONTH,
}
_ADJUSTMENTS = {
    pb.ADJUSTMENT_UNSPECIFIED: Adjustment.RAW,
    pb.ADJUSTMENT_RAW: Adjustment.RAW,
    pb.ADJUSTMENT_SPLIT: Adjustment.SPLIT,
    pb.ADJUSTMENT_DIVIDEND: Adjustment.DIVIDEND,
    pb.ADJUSTMENT_ALL: Adjustment.ALL,
}
_ACTION_TYPES = {
    ActionType.SPLIT: pb.CORPORATE_ACTION_TYPE_SPLIT,
    ActionType.DIVIDEND: pb.CORPORATE_ACTION_TYPE_DIVIDEND,
}


def bar_to_proto(bar: Bar) -> pb.Bar:
    return pb.Bar(
        starts_at=timestamp(bar.starts_at),
        open=to_text(bar.open),
        high=to_text(bar.high),
        low=to_text(bar.low),
        close=to_text(bar.close),
        volume=to_text(bar.volume),
    )


def action_to_proto(action: CorporateAction) -> pb.CorporateAction:
    return pb.CorporateAction(
        symbol=action.symbol,
        type=_ACTION_TYPES[action.type],
        ex_date=action.ex_date.isoformat(),
        ratio=to_text(action.ratio) if action.ratio is not None else "",
        amount=to_text(action.amount) if action.amount is not None else "",
        currency=action.currency or "",
        status=_status(action),
    )


def read_action_type(number: pb.CorporateActionType.ValueType) -> ActionType:
    """Raises Invalid for one that is not said or has no name."""
    for action_type, known in _ACTION_TYPES.items():
        if known == number:
            return action_type
    raise Invalid("An action is a split or a dividend.", code="invalid_action_type", field="type")


def _status(action: CorporateAction) -> pb.CorporateActionStatus.ValueType:
    if not action.added:
        return pb.CORPORATE_ACTION_STATUS_HISTORY
    if action.applied_at is not None:
        return pb.CORPORATE_ACTION_STATUS_APPLIED
    if action.effective_at is not None:
        return pb.CORPORATE_ACTION_STATUS_EFFECTIVE
    return pb.CORPORATE_ACTION_STATUS_ANNOUNCED


def read_timeframe(number: pb.Timeframe.ValueType) -> Timeframe:
    """Raises Invalid for one that is not said or has no name."""
    if number not in _TIMEFRAMES:
        raise Invalid("There is no such timeframe.", code="invalid_timeframe", field="timeframe")
    return _TIMEFRAMES[number]


def read_adjustment(number: pb.Adjustment.ValueType) -> Adjustment:
    """Raises Invalid for one that has no name; not said is raw."""
    if number not in _ADJUSTMENTS:
        raise Invalid("There is no such adjustment.", code="invalid_adjustment", field="adjustment")
    return _ADJUSTMENTS[number]
