"""/instruments: what can be traded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.market_data.v1 import market_data_pb2
from hub_gateway import render
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import known_symbol
from hub_gateway.operation import PAGES, Operation, Parameter, Resource
from hub_gateway.pages import choice, page
from hub_gateway.peers import Peers
from hub_gateway.types.common import PRINTABLE
from hub_gateway.types.market_data import InstrumentDetails, Instruments
from hub_texts import printable

CLASSES: Final = {
    name.removeprefix("ASSET_CLASS_"): number
    for name, number in market_data_pb2.AssetClass.items()
    if number != market_data_pb2.ASSET_CLASS_UNSPECIFIED
}
QUERY: Final = Parameter(
    name="query",
    description="The beginning of a symbol, or words of the name.",
    schema={"type": "string", "maxLength": 100, "pattern": PRINTABLE},
    example="apple",
)
ASSET_CLASS: Final = Parameter(
    name="asset_class",
    description="Only instruments of this class.",
    schema={"type": "string", "enum": list(CLASSES)},
)


class Catalogue:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market_data = peers.market_data
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/instruments",
                GET=Operation(
                    handler=self.search,
                    summary="What can be traded",
                    tag="market-data",
                    query=(QUERY, ASSET_CLASS, *PAGES),
                    answers={200: Instruments},
                    problems={503: ("market_data_unavailable",)},
                ),
            ),
            Resource(
                "/api/v1/instruments/{symbol}",
                GET=Operation(
                    handler=self.one,
                    summary="An instrument, and what its history says",
                    tag="market-data",
                    answers={200: InstrumentDetails},
                    problems={404: ("unknown_symbol",), 503: ("market_data_unavailable",)},
                ),
            ),
        ]

    async def search(self, request: Request) -> Response:
        query = request.query("query", "asset_class", "page_size", "page_token")
        size, token = page(query)
        asset_class = choice(query, "asset_class", CLASSES, market_data_pb2.ASSET_CLASS_UNSPECIFIED)
        await self._gate.user(request)
        found = await self._market_data.ListInstruments(
            market_data_pb2.ListInstrumentsRequest(
                query=printable(query.get("query", ""), field="query", longest=100),
                asset_class=asset_class,
                page_size=size,
                page_token=token,
            )
        )
        instruments = [render.instrument(instrument) for instrument in found.instruments]
        return answer(Instruments(instruments=instruments, next_page_token=found.next_page_token or None))

    async def one(self, request: Request) -> Response:
        request.query()
        await self._gate.user(request)
        wanted = market_data_pb2.GetInstrumentRequest(symbol=known_symbol(request))
        return answer(render.instrument_details(await self._market_data.GetInstrument(wanted)))
