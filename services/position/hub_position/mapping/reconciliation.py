"""The books as they are held against orders -> messages."""

from __future__ import annotations

from hub.position.v1 import reconciliation_pb2
from hub_money import to_text
from hub_position.domain.hold import Hold
from hub_position.domain.reconciliation import Checked
from hub_position.domain.trade import Trade
from hub_position.mapping.values import WIRE_SIDES, timestamp


def checked_books(checked: Checked) -> reconciliation_pb2.CheckBooksResponse:
    return reconciliation_pb2.CheckBooksResponse(
        account_ids=[str(account_id) for account_id in checked.account_ids],
        differences=[
            reconciliation_pb2.BookDifference(
                kind=each.kind,
                account_id=str(each.account_id),
                id=each.id,
                expected=to_text(each.expected),
                found=to_text(each.found),
            )
            for each in checked.differences
        ],
        more=checked.more,
        too_long_account_ids=[str(account_id) for account_id in checked.too_long],
        out_of_time=checked.out_of_time,
    )


def booked_trade(trade: Trade) -> reconciliation_pb2.BookedTrade:
    return reconciliation_pb2.BookedTrade(
        trade_id=str(trade.trade_id),
        account_id=str(trade.account_id),
        order_id=str(trade.order_id),
        symbol=trade.symbol,
        side=WIRE_SIDES[trade.side],
        quantity=to_text(trade.quantity),
        price=to_text(trade.price),
    )


def held_order(hold: Hold) -> reconciliation_pb2.HeldOrder:
    return reconciliation_pb2.HeldOrder(
        hold_id=str(hold.hold_id),
        order_id=str(hold.order_id),
        account_id=str(hold.account_id),
        open=not hold.closed,
        placed_at=timestamp(hold.placed_at),
        by_value=hold.by_value,
        booked_quantity=to_text(hold.booked_quantity),
        booked_count=hold.booked_count,
    )
