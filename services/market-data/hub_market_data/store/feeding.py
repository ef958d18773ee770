"""What feeders leave for their successors: the epoch, the place, the latest quotes, and bars with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from hub_market_data.domain.ticks import Quote
from hub_market_data.rolling import Unsaved
from hub_market_data.store.bars import keep_bars
from hub_postgres import Pool, acquire, transaction

_QUOTES: Final = """
    SELECT symbol, epoch, seq, bid, bid_size, ask, ask_size, last, open, high, low, previous_close, volume,
           market_time, received_at
      FROM quotes_latest
     ORDER BY symbol
"""
_STATE: Final = "SELECT epoch, market_time, feed, place FROM feed_state"
# The place of another kind of feed means nothing to this one.
_DRAW_EPOCH: Final = """
    UPDATE feed_state
       SET epoch = epoch + 1, feed = $1, place = CASE WHEN feed = $1 THEN place ELSE '' END
    RETURNING epoch, market_time, feed, place
"""
_SAVE: Final = """
    WITH state AS (
        UPDATE feed_state
           SET market_time = greatest(market_time, $2), place = $3
         WHERE epoch = $1
        RETURNING epoch, market_time),
    saved AS (
        INSERT INTO quotes_latest (symbol, epoch, seq, bid, bid_size, ask, ask_size, last, open, high, low,
                                   previous_close, volume, market_time, received_at)
        SELECT q.symbol, state.epoch, q.seq, q.bid, q.bid_size, q.ask, q.ask_size, q.last, q.open, q.high,
               q.low, q.previous_close, q.volume, q.market_time, q.received_at
          FROM state, unnest($4::text[], $5::bigint[], $6::numeric[], $7::numeric[], $8::numeric[],
                             $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[],
                             $14::numeric[], $15::numeric[], $16::timestamptz[], $17::timestamptz[])
               AS q (symbol, seq, bid, bid_size, ask, ask_size, last, open, high, low, previous_close, volume,
                     market_time, received_at)
         ORDER BY q.symbol
        ON CONFLICT (symbol) DO UPDATE
           SET epoch = excluded.epoch, seq = excluded.seq, bid = excluded.bid, bid_size = excluded.bid_size,
               ask = excluded.ask, ask_size = excluded.ask_size, last = excluded.last, open = excluded.open,
               high = excluded.high, low = excluded.low, previous_close = excluded.previous_close,
               volume = excluded.volume, market_time = excluded.market_time,
               received_at = excluded.received_at
         WHERE (quotes_latest.epoch, quotes_latest.seq) < (excluded.epoch, excluded.seq))
    SELECT market_time FROM state
"""
# The arrays of _SAVE, in their order.
_SAVED: Final = (
    "symbol",
    "seq",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
    "last",
    "open",
    "high",
    "low",
    "previous_close",
    "volume",
    "market_time",
    "received_at",
)


@dataclass(frozen=True)
class FeedState:
    """What the last feeder left."""

    epoch: int
    market_time: datetime | None
    feed: str
    place: str


class Feeding:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def last_known(self) -> tuple[FeedState, Sequence[Quote]]:
        """What the last feeder saved."""
        async with acquire(self._pool) as connection:
            state = await connection.fetchrow(_STATE)
            quotes = await connection.fetch(_QUOTES)
        return _state(state), [Quote(**row, low_ask=row["ask"], high_bid=row["bid"]) for row in quotes]

    async def draw_epoch(self, feed: str) -> FeedState:
        """From here on nobody with a lower epoch can save anything."""
        async with acquire(self._pool) as connection:
            return _state(await connection.fetchrow(_DRAW_EPOCH, feed))

    async def save(
        self, *, epoch: int, market_time: datetime, place: str, quotes: Sequence[Quote], bars: Unsaved
    ) -> datetime | None:
        """The market time that is saved now: this one, or where an administrator has moved it. None: another
        feeder has taken over, nothing was saved."""
        columns = [[getattr(quote, column) for quote in quotes] for column in _SAVED]
        async with transaction(self._pool) as connection:
            saved: datetime | None = await connection.fetchval(_SAVE, epoch, market_time, place, *columns)
            if saved is not None:
                await keep_bars(connection, bars)
        return saved


def _state(row: asyncpg.Record | None) -> FeedState:
    if row is None:
        raise LookupError("feed_state has no row: the database was not migrated")
    return FeedState(**row)
