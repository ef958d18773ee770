"""The position service and the live prices, as this service needs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from grpc import aio

from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_errors import Unavailable
from hub_market_client import QuoteCache
from hub_portfolio import mapping
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.valuation import Books, Holding
from hub_rpc import calling_as


class Accounts(Protocol):
    """A user's cash and positions at cost; the token says whose."""

    async def books(self, token: str) -> Books: ...

    async def holdings(self, token: str) -> Sequence[Holding]: ...


class Prices(Protocol):
    def mark(self, symbol: str) -> Mark: ...

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """Those that no instrument has."""
        ...


class PositionAccounts:
    """The position service decides by the caller's own token, which is passed on as it came."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = position_pb2_grpc.PositionServiceStub(channel)

    async def books(self, token: str) -> Books:
        with calling_as(token):
            return mapping.read_books(await self._stub.GetBooks(position_pb2.GetBooksRequest()))

    async def holdings(self, token: str) -> Sequence[Holding]:
        with calling_as(token):
            answer = await self._stub.ListPositions(position_pb2.ListPositionsRequest())
        return [mapping.read_holding(message) for message in answer.positions]


class LivePrices:
    """Last prices from the live copy; what is not known there has no price."""

    def __init__(self, cache: QuoteCache, *, fresh_for_s: float) -> None:
        self._cache = cache
        self._fresh_for_s = fresh_for_s

    def mark(self, symbol: str) -> Mark:
        instrument, quote = self._cache.instrument(symbol), self._cache.quote(symbol)
        name = instrument.name if instrument else ""
        asset_class = instrument.asset_class if instrument else ""
        if quote is None or quote.last <= 0:
            return Mark(name=name, asset_class=asset_class)
        return Mark(
            name=name,
            asset_class=asset_class,
            price=quote.last,
            price_at=quote.received_at,
            fresh=self._cache.fresh(quote, self._fresh_for_s),
            previous_close=quote.previous_close if quote.previous_close > 0 else None,
        )

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """Before the market was heard of, nobody can say."""
        found = [symbol for symbol in symbols if self._cache.instrument(symbol) is None]
        if found and not self._cache.loaded.is_set():
            raise Unavailable("The market is not known yet.", code="market_data_unavailable")
        return found
