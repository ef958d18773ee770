"""Independent readers of quotes: each gets the newest quote of every symbol that changed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hub_market_client.model import Quote


class Reader:
    """Bounded by the number of symbols: a slow reader misses quotes, but not their extremes."""

    def __init__(self) -> None:
        self._waiting: dict[str, Quote] = {}
        self._some = asyncio.Event()

    def put(self, quote: Quote) -> None:
        earlier = self._waiting.get(quote.symbol)
        self._waiting[quote.symbol] = quote if earlier is None else quote.absorbing(earlier)
        self._some.set()

    async def read(self) -> AsyncIterator[Quote]:
        while True:
            await self._some.wait()
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            self._some.clear()
