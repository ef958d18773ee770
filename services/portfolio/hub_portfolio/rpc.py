"""The services: message -> values -> use case -> message. Whose it is, the verified token says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc

from hub.portfolio.v1 import (
    history_pb2,
    history_pb2_grpc,
    portfolio_pb2,
    portfolio_pb2_grpc,
    watchlist_pb2,
    watchlist_pb2_grpc,
)
from hub_identity import Trust, current_principal
from hub_portfolio import mapping
from hub_portfolio.clients import Accounts, Asker, Prices
from hub_portfolio.domain.valuation import Summary
from hub_portfolio.domain.watchlist import Owner
from hub_portfolio.usecases import watchlists
from hub_portfolio.usecases.histories import Archive, get_history
from hub_portfolio.usecases.valuing import get_summary, list_positions
from hub_portfolio.usecases.watchlists import Desk, Watched
from hub_rpc import bearer_token
from hub_runtime import Clock

Context = grpc.aio.ServicerContext[Any, Any]


class PortfolioRpc(portfolio_pb2_grpc.PortfolioServiceServicer):
    def __init__(self, *, trust: Trust, accounts: Accounts, prices: Prices, clock: Clock) -> None:
        self._trust = trust
        self._accounts = accounts
        self._prices = prices
        self._clock = clock

    async def GetSummary(
        self, request: portfolio_pb2.GetSummaryRequest, context: Context
    ) -> portfolio_pb2.GetSummaryResponse:
        return mapping.summary(await self._summary())

    async def GetAllocation(
        self, request: portfolio_pb2.GetAllocationRequest, context: Context
    ) -> portfolio_pb2.GetAllocationResponse:
        return mapping.allocation(await self._summary())

    async def ListValuedPositions(
        self, request: portfolio_pb2.ListValuedPositionsRequest, context: Context
    ) -> portfolio_pb2.ListValuedPositionsResponse:
        found = await list_positions(
            self._asker(),
            include_closed=request.include_closed,
            accounts=self._accounts,
            prices=self._prices,
        )
        return mapping.valued_positions(found, self._clock())

    async def _summary(self) -> Summary:
        asker = self._asker()
        return await get_summary(asker, accounts=self._accounts, prices=self._prices, now=self._clock())

    def _asker(self) -> Asker:
        principal = current_principal(self._trust)
        return Asker(principal.account_id, principal.user_id, bearer_token())


class HistoryRpc(history_pb2_grpc.HistoryServiceServicer):
    def __init__(self, trust: Trust, archive: Archive) -> None:
        self._trust = trust
        self._archive = archive

    async def GetHistory(
        self, request: history_pb2.GetHistoryRequest, context: Context
    ) -> history_pb2.GetHistoryResponse:
        principal = current_principal(self._trust)
        found = await get_history(
            self._archive,
            mapping.read_uuid(principal.account_id, "account_id"),
            bearer_token(),
            period=mapping.read_period(request.period),
            benchmark=request.benchmark,
        )
        return history_pb2.GetHistoryResponse(
            period=request.period,
            points=map(mapping.equity_point, found.told, found.benchmark),
            benchmark=request.benchmark,
        )


class WatchlistRpc(watchlist_pb2_grpc.WatchlistServiceServicer):
    def __init__(self, *, trust: Trust, desk: Desk, clock: Clock) -> None:
        self._trust = trust
        self._desk = desk
        self._clock = clock

    async def CreateWatchlist(
        self, request: watchlist_pb2.CreateWatchlistRequest, context: Context
    ) -> watchlist_pb2.CreateWatchlistResponse:
        made = await watchlists.create(
            self._desk,
            self._owner(),
            name=request.name,
            symbols=request.symbols.symbols,
            now=self._clock(),
        )
        return watchlist_pb2.CreateWatchlistResponse(watchlist=_shown(made))

    async def ListWatchlists(
        self, request: watchlist_pb2.ListWatchlistsRequest, context: Context
    ) -> watchlist_pb2.ListWatchlistsResponse:
        found = await watchlists.list_all(self._desk, self._owner())
        return watchlist_pb2.ListWatchlistsResponse(watchlists=[_shown(each) for each in found])

    async def GetWatchlist(
        self, request: watchlist_pb2.GetWatchlistRequest, context: Context
    ) -> watchlist_pb2.GetWatchlistResponse:
        found = await watchlists.get(self._desk, self._owner(), _id(request.watchlist_id))
        return watchlist_pb2.GetWatchlistResponse(watchlist=_shown(found))

    async def UpdateWatchlist(
        self, request: watchlist_pb2.UpdateWatchlistRequest, context: Context
    ) -> watchlist_pb2.UpdateWatchlistResponse:
        changed = await watchlists.update(
            self._desk,
            self._owner(),
            _id(request.watchlist_id),
            name=request.name if request.HasField("name") else None,
            symbols=request.symbols.symbols if request.HasField("symbols") else None,
            version=request.version,
            now=self._clock(),
        )
        return watchlist_pb2.UpdateWatchlistResponse(watchlist=_shown(changed))

    async def AddWatchlistSymbol(
        self, request: watchlist_pb2.AddWatchlistSymbolRequest, context: Context
    ) -> watchlist_pb2.AddWatchlistSymbolResponse:
        owner, watchlist_id = self._owner(), _id(request.watchlist_id)
        changed = await watchlists.add_symbol(
            self._desk, owner, watchlist_id, symbol=request.symbol, now=self._clock()
        )
        return watchlist_pb2.AddWatchlistSymbolResponse(watchlist=_shown(changed))

    async def RemoveWatchlistSymbol(
        self, request: watchlist_pb2.RemoveWatchlistSymbolRequest, context: Context
    ) -> watchlist_pb2.RemoveWatchlistSymbolResponse:
        owner, watchlist_id = self._owner(), _id(request.watchlist_id)
        changed = await watchlists.remove_symbol(
            self._desk, owner, watchlist_id, symbol=request.symbol, now=self._clock()
        )
        return watchlist_pb2.RemoveWatchlistSymbolResponse(watchlist=_shown(changed))

    async def DeleteWatchlist(
        self, request: watchlist_pb2.DeleteWatchlistRequest, context: Context
    ) -> watchlist_pb2.DeleteWatchlistResponse:
        await watchlists.delete(self._desk, self._owner(), _id(request.watchlist_id))
        return watchlist_pb2.DeleteWatchlistResponse()

    def _owner(self) -> Owner:
        principal = current_principal(self._trust)
        return Owner(
            user_id=mapping.read_uuid(principal.user_id, "user_id"),
            account_id=mapping.read_uuid(principal.account_id, "account_id"),
        )


def _id(text: str) -> UUID:
    return mapping.read_uuid(text, "watchlist_id")


def _shown(watched: Watched) -> watchlist_pb2.Watchlist:
    return mapping.watchlist(watched.watchlist, watched.marks)
