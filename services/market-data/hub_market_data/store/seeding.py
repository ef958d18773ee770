"""Filling a database with instruments and calendars. Adds what is missing and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from hub_market_data.domain.calendars import Session
from hub_market_data.domain.instruments import Instrument
from hub_market_data.store.catalogue import session_columns
from hub_postgres import Pool, transaction

SEED_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('market-data seed', 0))"
_INSTRUMENT: Final = """
    INSERT INTO instruments (symbol, name, asset_class, exchange, currency, tick_size, lot_size, min_quantity,
                             max_quantity, fractionable, tradable, shortable, halted, calendar,
                             settlement_calendar, sector, description)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (symbol) DO UPDATE
       SET sector = excluded.sector, description = excluded.description
     WHERE instruments.sector = '' AND instruments.description = ''
"""
# The row's lock: hours that an administrator is setting just now are seen by the next statement.
_LOCK_CALENDAR: Final = "SELECT FROM calendars WHERE calendar = $1 FOR UPDATE"
_SESSIONS: Final = """
    INSERT INTO sessions (calendar, day, opens_at, closes_at)
    SELECT $1, s.day, s.opens_at, s.closes_at
      FROM unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) AS s (day, opens_at, closes_at)
     WHERE NOT EXISTS (SELECT FROM administered_days a WHERE a.calendar = $1 AND a.day = s.day)
    ON CONFLICT (calendar, opens_at) DO NOTHING
"""
_SETTLEMENT_DAYS: Final = """
    INSERT INTO settlement_days (calendar, day)
    SELECT $1, day FROM unnest($2::date[]) AS d (day)
    ON CONFLICT DO NOTHING
"""


class Seeding:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def instruments(self, instruments: Sequence[Instrument]) -> None:
        rows = [
            (
                each.symbol,
                each.name,
                each.asset_class.value,
                each.exchange,
                each.currency,
                each.tick_size,
                each.lot_size,
                each.min_quantity,
                each.max_quantity,
                each.fractionable,
                each.tradable,
                each.shortable,
                each.halted,
                each.calendar,
                each.settlement_calendar,
                each.sector,
                each.description,
            )
            for each in instruments
        ]
        async with transaction(self._pool) as connection:
            await connection.execute(SEED_LOCK)
            await connection.executemany(_INSTRUMENT, rows)

    async def sessions(self, calendar: str, sessions: Sequence[Session]) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SEED_LOCK)
            await connection.execute(_LOCK_CALENDAR, calendar)
            await connection.execute(_SESSIONS, calendar, *session_columns(sessions))

    async def settlement_days(self, calendar: str, days: Sequence[date]) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SEED_LOCK)
            await connection.execute(_SETTLEMENT_DAYS, calendar, days)
