"""/market-data/{symbol}/bars and /corporate-actions: prices of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from hub.market_data.v1 import market_data_pb2
from hub_gateway import render
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import known_symbol
from hub_gateway.operation import MOMENT, PAGES, Operation, Parameter, Resource
from hub_gateway.pages import between, choice, page
from hub_gateway.peers import Peers
from hub_gateway.types.bars import Adjustment, Bars, CorporateActions, Timeframe

TIMEFRAMES: Final[Mapping[str, market_data_pb2.Timeframe.ValueType]] = {
    "1Min": market_data_pb2.TIMEFRAME_1MIN,
    "5Min": market_data_pb2.TIMEFRAME_5MIN,
    "15Min": market_data_pb2.TIMEFRAME_15MIN,
    "30Min": market_data_pb2.TIMEFRAME_30MIN,
    "1Hour": market_data_pb2.TIMEFRAME_1HOUR,
    "1Day": market_data_pb2.TIMEFRAME_1DAY,
    "1Week": market_data_pb2.TIMEFRAME_1WEEK,
    "1Month": market_data_pb2.TIMEFRAME_1MONTH,
}
ADJUSTMENTS: Final[Mapping[str, market_data_pb2.Adjustment.ValueType]] = {
    "raw": market_data_pb2.ADJUSTMENT_RAW,
    "split": market_data_pb2.ADJUSTMENT_SPLIT,
    "dividend": market_data_pb2.ADJUSTMENT_DIVIDEND,
    "all": market_data_pb2.ADJUSTMENT_ALL,
}
USUAL_TIMEFRAME: Final = "1Day"
USUAL_ADJUSTMENT: Final = "raw"
QUERY: Final = (
    Parameter(
        name="timeframe",
        description="How long each bar is.",
        schema={"type": "string", "enum": list(TIMEFRAMES), "default": USUAL_TIMEFRAME},
    ),
    Parameter(name="start", description="Not before this moment or day (UTC).", schema=MOMENT),
    Parameter(name="end", description="Before this moment or day (UTC).", schema=MOMENT),
    Parameter(
        name="adjustment",
        description="Which corporate actions earlier prices are adjusted for.",
        schema={"type": "string", "enum": list(ADJUSTMENTS), "default": USUAL_ADJUSTMENT},
    ),
    *PAGES,
)


class History:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market_data = peers.market_data
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/market-data/{symbol}/bars",
                GET=Operation(
                    handler=self.bars,
                    summary="Open, high, low, close and volume",
                    tag="market-data",
                    query=QUERY,
                    answers={200: Bars},
                    problems={
                        400: ("invalid_value", "inverted_range"),
                        404: ("unknown_symbol",),
                        503: ("market_data_unavailable",),
                    },
                ),
            ),
            Resource(
                "/api/v1/market-data/{symbol}/corporate-actions",
                GET=Operation(
                    handler=self.corporate_actions,
                    summary="Splits and dividends",
                    tag="market-data",
                    query=PAGES,
                    answers={200: CorporateActions},
                    problems={404: ("unknown_symbol",), 503: ("market_data_unavailable",)},
                ),
            ),
        ]

    async def bars(self, request: Request) -> Response:
        query = request.query("timeframe", "start", "end", "adjustment", "page_size", "page_token")
        size, token = page(query)
        wanted = market_data_pb2.ListBarsRequest(
            timeframe=choice(query, "timeframe", TIMEFRAMES, TIMEFRAMES[USUAL_TIMEFRAME]),
            adjustment=choice(query, "adjustment", ADJUSTMENTS, ADJUSTMENTS[USUAL_ADJUSTMENT]),
            page_size=size,
            page_token=token,
        )
        start, end = between(query, "start", "end")
        if start is not None:
            wanted.start.FromDatetime(start)
        if end is not None:
            wanted.end.FromDatetime(end)
        await self._gate.user(request)
        wanted.symbol = known_symbol(request)
        found = await self._market_data.ListBars(wanted)
        return answer(
            Bars(
                symbol=wanted.symbol,
                timeframe=cast(Timeframe, query.get("timeframe", USUAL_TIMEFRAME)),
                adjustment=cast(Adjustment, query.get("adjustment", USUAL_ADJUSTMENT)),
                bars=[render.bar(bar) for bar in found.bars],
                next_page_token=found.next_page_token or None,
            )
        )

    async def corporate_actions(self, request: Request) -> Response:
        size, token = page(request.query("page_size", "page_token"))
        await self._gate.user(request)
        wanted = market_data_pb2.ListCorporateActionsRequest(
            symbol=known_symbol(request), page_size=size, page_token=token
        )
        found = await self._market_data.ListCorporateActions(wanted)
        actions = [render.corporate_action(action) for action in found.actions]
        return answer(CorporateActions(actions=actions, next_page_token=found.next_page_token or None))
