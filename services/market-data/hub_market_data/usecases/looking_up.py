"""One instrument with its statistics: from the cache, else from the database, once for all who ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hub_batching import Batcher
from hub_errors import Unavailable
from hub_market_data.board import Board
from hub_market_data.cache import Cache
from hub_market_data.domain.instruments import Instrument, Statistics, unknown_symbol
from hub_market_data.store import DailyStatistics
from hub_market_data.usecases.asking import require_loaded
from hub_runtime import Clock

LOOK_UP_S: Final = 2.0

Lookups = Batcher[str, Statistics]


class Reading:
    """Statistics as of the market's day."""

    def __init__(self, *, board: Board, cache: Cache, store: DailyStatistics, clock: Clock) -> None:
        self._board = board
        self._cache = cache
        self._store = store
        self._clock = clock

    async def read(self, symbols: Sequence[str]) -> Sequence[Statistics | Exception]:
        """For a batch: each symbol once, the cached ones from there."""
        wanted = list(dict.fromkeys(symbols))
        found = await self._cache.read(wanted)
        if missing := [symbol for symbol in wanted if symbol not in found]:
            loaded = await self._load(missing)
            await self._cache.write(loaded)
            found |= loaded
        return [found[symbol] or Statistics() for symbol in symbols]

    async def warm(self, symbols: Sequence[str]) -> int:
        """Reads them into the cache, whether they are there or not."""
        if not await self._cache.write(await self._load(symbols)):
            raise Unavailable("The cache cannot be reached.", code="cache_unavailable")
        return len(symbols)

    async def _load(self, symbols: Sequence[str]) -> Mapping[str, Statistics | None]:
        today = (self._board.market_time or self._clock()).date()
        return await self._store.of(symbols, today)


def lookups(reading: Reading) -> Lookups:
    """One batch at a time, so that what many ask at once is read once."""
    return Batcher(reading.read, limit=100, in_flight=1, name="instruments")


async def get_instrument(board: Board, symbol: str, *, lookups: Lookups) -> tuple[Instrument, Statistics]:
    """The instrument is the board's, which knows of a halt at once; only its statistics are cached."""
    require_loaded(board)
    instrument = board.instruments.get(symbol)
    if instrument is None:
        raise unknown_symbol()
    return instrument, await lookups.submit(symbol, LOOK_UP_S)
