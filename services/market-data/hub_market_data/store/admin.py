"""What administrators change. Each act is one transaction with its record, and tells all processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from hub_market_data.domain.calendars import Calendar, Session
from hub_market_data.domain.instruments import Instrument
from hub_market_data.store.catalogue import (
    CHANNEL,
    INSTRUMENT,
    instrument_of,
    session_columns,
    sessions_between,
)
from hub_postgres import Connection, Pool, transaction
from hub_runtime import uuid7

_EVENT: Final = "INSERT INTO admin_events (id, actor, act, detail) VALUES ($1, $2, $3, $4::jsonb)"
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '')"
_HALT: Final = f"""
    UPDATE instruments SET halted = $2, halt_reason = $3 WHERE symbol = $1
    RETURNING {INSTRUMENT}
"""  # noqa: S608 - constant columns
_NEW_CALENDAR: Final = """
    INSERT INTO calendars (calendar, always_open, timezone) VALUES ($1, false, $2)
    ON CONFLICT (calendar) DO NOTHING
"""
_CALENDAR: Final = "SELECT calendar, always_open, timezone FROM calendars WHERE calendar = $1 FOR UPDATE"
_HAS_SESSIONS: Final = "SELECT EXISTS (SELECT FROM sessions WHERE calendar = $1)"
_MOVE_CALENDAR: Final = "UPDATE calendars SET timezone = $2 WHERE calendar = $1"
_FORGET_SESSIONS: Final = """
    DELETE FROM sessions
     WHERE calendar = $1
       AND opens_at >= ($4::date - 1) AT TIME ZONE 'UTC' AND opens_at < ($5::date + 2) AT TIME ZONE 'UTC'
       AND coalesce(day, (opens_at AT TIME ZONE $3::text)::date) = ANY ($2::date[])
"""
_NEW_SESSIONS: Final = """
    INSERT INTO sessions (calendar, day, opens_at, closes_at)
    SELECT $1, day, opens_at, closes_at
      FROM unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) AS s (day, opens_at, closes_at)
"""
_ADMINISTERED: Final = """
    INSERT INTO administered_days (calendar, day)
    SELECT $1, day FROM unnest($2::date[]) AS d (day)
    ON CONFLICT DO NOTHING
"""
# The feeder notices when it saves, and goes on from there.
_MOVE_TIME: Final = """
    UPDATE feed_state SET market_time = $1 WHERE market_time IS NULL OR market_time < $1
    RETURNING market_time
"""


@dataclass(frozen=True, kw_only=True)
class Act:
    """Who does what."""

    actor: UUID
    act: str
    detail: Mapping[str, Any]


class Admin:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def set_halt(self, symbol: str, *, reason: str, act: Act) -> Instrument | None:
        """Halted with a reason, trading without one. None: there is no such instrument."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(_HALT, symbol, bool(reason), reason)
            if row is None:
                return None
            await record(connection, act)
        return instrument_of(row)

    async def create_calendar(self, calendar: Calendar, *, act: Act) -> bool:
        """Also moves one without sessions to another time zone. False: that one cannot be moved."""
        async with transaction(self._pool) as connection:
            await connection.execute(_NEW_CALENDAR, calendar.calendar, calendar.timezone)
            known = await _locked(connection, calendar.calendar)
            if known != calendar:
                if await connection.fetchval(_HAS_SESSIONS, calendar.calendar):
                    return False
                await connection.execute(_MOVE_CALENDAR, calendar.calendar, calendar.timezone)
            await record(connection, act)
        return True

    async def calendar(self, name: str) -> Calendar | None:
        async with transaction(self._pool) as connection:
            return await _locked(connection, name)

    async def set_hours(
        self, calendar: Calendar, days: Sequence[date], sessions: Sequence[Session], *, act: Act
    ) -> Sequence[Session] | None:
        """The days have these sessions and no others, and seeding leaves them alone. None: the calendar is
        not what the sessions were made for any more."""
        async with transaction(self._pool) as connection:
            if await _locked(connection, calendar.calendar) != calendar:
                return None
            if not days:
                return ()
            first, last = min(days), max(days)
            await connection.execute(
                _FORGET_SESSIONS, calendar.calendar, days, calendar.timezone, first, last
            )
            await connection.execute(_NEW_SESSIONS, calendar.calendar, *session_columns(sessions))
            await connection.execute(_ADMINISTERED, calendar.calendar, days)
            await record(connection, act)
            now = await sessions_between(connection, calendar.calendar, first, last)
        return [each for each in now if each.day in set(days)]

    async def move_market_time(self, market_time: datetime, *, act: Act) -> bool:
        """False: it is there already, or further."""
        async with transaction(self._pool) as connection:
            if await connection.fetchval(_MOVE_TIME, market_time) is None:
                return False
            await record(connection, act)
        return True

    async def record(self, act: Act) -> None:
        """An act that changes nothing in the database."""
        async with transaction(self._pool) as connection:
            await record(connection, act)


async def _locked(connection: Connection, name: str) -> Calendar | None:
    row = await connection.fetchrow(_CALENDAR, name)
    return None if row is None else Calendar(**row)


async def record(connection: Connection, act: Act) -> None:
    await connection.execute(_EVENT, uuid7(), act.actor, act.act, json.dumps(act.detail))
    await connection.execute(_NOTIFY)
