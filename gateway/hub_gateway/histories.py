"""/portfolio/history: what the caller's portfolio was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from hub.portfolio.v1 import history_pb2
from hub_gateway import render_portfolio
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import symbol
from hub_gateway.operation import SYMBOL, Operation, Parameter, Resource
from hub_gateway.pages import choice
from hub_gateway.peers import Peers
from hub_gateway.types.history import EquityHistory, Period
from hub_rpc import calling_as

PERIODS: Final[Mapping[str, history_pb2.Period.ValueType]] = {
    "1D": history_pb2.PERIOD_1D,
    "1W": history_pb2.PERIOD_1W,
    "1M": history_pb2.PERIOD_1M,
    "3M": history_pb2.PERIOD_3M,
    "1A": history_pb2.PERIOD_1A,
    "ALL": history_pb2.PERIOD_ALL,
}
USUAL_PERIOD: Final = "1M"
QUERY: Final = (
    Parameter(
        name="period",
        description="A day of points within it; or a week, a month, three, a year or all of daily closes.",
        schema={"type": "string", "enum": list(PERIODS), "default": USUAL_PERIOD},
    ),
    Parameter(name="benchmark", description="An instrument to compare with, such as SPY.", schema=SYMBOL),
)
START: Final = (
    "The start is the last close before the period; without one it is the opening of the account, with "
    "nothing in it, or the first valuation of an account that is older."
)


class EquityHistories:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._histories = peers.histories
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/portfolio/history",
                GET=Operation(
                    handler=self.history,
                    summary="What your portfolio was worth, and what came of it",
                    tag="portfolio",
                    description=START,
                    query=QUERY,
                    answers={200: EquityHistory},
                    problems={
                        400: ("invalid_value", "invalid_symbol"),
                        404: ("account_not_found",),
                        503: ("market_data_unavailable",),
                    },
                ),
            )
        ]

    async def history(self, request: Request) -> Response:
        query = request.query("period", "benchmark")
        period = choice(query, "period", PERIODS, PERIODS[USUAL_PERIOD])
        benchmark = symbol(query["benchmark"], field="benchmark") if "benchmark" in query else ""
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            wanted = history_pb2.GetHistoryRequest(period=period, benchmark=benchmark)
            found = await self._histories.GetHistory(wanted)
        return answer(
            EquityHistory(
                period=cast("Period", query.get("period", USUAL_PERIOD)),
                benchmark=found.benchmark or None,
                points=[render_portfolio.equity_point(point) for point in found.points],
            )
        )
