"""/market-data: at what price something can be traded just now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from hub.market_data.v1 import market_data_pb2
from hub_errors import Invalid, NotFound, Refused
from hub_gateway import render
from hub_gateway.codec import Body, Schema
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.operation import Operation, Resource
from hub_gateway.peers import Peers
from hub_gateway.types.common import Symbol, described
from hub_gateway.types.market_data import Quote, Quotes

MOST_SYMBOLS: Final = 100
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,15}")


def symbol(text: str, *, field: str = "symbol") -> str:
    """The text, if a symbol can look like that."""
    if not _SYMBOL.fullmatch(text):
        raise Invalid(f"{field} must be a symbol such as AAPL.", code="invalid_symbol", field=field)
    return text


def known_symbol(request: Request) -> str:
    """The symbol in the path; what no symbol can be is one that nobody knows."""
    text = request.parameter("symbol")
    if not _SYMBOL.fullmatch(text):
        raise NotFound("There is no such instrument.", code="unknown_symbol", field="symbol")
    return text


@contextmanager
def symbol_of_the_path() -> Iterator[None]:
    """For who asks a peer that refuses an order in an unknown symbol: here the symbol names the resource."""
    try:
        yield
    except Refused as no:
        if no.code != "unknown_symbol":
            raise
        raise NotFound(no.message, code="unknown_symbol", field="symbol") from no


class Batch(Body, frozen=True):
    """Which quotes."""

    symbols: Annotated[list[Symbol], described("1 to 100.", ["AAPL", "MSFT"], minItems=1, maxItems=100)]


_BATCH: Final[Schema[Batch]] = Schema(Batch)


class MarketData:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market_data = peers.market_data
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/market-data/batch",
                POST=Operation(
                    handler=self.batch,
                    summary="Quotes of some instruments",
                    tag="market-data",
                    body=Batch,
                    answers={200: Quotes},
                    problems={
                        400: ("invalid_length", "invalid_symbol", "too_many_symbols"),
                        503: ("market_data_unavailable",),
                    },
                ),
            ),
            Resource(
                "/api/v1/market-data/{symbol}",
                GET=Operation(
                    handler=self.one,
                    summary="The quote of an instrument",
                    tag="market-data",
                    answers={200: Quote},
                    problems={404: ("unknown_symbol", "no_quote"), 503: ("market_data_unavailable",)},
                ),
            ),
        ]

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
        return answer(Quotes(quotes=quotes, unknown=list(found.unknown), unpriced=list(found.unpriced)))
