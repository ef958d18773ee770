"""PortfolioService: message -> values -> use case -> message. Whose it is, the verified token says."""

from __future__ import annotations

from typing import Any

import grpc

from hub.portfolio.v1 import portfolio_pb2, portfolio_pb2_grpc
from hub_identity import Trust, current_principal
from hub_portfolio import mapping
from hub_portfolio.clients import Books, Prices
from hub_portfolio.usecases import get_summary, list_positions
from hub_rpc import bearer_token
from hub_runtime import Clock

Context = grpc.aio.ServicerContext[Any, Any]


class PortfolioRpc(portfolio_pb2_grpc.PortfolioServiceServicer):
    def __init__(self, *, trust: Trust, books: Books, prices: Prices, clock: Clock) -> None:
        self._trust = trust
        self._books = books
        self._prices = prices
        self._clock = clock

    async def GetSummary(
        self, request: portfolio_pb2.GetSummaryRequest, context: Context
    ) -> portfolio_pb2.GetSummaryResponse:
        token = self._verified_token()
        found = await get_summary(token, books=self._books, prices=self._prices, now=self._clock())
        return mapping.summary(found)

    async def ListValuedPositions(
        self, request: portfolio_pb2.ListValuedPositionsRequest, context: Context
    ) -> portfolio_pb2.ListValuedPositionsResponse:
        found = await list_positions(
            self._verified_token(),
            include_closed=request.include_closed,
            books=self._books,
            prices=self._prices,
        )
        return mapping.valued_positions(found, self._clock())

    def _verified_token(self) -> str:
        current_principal(self._trust)
        return bearer_token()
