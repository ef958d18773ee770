"""/positions, /balance and /portfolio: what the caller owns."""

from __future__ import annotations

from collections.abc import Sequence

from hub.portfolio.v1 import portfolio_pb2
from hub.position.v1 import position_pb2
from hub_gateway import render, render_portfolio
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.operation import Operation, Parameter, Resource
from hub_gateway.pages import flag
from hub_gateway.peers import Peers
from hub_gateway.types.portfolio import Allocation, Balance, Positions, Summary
from hub_rpc import calling_as

INCLUDE_CLOSED = Parameter(
    name="include_closed",
    description="Also positions whose quantity is zero.",
    schema={"type": "boolean", "default": False},
)


class Portfolio:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._portfolio = peers.portfolio
        self._position = peers.position
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/positions", GET=self._positions()),
            Resource("/api/v1/balance", GET=self._balance()),
            Resource("/api/v1/portfolio/summary", GET=self._summary()),
            Resource("/api/v1/portfolio/allocation", GET=self._allocation()),
        ]

    def _positions(self) -> Operation:
        return Operation(
            handler=self.positions,
            summary="What you own, at current prices",
            tag="portfolio",
            query=(INCLUDE_CLOSED,),
            answers={200: Positions},
            problems={400: ("invalid_value",)},
        )

    def _balance(self) -> Operation:
        return Operation(
            handler=self.balance,
            summary="Your cash, and what your account may do",
            tag="portfolio",
            answers={200: Balance},
            problems={404: ("account_not_found",)},
        )

    def _summary(self) -> Operation:
        return Operation(
            handler=self.summary,
            summary="Cash and positions together",
            tag="portfolio",
            description="Cash and positions are of one moment. A price that is old or missing is marked, and "
            "never an error.",
            answers={200: Summary},
            problems={404: ("account_not_found",)},
        )

    def _allocation(self) -> Operation:
        return Operation(
            handler=self.allocation,
            summary="What is invested in what: by asset class, and by position",
            tag="portfolio",
            answers={200: Allocation},
            problems={404: ("account_not_found",)},
        )

    async def positions(self, request: Request) -> Response:
        closed = flag(request.query("include_closed"), "include_closed")
        caller = await self._gate.user(request)
        wanted = portfolio_pb2.ListValuedPositionsRequest(include_closed=closed)
        with calling_as(caller.token):
            found = await self._portfolio.ListValuedPositions(wanted)
        positions = [render_portfolio.valued_position(position) for position in found.positions]
        return answer(Positions(positions=positions, as_of=render.when(found.as_of)))

    async def balance(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._position.GetBalance(position_pb2.GetBalanceRequest())
        return answer(render.balance(found))

    async def summary(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
        return answer(render_portfolio.summary(found))

    async def allocation(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._portfolio.GetAllocation(portfolio_pb2.GetAllocationRequest())
        return answer(render_portfolio.allocation(found))
