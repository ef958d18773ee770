"""Activities <-> messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hub.position.v1 import activities_pb2
from hub_errors.page_tokens import page_number, page_token
from hub_money import to_text
from hub_position.domain.activity import Activity, Fill, Shares, Wanted, read_kinds
from hub_position.domain.cuts import Cut, CutPosition
from hub_position.mapping.values import WIRE_SIDES, read_time, timestamp

LAST = 2**63 - 1
ACTIVITIES = "activity"  # what page tokens begin with


def read_wanted(request: activities_pb2.ListActivitiesRequest) -> Wanted:
    return Wanted(
        kinds=read_kinds(request.types),
        symbol=request.symbol,
        posted_from=_optional_time(request, "posted_from"),
        posted_before=_optional_time(request, "posted_before"),
    )


def read_until(request: activities_pb2.CutLedgerRequest) -> datetime | None:
    return _optional_time(request, "until")


def _optional_time(
    request: activities_pb2.ListActivitiesRequest | activities_pb2.CutLedgerRequest, name: str
) -> datetime | None:
    stamp: Timestamp = getattr(request, name)
    return read_time(stamp, name) if stamp.seconds else None


def activity(found: Activity) -> activities_pb2.Activity:
    message = activities_pb2.Activity(
        activity_id=found.activity_id,
        transaction_id=str(found.transaction_id),
        type=found.type,
        posted_at=timestamp(found.posted_at),
        symbol=found.symbol,
        net_amount=to_text(found.net_amount),
        settled=to_text(found.settled),
        cost=to_text(found.cost),
        realised_pnl=to_text(found.realised),
        fee=to_text(found.fee),
        dividend=to_text(found.dividend),
        fill=None if found.fill is None else _fill(found.fill),
        reason=found.reason,
    )
    if found.shares is not None:
        _tell_shares(message, found.shares)
    return message


def _tell_shares(message: activities_pb2.Activity, shares: Shares) -> None:
    message.quantity_before = to_text(shares.before)
    message.quantity_after = to_text(shares.after)
    message.ratio = "" if shares.ratio is None else to_text(shares.ratio)


def activities_page(found: Sequence[Activity], page_size: int) -> activities_pb2.ListActivitiesResponse:
    """`found` has one more than the page where another page follows."""
    shown = found[:page_size]
    return activities_pb2.ListActivitiesResponse(
        activities=[activity(each) for each in shown],
        next_page_token=page_token(ACTIVITIES, shown[-1].activity_id) if len(found) > page_size else "",
    )


def read_activity_token(token: str) -> int:
    """The activity that a page comes before."""
    return page_number(ACTIVITIES, token, most=LAST) or LAST


def cut(found: Cut) -> activities_pb2.CutLedgerResponse:
    return activities_pb2.CutLedgerResponse(
        currency=found.currency,
        opened_at=timestamp(found.opened_at),
        through=found.sums.through,
        settled=to_text(found.sums.settled),
        unsettled=to_text(found.sums.unsettled),
        positions=map(_cut_position, found.positions),
    )


def _cut_position(found: CutPosition) -> activities_pb2.CutPosition:
    return activities_pb2.CutPosition(
        symbol=found.symbol,
        quantity=to_text(found.owned.quantity),
        total_cost=to_text(found.owned.total_cost),
        splits=[
            activities_pb2.CutSplit(
                effective_at=timestamp(each.effective_at), ratio=to_text(each.ratio), included=each.included
            )
            for each in found.splits
        ],
    )


def _fill(found: Fill) -> activities_pb2.Fill:
    return activities_pb2.Fill(
        trade_id=str(found.trade_id),
        order_id=str(found.order_id),
        side=WIRE_SIDES[found.side],
        quantity=to_text(found.quantity),
        price=to_text(found.price),
        executed_at=timestamp(found.executed_at),
    )
