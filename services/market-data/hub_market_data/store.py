"""All SQL of the market-data service. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from hub_market_data.domain import AssetClass, Bar, Instrument, Quote, Session
from hub_postgres import Connection, Pool, acquire, transaction

_INSTRUMENTS: Final = """
    SELECT symbol, name, asset_class, exchange, currency, tick_size, lot_size, fractionable, tradable, halted,
           calendar
      FROM instruments
     ORDER BY symbol
"""
_SESSIONS: Final = """
    SELECT s.calendar, s.opens_at, s.closes_at
      FROM calendars c
     CROSS JOIN LATERAL (
           SELECT calendar, opens_at, closes_at
             FROM sessions
            WHERE calendar = c.calendar AND closes_at > $1
            ORDER BY closes_at
            LIMIT 2) s
     WHERE NOT c.always_open
     ORDER BY s.calendar, s.opens_at
"""
_BARS: Final = """
    SELECT symbol, day, open, high, low, close, volume
      FROM daily_bars
     ORDER BY symbol, day
"""
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
        RETURNING epoch),
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
    SELECT epoch FROM state
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
_SEED_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('market-data seed', 0))"
_SEED_INSTRUMENT: Final = """
    INSERT INTO instruments (symbol, name, asset_class, exchange, currency, tick_size, lot_size, fractionable,
                             tradable, halted, calendar)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (symbol) DO NOTHING
"""
_HAS_BARS: Final = "SELECT EXISTS (SELECT FROM daily_bars WHERE symbol = $1)"
_SEED_BARS: Final = """
    INSERT INTO daily_bars (symbol, day, open, high, low, close, volume)
    SELECT $1, day, open, high, low, close, volume
      FROM unnest($2::date[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[], $7::bigint[])
           AS b (day, open, high, low, close, volume)
"""


@dataclass(frozen=True)
class FeedState:
    """What the last feeder left."""

    epoch: int
    market_time: datetime | None
    feed: str
    place: str


class Store:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def catalogue(self, market_time: datetime) -> tuple[Sequence[Instrument], Sequence[Session]]:
        """All instruments, and the running and next sessions of the calendars that have rows."""
        async with acquire(self._pool) as connection:
            instruments = await connection.fetch(_INSTRUMENTS)
            sessions = await connection.fetch(_SESSIONS, market_time)
        return [_instrument(row) for row in instruments], [Session(**row) for row in sessions]

    async def bars(self) -> Mapping[str, Sequence[Bar]]:
        """The whole price history, oldest first."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_BARS)
        histories: dict[str, list[Bar]] = {}
        for row in rows:
            fields = dict(row)
            histories.setdefault(fields.pop("symbol"), []).append(Bar(**fields))
        return histories

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

    async def save(self, *, epoch: int, market_time: datetime, place: str, quotes: Sequence[Quote]) -> bool:
        """False: another feeder has taken over, nothing was saved."""
        columns = [[getattr(quote, column) for quote in quotes] for column in _SAVED]
        async with acquire(self._pool) as connection:
            return await connection.fetchval(_SAVE, epoch, market_time, place, *columns) is not None

    async def seed(self, instruments: Sequence[Instrument], histories: Mapping[str, Sequence[Bar]]) -> int:
        """Adds what is not there yet; answers the number of new bars."""
        added = 0
        async with transaction(self._pool) as connection:
            await connection.execute(_SEED_LOCK)
            for instrument in instruments:
                await _seed_instrument(connection, instrument)
                if not await connection.fetchval(_HAS_BARS, instrument.symbol):
                    bars = histories[instrument.symbol]
                    await _seed_bars(connection, instrument.symbol, bars)
                    added += len(bars)
        return added


async def _seed_instrument(connection: Connection, instrument: Instrument) -> None:
    await connection.execute(
        _SEED_INSTRUMENT,
        instrument.symbol,
        instrument.name,
        instrument.asset_class.value,
        instrument.exchange,
        instrument.currency,
        instrument.tick_size,
        instrument.lot_size,
        instrument.fractionable,
        instrument.tradable,
        instrument.halted,
        instrument.calendar,
    )


async def _seed_bars(connection: Connection, symbol: str, bars: Sequence[Bar]) -> None:
    columns = [
        [getattr(bar, column) for bar in bars] for column in ("day", "open", "high", "low", "close", "volume")
    ]
    await connection.execute(_SEED_BARS, symbol, *columns)


def _instrument(row: asyncpg.Record) -> Instrument:
    fields = dict(row)
    return Instrument(**fields | {"asset_class": AssetClass(fields["asset_class"])})


def _state(row: asyncpg.Record | None) -> FeedState:
    if row is None:
        raise LookupError("feed_state has no row: the database was not migrated")
    return FeedState(**row)
