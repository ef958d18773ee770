"""When orders work: in the sessions of their instrument's calendar, or throughout its extended hours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from hub_market_client import Calendar, QuoteCache, Session

_HOURS: Final = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)", re.ASCII)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExtendedHours:
    """From when to when on each day with a session, as the exchange's clocks show it; None: to the day's
    end."""

    begins: time
    ends: time | None

    @classmethod
    def parse(cls, text: str) -> ExtendedHours:
        found = _HOURS.fullmatch(text)
        # The texts have the same form, so they compare as the times do.
        if found is None or found[1] >= found[2]:
            raise ValueError("must be a time and a later one of the same day, like 04:00-20:00")
        return cls(
            time.fromisoformat(found[1]), None if found[2] == "24:00" else time.fromisoformat(found[2])
        )

    def days(self, sessions: Sequence[Session], calendar: Calendar) -> list[Session]:
        """The trading days of these sessions, each as one long session. What of a session lies beyond the
        extended hours belongs to its day as well."""
        if calendar.always_open:
            return []
        ordered = sorted(sessions, key=_opens_at)
        return [self._whole(day, list(own), calendar) for day, own in groupby(ordered, key=_day)]

    def _whole(self, day: date, sessions: Sequence[Session], calendar: Calendar) -> Session:
        last_day, ends = (day, self.ends) if self.ends is not None else (day + _DAY, time())
        begins_at, ends_at = (
            _instant(day, self.begins, calendar.zone),
            _instant(last_day, ends, calendar.zone),
        )
        return Session(
            calendar=calendar.name,
            opens_at=min(begins_at, sessions[0].opens_at),
            closes_at=max(ends_at, sessions[-1].closes_at),
            day=day,
        )


class Hours:
    """`extended` asks for an order with extended hours: what it gets is its whole trading day. Where they are
    not offered (any more) it works in the sessions, as the others do."""

    def __init__(self, cache: QuoteCache, extended: ExtendedHours | None = None) -> None:
        self._cache = cache
        self._extended = extended
        # By calendar, as long as its sessions are the same.
        self._days: dict[str, tuple[Sequence[Session], list[Session]]] = {}

    @property
    def offered(self) -> bool:
        return self._extended is not None

    def extended(self, symbol: str) -> bool:
        """Whether the instrument has hours outside of its sessions."""
        calendar = self._cache.calendar(symbol)
        return self.offered and calendar is not None and not calendar.always_open

    def running(self, symbol: str, *, extended: bool = False) -> Session | None:
        days = self._days_of(symbol) if extended else None
        if days is None:
            return self._cache.session(symbol)
        now = self._cache.market_time()
        return next((day for day in days if day.opens_at <= now < day.closes_at), None)

    def coming(self, symbol: str, *, extended: bool = False) -> Session | None:
        """The next one to begin."""
        days = self._days_of(symbol) if extended else None
        if days is None:
            return self._cache.next_session(symbol)
        now = self._cache.market_time()
        return next((day for day in days if day.opens_at > now), None)

    def _days_of(self, symbol: str) -> list[Session] | None:
        calendar = self._cache.calendar(symbol)
        if self._extended is None or calendar is None or calendar.always_open:
            return None
        sessions = self._cache.sessions(symbol)
        known = self._days.get(calendar.name)
        if known is None or known[0] is not sessions:
            known = self._days[calendar.name] = sessions, self._extended.days(sessions, calendar)
        return known[1]


def _instant(day: date, shown: time, zone: ZoneInfo) -> datetime:
    """What the clocks leave out on that day comes when they have been put forward."""
    return datetime.combine(day, shown, zone).astimezone(UTC)


def _opens_at(session: Session) -> datetime:
    return session.opens_at


def _day(session: Session) -> date:
    return session.day
