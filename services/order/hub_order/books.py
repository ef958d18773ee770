"""The books of the position service, as orders are held against them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from grpc import aio

from hub.order.v1 import order_pb2
from hub.position.v1 import reconciliation_pb2, reconciliation_pb2_grpc
from hub_order import mapping
from hub_order.domain.reconciliation import Difference, Executed, HeldOrder
from hub_postgres import Uuid

# Nobody waits for it: an account may have traded for years, and somebody else's check goes first.
TIME_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class CheckedBooks:
    account_ids: Sequence[UUID]
    differences: Sequence[Difference]
    more: int
    too_long: Sequence[UUID] = ()
    """Accounts that have too much to be looked at."""
    out_of_time: bool = False
    """The accounts after these were not looked at."""


class Books:
    """Over a channel of `hub_rpc`."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = reconciliation_pb2_grpc.ReconciliationServiceStub(channel)

    async def check(self, account_ids: Collection[UUID], *, since: bool = False) -> CheckedBooks:
        """At most 100 accounts, from the beginning; or from where they were found right the last time."""
        kind = reconciliation_pb2.CHECK_KIND_SINCE if since else reconciliation_pb2.CHECK_KIND_WHOLE
        named = reconciliation_pb2.CheckBooksRequest(account_ids=map(str, account_ids), kind=kind)
        return await self._check(named)

    async def check_after(self, account_id: UUID, *, limit: int) -> CheckedBooks:
        """The accounts that come next, by id, from the beginning."""
        kind = reconciliation_pb2.CHECK_KIND_WHOLE
        request = reconciliation_pb2.CheckBooksRequest(
            after_account_id=str(account_id), limit=limit, kind=kind
        )
        return await self._check(request)

    async def _check(self, request: reconciliation_pb2.CheckBooksRequest) -> CheckedBooks:
        answer = await self._stub.CheckBooks(request, timeout=TIME_S)
        return CheckedBooks(
            [Uuid(account_id) for account_id in answer.account_ids],
            [
                Difference(
                    kind=each.kind,
                    account_id=each.account_id,
                    id=each.id,
                    expected=each.expected,
                    found=each.found,
                )
                for each in answer.differences
            ],
            answer.more,
            [Uuid(account_id) for account_id in answer.too_long_account_ids],
            answer.out_of_time,
        )

    async def trades(self, trade_ids: Collection[UUID]) -> dict[UUID, Executed]:
        """Those of these that are booked, at most 1000."""
        request = reconciliation_pb2.GetTradesRequest(trade_ids=map(str, trade_ids))
        return _trades((await self._stub.GetTrades(request, timeout=TIME_S)).trades)

    async def trades_of(
        self,
        account_ids: Collection[UUID],
        since: datetime,
        until: datetime,
        *,
        after: UUID | None,
        limit: int,
    ) -> dict[UUID, Executed]:
        """A page of what at most 100 accounts traded, in its order."""
        request = reconciliation_pb2.ListTradesRequest(
            account_ids=map(str, account_ids),
            executed_from=mapping.timestamp(since),
            executed_until=mapping.timestamp(until),
            after_trade_id="" if after is None else str(after),
            limit=limit,
        )
        return _trades((await self._stub.ListTrades(request, timeout=TIME_S)).trades)

    async def holds(self, hold_ids: Collection[UUID]) -> dict[UUID, HeldOrder]:
        """At most 1000."""
        request = reconciliation_pb2.GetHoldsRequest(hold_ids=map(str, hold_ids))
        answer = await self._stub.GetHolds(request, timeout=TIME_S)
        return {hold.hold_id: hold for hold in map(_hold, answer.holds)}

    async def open_holds(self, after: UUID | None, *, limit: int) -> list[HeldOrder]:
        """A page of them, in its order."""
        after_hold_id = "" if after is None else str(after)
        request = reconciliation_pb2.ListOpenHoldsRequest(after_hold_id=after_hold_id, limit=limit)
        return [_hold(hold) for hold in (await self._stub.ListOpenHolds(request, timeout=TIME_S)).holds]


def _trades(messages: Iterable[reconciliation_pb2.BookedTrade]) -> dict[UUID, Executed]:
    return {trade.id: trade for trade in map(_trade, messages)}


def _trade(message: reconciliation_pb2.BookedTrade) -> Executed:
    return Executed(
        id=Uuid(message.trade_id),
        account_id=Uuid(message.account_id),
        order_id=Uuid(message.order_id),
        symbol=message.symbol,
        side=order_pb2.Side.Name(message.side).removeprefix("SIDE_"),
        quantity=Decimal(message.quantity),
        price=Decimal(message.price),
    )


def _hold(message: reconciliation_pb2.HeldOrder) -> HeldOrder:
    return HeldOrder(
        hold_id=Uuid(message.hold_id),
        order_id=Uuid(message.order_id),
        account_id=Uuid(message.account_id),
        open=message.open,
        placed_at=message.placed_at.ToDatetime(UTC),
        by_value=message.by_value,
        booked_quantity=Decimal(message.booked_quantity),
        booked_count=message.booked_count,
    )
