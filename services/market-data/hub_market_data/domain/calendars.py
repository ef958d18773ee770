"""When trading is possible: calendars, their hours and the sessions these make in UTC."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from hub_errors import Conflict, Invalid

ALWAYS_OPEN: Final = "24x7"
SESSIONS_AHEAD: Final = 2
# A trading day may go on after its last session, to midnight at most; some days have 25 hours.
SESSIONS_BACK: Final = timedelta(hours=25)
MOST_DAYS: Final = 400
MOST_HOURS: Final = 12
# What is further away is a mistake, and leaves no room for the shift to UTC.
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
_NAME: Final = re.compile(r"[A-Z0-9][A-Z0-9.]{0,11}")
_HOUR: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """One that is always open has a session each UTC day; another has those that were set."""

    calendar: str
    always_open: bool
    timezone: str

    def must_have_hours(self) -> None:
        if self.always_open:
            raise Conflict(f"{self.calendar} is always open.", code="calendar_always_open", field="calendar")


@dataclass(frozen=True, kw_only=True)
class Session:
    """A time during which a calendar's instruments trade; the close is not part of it. `day` is the trading
    day in the calendar's own time zone."""

    calendar: str
    day: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, kw_only=True)
class MarketClock:
    """Where a calendar stands; None: not known."""

    calendar: Calendar
    market_time: datetime
    is_open: bool
    next_open: datetime | None
    next_close: datetime | None


@dataclass(frozen=True, kw_only=True)
class Hours:
    """From when to when a day trades, as the clocks of its time zone show it; None: to the day's end."""

    opens: time
    closes: time | None

    def session(self, calendar: Calendar, day: date) -> Session:
        """Raises Invalid on a day whose clocks leave these hours out."""
        zone = ZoneInfo(calendar.timezone)
        closing_day = day if self.closes is not None else day + _DAY
        return Session(
            calendar=calendar.calendar,
            day=day,
            opens_at=_instant(datetime.combine(day, self.opens), zone),
            closes_at=_instant(datetime.combine(closing_day, self.closes or time()), zone),
        )

    def around(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when to when on that day. What its clocks leave out comes when they have been put forward."""
        closing_day = day if self.closes is not None else day + _DAY
        opens, closes = (
            datetime.combine(day, self.opens),
            datetime.combine(closing_day, self.closes or time()),
        )
        return opens.replace(tzinfo=zone).astimezone(UTC), closes.replace(tzinfo=zone).astimezone(UTC)


def read_extended_hours(text: str) -> Hours:
    """Raises ValueError."""
    opens, _, closes = text.partition("-")
    try:
        return _hours(opens, closes)
    except Invalid as error:
        raise ValueError(f"must be like 04:00-20:00: {error}") from None


def extended(
    sessions: Sequence[Session], calendars: Collection[Calendar], hours: Hours | None
) -> Sequence[Session]:
    """The hours around the sessions of each trading day, where there are any."""
    if hours is None:
        return ()
    zones = {each.calendar: ZoneInfo(each.timezone) for each in calendars if not each.always_open}
    days = sorted({(each.calendar, each.day) for each in sessions if each.calendar in zones})
    return [
        Session(calendar=name, day=day, opens_at=opens_at, closes_at=closes_at)
        for name, day in days
        for opens_at, closes_at in [hours.around(day, zones[name])]
    ]


def is_calendar_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def calendar_name(text: str) -> str:
    if not is_calendar_name(text):
        sentence = "A calendar's name is 1 to 12 capital letters, digits and dots."
        raise Invalid(sentence, code="invalid_calendar", field="calendar")
    return text


def timezone_name(text: str) -> str:
    """The IANA name of a time zone that exists. Files that hosts keep beside them (localtime) are none."""
    if text not in _zones():
        raise Invalid("There is no such time zone.", code="unknown_timezone", field="timezone")
    return text


@cache
def _zones() -> frozenset[str]:
    """Those of the IANA, as tzdata lists them."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(listed) - {"Factory"}


def read_day(text: str, field: str) -> date:
    try:
        if _DATE.fullmatch(text) and FIRST_YEAR <= (found := date.fromisoformat(text)).year <= LAST_YEAR:
            return found
    except ValueError:
        pass
    sentence = f"{field} must be a date like 2026-03-02, of the years {FIRST_YEAR} to {LAST_YEAR}."
    raise Invalid(sentence, code="invalid_date", field=field)


def days_between(first_day: str, last_day: str) -> Sequence[date]:
    """All days from the first to the last, which is one of them."""
    first, last = read_day(first_day, "first_day"), read_day(last_day, "last_day")
    if last < first:
        raise Invalid("The last day comes before the first.", code="inverted_range", field="last_day")
    if last - first > MOST_DAYS * _DAY or last == date.max:
        raise Invalid(f"At most {MOST_DAYS} days at once.", code="range_too_long", field="last_day")
    return [first + n * _DAY for n in range((last - first).days + 1)]


def on_weekdays(days: Sequence[date], weekdays: Collection[int]) -> Sequence[date]:
    """Those of the days that fall on one of the weekdays, 1 is Monday; all where none is said."""
    if not all(1 <= weekday <= 7 for weekday in weekdays):
        raise Invalid("Weekdays are 1 (Monday) to 7.", code="invalid_weekday", field="weekdays")
    return [day for day in days if not weekdays or day.isoweekday() in weekdays]


def read_hours(pairs: Sequence[tuple[str, str]]) -> Sequence[Hours]:
    """In time order and apart from each other."""
    if len(pairs) > MOST_HOURS:
        raise Invalid(f"At most {MOST_HOURS} sessions a day.", code="too_many_hours", field="hours")
    hours = [_hours(opens, closes) for opens, closes in pairs]
    for before, after in pairwise(hours):
        if before.closes is None or after.opens <= before.closes:
            raise Invalid(
                "Sessions must be in time order and must not overlap.",
                code="overlapping_hours",
                field="hours",
            )
    return hours


def sessions_of(calendar: Calendar, days: Sequence[date], hours: Sequence[Hours]) -> Sequence[Session]:
    """Each of the days with the same hours."""
    return [each.session(calendar, day) for day in days for each in hours]


def always_open_sessions(now: datetime) -> Sequence[Session]:
    """The running session of a market that never closes, and the next ones: one for each UTC day."""
    today = now.astimezone(UTC).date()
    return always_open_on([today + n * _DAY for n in range(1 + SESSIONS_AHEAD)])


def always_open_on(days: Sequence[date]) -> Sequence[Session]:
    return [_whole_day(day) for day in days]


def settlement_days(trading_days: Sequence[date]) -> Iterator[date]:
    """US securities settle on the exchange's days, but for two on which the banks are closed."""
    for day in trading_days:
        if not _is_columbus_day(day) and not _is_veterans_day(day):
            yield day


def _instant(shown: datetime, zone: ZoneInfo) -> datetime:
    """When clocks there show that for the first time."""
    found = shown.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != shown:
        sentence = f"The clocks are put forward over {shown:%H:%M} on {shown:%Y-%m-%d}."
        raise Invalid(sentence, code="invalid_hours", field="hours")
    return found


def _is_columbus_day(day: date) -> bool:
    """The second Monday of October."""
    return day.month == 10 and day.isoweekday() == 1 and 8 <= day.day <= 14


def _is_veterans_day(day: date) -> bool:
    """11 November; the Federal Reserve keeps the Monday after a Sunday, and nothing for a Saturday."""
    return day.month == 11 and (day.day == 11 or (day.day == 12 and day.isoweekday() == 1))


def _whole_day(day: date) -> Session:
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return Session(calendar=ALWAYS_OPEN, day=day, opens_at=midnight, closes_at=midnight + _DAY)


def _hours(opens: str, closes: str) -> Hours:
    for text in (opens, closes):
        if not _HOUR.fullmatch(text):
            raise Invalid(f"{text[:20]!r} is not a time like 09:30.", code="invalid_hours", field="hours")
    # The texts have the same form, so they compare as the times do.
    if opens >= closes:
        raise Invalid("The market must open before it closes.", code="closes_before_open", field="hours")
    return Hours(
        opens=time.fromisoformat(opens),
        closes=None if closes == "24:00" else time.fromisoformat(closes),
    )
