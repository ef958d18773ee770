"""When the market trades."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Day, Time, described

CalendarName = Annotated[
    str, described("A trading calendar.", "XNYS", pattern="^[A-Z0-9][A-Z0-9.]{0,11}$|^24x7$")
]
Timezone = Annotated[str, described("IANA name of the calendar's time zone.", "America/New_York")]


class Clock(Answer, frozen=True):
    """Where the market stands."""

    calendar: CalendarName
    timezone: Timezone
    market_time: Annotated[Time | None, described("The market's own time.")]
    is_open: bool
    next_open: Time | None
    next_close: Annotated[Time | None, described("When the running session, or else the next one, ends.")]


class Session(Answer, frozen=True):
    """A time during which a calendar's instruments trade."""

    day: Annotated[Day, described("The trading day, in the calendar's time zone.", "2026-11-27")]
    opens_at: Time | None
    closes_at: Annotated[Time | None, described("Not part of the session.")]


class Calendar(Answer, frozen=True):
    """The sessions of a calendar, in time order."""

    calendar: CalendarName
    timezone: Timezone
    sessions: list[Session]


class NewCalendar(Answer, frozen=True):
    """A calendar that is there, without sessions so far."""

    calendar: CalendarName
    timezone: Timezone


class Hours(Answer, frozen=True):
    """What the days have now."""

    sessions: list[Session]
