"""/instruments and /market-data: what can be traded, and at what price just now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hub.market_data.v1 import market_data_pb2
from hub_errors import Invalid, NotFound
from hub_gateway import render
from hub_gateway.codec import Body, Schema
from hub_gateway.exchange import Request, Resource, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.peers import Peers

MOST_SYMBOLS: Final = 100
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,15}")


def symbol(text: str, *, field: str = "symbol") -> str:
    """The text, if a symbol can look like that."""
    if not _SYMBOL.fullmatch(text):
        raise Invalid(f"{field} must be a symbol such as AAPL.", code="invalid_symbol", field=field)
    return text


class Batch(Body, frozen=True):
    symbols: list[str]


_BATCH: Final[Schema[Batch]] = Schema(Batch)


class MarketData:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market_data = peers.market_data
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/instruments", GET=self.instruments),
            Resource("/api/v1/market-data/batch", POST=self.batch),
            Resource("/api/v1/market-data/{symbol}", GET=self.one),
        ]

    async def instruments(self, request: Request) -> Response:
        request.query()
        await self._gate.user(request)
        found = await self._market_data.ListInstruments(market_data_pb2.ListInstrumentsRequest())
        return answer({"instruments": [render.instrument(instrument) for instrument in found.instruments]})

    async def one(self, request: Request) -> Response:
        request.query()
        await self._gate.user(request)
        wanted = request.parameter("symbol")
        if _SYMBOL.fullmatch(wanted):
            found = await self._market_data.GetQuotes(market_data_pb2.GetQuotesRequest(symbols=[wanted]))
            if found.quotes:
                return answer(render.quote(found.quotes[0]))
            if wanted not in found.unknown:
                raise NotFound("There is no quote yet.", code="no_quote", field="symbol")
        raise NotFound("There is no such instrument.", code="unknown_symbol", field="symbol")

    async def batch(self, request: Request) -> Response:
        await self._gate.user(request)
        body = _BATCH.read(await request.json())
        if not 1 <= len(body.symbols) <= MOST_SYMBOLS:
            sentence = f"symbols must name 1 to {MOST_SYMBOLS}."
            raise Invalid(sentence, code="invalid_length", field="symbols")
        wanted = [symbol(text, field=f"symbols[{index}]") for index, text in enumerate(body.symbols)]
        unique = list(dict.fromkeys(wanted))
        found = await self._market_data.GetQuotes(market_data_pb2.GetQuotesRequest(symbols=unique))
        quotes = [render.quote(quote) for quote in found.quotes]
        return answer({"quotes": quotes, "unknown": list(found.unknown)})
