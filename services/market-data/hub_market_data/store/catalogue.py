"""Instruments, calendars, sessions and settlement days: reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import asyncpg

from hub_market_data.domain.calendars import SESSIONS_AHEAD, SESSIONS_BACK, Calendar, Session
from hub_market_data.domain.instruments import AssetClass, Instrument
from hub_postgres import Connection, Pool, acquire

CHANNEL: Final = "market_catalogue"
SETTLEMENT_BACK: Final = timedelta(days=10)
SETTLEMENT_AHEAD: Final = timedelta(days=35)

INSTRUMENT: Final = """symbol, name, asset_class, exchange, currency, tick_size, lot_size, min_quantity,
           max_quantity, fractionable, tradable, shortable, halted, halt_reason, calendar,
           settlement_calendar, sector, description"""
_INSTRUMENTS: Final = f"SELECT {INSTRUMENT} FROM instruments ORDER BY symbol"  # noqa: S608 - constant columns
_CALENDARS: Final = "SELECT calendar, always_open, timezone FROM calendars ORDER BY calendar"
_SESSIONS: Final = """
    SELECT s.calendar, coalesce(s.day, (s.opens_at AT TIME ZONE c.timezone)::date) AS day,
           s.opens_at, s.closes_at
      FROM calendars c
     CROSS JOIN LATERAL (
           (SELECT calendar, day, opens_at, closes_at
              FROM sessions
             WHERE calendar = c.calendar AND closes_at > $1
             ORDER BY closes_at
             LIMIT $2)
           UNION ALL
           SELECT calendar, day, opens_at, closes_at
             FROM sessions
            WHERE calendar = c.calendar AND closes_at > $3 AND closes_at <= $1) s
     WHERE NOT c.always_open
     ORDER BY s.calendar, s.opens_at
"""
_SETTLEMENT_DAYS: Final = """
    SELECT s.calendar, s.day
      FROM (SELECT DISTINCT settlement_calendar AS calendar FROM instruments) c
      JOIN settlement_days s ON s.calendar = c.calendar AND s.day BETWEEN $1 AND $2
     ORDER BY s.calendar, s.day
"""
# A session opens at most a day before or after its trading day in UTC.
_SESSIONS_BETWEEN: Final = """
    SELECT s.calendar, coalesce(s.day, (s.opens_at AT TIME ZONE c.timezone)::date) AS day,
           s.opens_at, s.closes_at
      FROM calendars c
      JOIN sessions s ON s.calendar = c.calendar
     WHERE c.calendar = $1
       AND s.opens_at >= ($2::date - 1) AT TIME ZONE 'UTC' AND s.opens_at < ($3::date + 2) AT TIME ZONE 'UTC'
       AND coalesce(s.day, (s.opens_at AT TIME ZONE c.timezone)::date) BETWEEN $2 AND $3
     ORDER BY s.opens_at
"""


# Those that are over count too, for feeds whose prices know nothing of them.
_SPLITS: Final = """
    SELECT symbol, ex_date, ratio, effective_at, applied_at IS NOT NULL AS applied
      FROM corporate_actions
     WHERE added AND type = 'SPLIT'
     ORDER BY symbol, ex_date
"""


@dataclass(frozen=True, kw_only=True)
class AddedSplit:
    symbol: str
    ex_date: date
    ratio: Decimal
    effective_at: datetime | None
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Everything about a moment: of the sessions the running one, the next, and those of the day before."""

    instruments: Sequence[Instrument]
    calendars: Sequence[Calendar]
    sessions: Sequence[Session]
    settlement_days: Mapping[str, Sequence[date]]
    splits: Sequence[AddedSplit]


class Catalogue:
    """It is read every few seconds, and seldom has anything changed: what is as before is the same object."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[asyncpg.Record, str | None, Instrument]] = {}

    async def load(self, market_time: datetime, *, calendar: str | None = None) -> Loaded:
        """With `calendar` all instruments trade by that one, whatever their own is."""
        today = market_time.astimezone(UTC).date()
        async with acquire(self._pool) as connection:
            instruments = await connection.fetch(_INSTRUMENTS)
            calendars = await connection.fetch(_CALENDARS)
            since = market_time - SESSIONS_BACK
            sessions = await connection.fetch(_SESSIONS, market_time, 1 + SESSIONS_AHEAD, since)
            days = await connection.fetch(_SETTLEMENT_DAYS, today - SETTLEMENT_BACK, today + SETTLEMENT_AHEAD)
            splits = await connection.fetch(_SPLITS)
        settlement: dict[str, list[date]] = {}
        for name, day in days:
            settlement.setdefault(name, []).append(day)
        return Loaded(
            instruments=[self._instrument(row, calendar) for row in instruments],
            calendars=[Calendar(**row) for row in calendars],
            sessions=[Session(**row) for row in sessions],
            settlement_days={name: tuple(each) for name, each in settlement.items()},
            splits=[AddedSplit(**row) for row in splits],
        )

    def _instrument(self, row: asyncpg.Record, calendar: str | None) -> Instrument:
        symbol: str = row["symbol"]
        known = self._known.get(symbol)
        if known is not None and known[0] == row and known[1] == calendar:
            return known[2]
        made = instrument_of(row) if calendar is None else replace(instrument_of(row), calendar=calendar)
        self._known[symbol] = row, calendar, made
        return made

    async def sessions(self, calendar: str, first_day: date, last_day: date) -> Sequence[Session]:
        async with acquire(self._pool) as connection:
            return await sessions_between(connection, calendar, first_day, last_day)


async def sessions_between(
    connection: Connection, calendar: str, first_day: date, last_day: date
) -> Sequence[Session]:
    """Of a calendar that is not always open, in time order."""
    rows = await connection.fetch(_SESSIONS_BETWEEN, calendar, first_day, last_day)
    return [Session(**row) for row in rows]


def session_columns(sessions: Sequence[Session]) -> tuple[list[date], list[datetime], list[datetime]]:
    """For a statement that takes them as arrays."""
    return (
        [each.day for each in sessions],
        [each.opens_at for each in sessions],
        [each.closes_at for each in sessions],
    )


def instrument_of(row: asyncpg.Record) -> Instrument:
    fields = dict(row)
    return Instrument(**fields | {"asset_class": AssetClass(fields["asset_class"])})
