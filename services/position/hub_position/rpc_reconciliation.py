"""ReconciliationService: message -> values -> store -> message. Only the order service may call it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import grpc

from hub.position.v1 import reconciliation_pb2, reconciliation_pb2_grpc
from hub_errors import Invalid
from hub_position import mapping
from hub_position.store import Reconciling
from hub_position.usecases import check_in_turn
from hub_postgres import Pool

Context = grpc.aio.ServicerContext[Any, Any]

MOST_ACCOUNTS: Final = 100
MOST_ROWS: Final = 1000
LOWEST: Final = UUID(int=0)


class ReconciliationRpc(reconciliation_pb2_grpc.ReconciliationServiceServicer):
    def __init__(self, pool: Pool) -> None:
        self._store = Reconciling(pool)
        # Whoever places holds shares the pool: however many ask, one connection is busy with checks.
        self._one = asyncio.Lock()

    async def CheckBooks(
        self, request: reconciliation_pb2.CheckBooksRequest, context: Context
    ) -> reconciliation_pb2.CheckBooksResponse:
        account_ids = _ids(request.account_ids, "account_ids", MOST_ACCOUNTS)
        after = _after(request.after_account_id, "after_account_id") or LOWEST
        limit = _limit(request.limit, MOST_ACCOUNTS)
        async with self._one:
            if not account_ids:
                account_ids = await self._store.next_accounts(after, limit=limit)
            if request.kind == reconciliation_pb2.CHECK_KIND_UNSPECIFIED:
                checked = await self._store.check(account_ids)
            else:
                since = request.kind == reconciliation_pb2.CHECK_KIND_SINCE
                checked = await check_in_turn(account_ids, store=self._store, since=since)
        return mapping.checked_books(checked)

    async def GetTrades(
        self, request: reconciliation_pb2.GetTradesRequest, context: Context
    ) -> reconciliation_pb2.GetTradesResponse:
        found = await self._store.trades(_ids(request.trade_ids, "trade_ids", MOST_ROWS))
        return reconciliation_pb2.GetTradesResponse(trades=map(mapping.booked_trade, found))

    async def ListTrades(
        self, request: reconciliation_pb2.ListTradesRequest, context: Context
    ) -> reconciliation_pb2.ListTradesResponse:
        stretch = (
            mapping.read_time(request.executed_from, "executed_from"),
            mapping.read_time(request.executed_until, "executed_until"),
        )
        found = await self._store.trades_of(
            _ids(request.account_ids, "account_ids", MOST_ACCOUNTS),
            stretch,
            after=_after(request.after_trade_id, "after_trade_id"),
            limit=_limit(request.limit, MOST_ROWS),
        )
        return reconciliation_pb2.ListTradesResponse(trades=map(mapping.booked_trade, found))

    async def GetHolds(
        self, request: reconciliation_pb2.GetHoldsRequest, context: Context
    ) -> reconciliation_pb2.GetHoldsResponse:
        found = await self._store.holds(_ids(request.hold_ids, "hold_ids", MOST_ROWS))
        return reconciliation_pb2.GetHoldsResponse(holds=map(mapping.held_order, found))

    async def ListOpenHolds(
        self, request: reconciliation_pb2.ListOpenHoldsRequest, context: Context
    ) -> reconciliation_pb2.ListOpenHoldsResponse:
        found = await self._store.open_holds(
            after=_after(request.after_hold_id, "after_hold_id"), limit=_limit(request.limit, MOST_ROWS)
        )
        return reconciliation_pb2.ListOpenHoldsResponse(holds=map(mapping.held_order, found))


def _ids(texts: Iterable[str], field: str, most: int) -> list[UUID]:
    ids = [mapping.read_uuid(text, field) for text in texts]
    if len(ids) > most:
        raise Invalid(f"{field} may be at most {most}.", code="too_many", field=field)
    return ids


def _after(text: str, field: str) -> UUID | None:
    return mapping.read_uuid(text, field) if text else None


def _limit(limit: int, most: int) -> int:
    """Without one as many as there may be."""
    if limit > most:
        raise Invalid(f"limit may be at most {most}.", code="too_many", field="limit")
    return max(limit, 0) or most
