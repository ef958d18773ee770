"""Calendars: hours in a time zone, the exchange's odd days, settlement days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from hub_errors import Conflict, Invalid
from hub_market_data import exchange
from hub_market_data.domain import calendars
from hub_market_data.domain.calendars import Calendar, Session

# Written by hand from the exchange's own announcements.
CLOSED = {
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
}
CLOSES_AT_ONE = {2024: "07-03 11-29 12-24", 2025: "07-03 11-28 12-24"}
SESSIONS = {session.day: session for session in exchange.sessions()}


def days(year: int, text: str) -> set[date]:
    return {date.fromisoformat(f"{year}-{day}") for day in text.split()}


def weekdays(year: int) -> set[date]:
    first = date(year, 1, 1)
    every = (first + timedelta(days=n) for n in range(366))
    return {day for day in every if day.year == year and day.isoweekday() < 6}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("year", [2024, 2025])
def test_the_exchange_is_closed_on_its_holidays_and_open_on_all_other_weekdays(year: int) -> None:
    traded = {day for day in SESSIONS if day.year == year}
    assert traded == weekdays(year) - days(year, CLOSED[year])


@pytest.mark.parametrize("year", [2024, 2025])
def test_the_exchange_closes_at_one_on_a_few_days_and_at_four_on_all_others(year: int) -> None:
    early = {
        day
        for day, session in SESSIONS.items()
        if day.year == year and session.closes_at - session.opens_at != timedelta(hours=6.5)
    }
    assert early == days(year, CLOSES_AT_ONE[year])
    for day in early:
        assert SESSIONS[day].closes_at - SESSIONS[day].opens_at == timedelta(hours=3.5)


@pytest.mark.parametrize(
    ("day", "opens_at", "closes_at"),
    [
        ("2024-03-08", "2024-03-08T14:30", "2024-03-08T21:00"),  # Friday before the clocks go forward
        ("2024-03-11", "2024-03-11T13:30", "2024-03-11T20:00"),
        ("2024-07-03", "2024-07-03T13:30", "2024-07-03T17:00"),
        ("2024-11-01", "2024-11-01T13:30", "2024-11-01T20:00"),  # Friday before they go back
        ("2024-11-04", "2024-11-04T14:30", "2024-11-04T21:00"),
        ("2024-11-29", "2024-11-29T14:30", "2024-11-29T18:00"),
        ("2025-03-07", "2025-03-07T14:30", "2025-03-07T21:00"),
        ("2025-03-10", "2025-03-10T13:30", "2025-03-10T20:00"),
        ("2025-10-31", "2025-10-31T13:30", "2025-10-31T20:00"),
        ("2025-11-03", "2025-11-03T14:30", "2025-11-03T21:00"),
    ],
)
def test_a_session_is_half_past_nine_to_four_in_new_york(day: str, opens_at: str, closes_at: str) -> None:
    assert SESSIONS[date.fromisoformat(day)] == Session(
        calendar="XNYS", day=date.fromisoformat(day), opens_at=utc(opens_at), closes_at=utc(closes_at)
    )


def test_the_exchange_was_closed_when_nobody_had_foreseen_it() -> None:
    for day in ("2001-09-11", "2001-09-14", "2004-06-11", "2007-01-02", "2012-10-29", "2018-12-05"):
        assert date.fromisoformat(day) not in SESSIONS
    assert {date(2001, 9, 10), date(2001, 9, 17), date(2021, 6, 18), date(2022, 6, 21)} <= set(SESSIONS)
    assert date(2022, 6, 20) not in SESSIONS, "the first Juneteenth, kept on the Monday"


def test_sessions_reach_from_2000_to_2036_in_order_and_never_overlap() -> None:
    every = exchange.sessions()
    assert (every[0].day, every[-1].day) == (date(2000, 1, 3), date(2036, 12, 31))
    assert len(every) == 9301
    assert all(before.closes_at < after.opens_at for before, after in pairwise(every))


def test_trades_settle_on_trading_days_but_columbus_and_veterans_day() -> None:
    settled = set(calendars.settlement_days(list(SESSIONS)))
    without = {day for day in SESSIONS if day not in settled}
    assert {day for day in without if 2023 <= day.year <= 2025} == {
        date(2023, 10, 9),  # 11 November was a Saturday then: the banks were open on the Friday
        date(2024, 10, 14),
        date(2024, 11, 11),
        date(2025, 10, 13),
        date(2025, 11, 11),
    }
    # 11 November is a Sunday then, kept on the Monday.
    assert {day for day in without if day.year == 2029} == {date(2029, 10, 8), date(2029, 11, 12)}


def made(timezone: str = "America/New_York") -> Calendar:
    return Calendar(calendar="MINE", always_open=False, timezone=timezone)


def test_a_day_may_have_several_sessions_and_last_to_midnight() -> None:
    hours = calendars.read_hours([("09:00", "11:30"), ("12:30", "24:00")])
    found = calendars.sessions_of(made("Asia/Tokyo"), [date(2026, 3, 2)], hours)
    assert [(session.opens_at, session.closes_at) for session in found] == [
        (utc("2026-03-02T00:00"), utc("2026-03-02T02:30")),
        (utc("2026-03-02T03:30"), utc("2026-03-02T15:00")),
    ]
    assert {session.day for session in found} == {date(2026, 3, 2)}


@pytest.mark.parametrize(("opens", "closes"), [("02:30", "03:00"), ("01:00", "02:00"), ("02:10", "02:50")])
def test_hours_that_the_change_of_clocks_leaves_out_are_refused(opens: str, closes: str) -> None:
    (hours,) = calendars.read_hours([(opens, closes)])
    with pytest.raises(Invalid) as refused:
        hours.session(made(), date(2026, 3, 8))
    assert (refused.value.code, refused.value.field) == ("invalid_hours", "hours")


def test_hours_that_a_day_has_twice_are_the_first_ones() -> None:
    (hours,) = calendars.read_hours([("01:30", "03:00")])
    found = hours.session(made(), date(2026, 11, 1))
    assert (found.opens_at, found.closes_at) == (utc("2026-11-01T05:30"), utc("2026-11-01T08:00"))


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("09:30", "09:30")], "closes_before_open"),
        ([("16:00", "09:30")], "closes_before_open"),
        ([("24:00", "24:00")], "closes_before_open"),
        ([("09:30", "12:00"), ("11:59", "16:00")], "overlapping_hours"),
        ([("09:30", "12:00"), ("12:00", "16:00")], "overlapping_hours"),
        ([("12:00", "16:00"), ("09:30", "11:00")], "overlapping_hours"),
        ([("12:00", "24:00"), ("13:00", "14:00")], "overlapping_hours"),
        ([("9:30", "16:00")], "invalid_hours"),
        ([("09:30", "25:00")], "invalid_hours"),
        ([("09:30", "24:01")], "invalid_hours"),
        ([("09:60", "16:00")], "invalid_hours"),
        ([("", "16:00")], "invalid_hours"),
        ([("09:30\n", "16:00")], "invalid_hours"),
        ([("٠٩:٣٠", "16:00")], "invalid_hours"),
        ([(f"{n:02}:00", f"{n:02}:30") for n in range(13)], "too_many_hours"),
    ],
)
def test_hours_that_make_no_sense_are_refused(pairs: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        calendars.read_hours(pairs)
    assert (refused.value.code, refused.value.field) == (code, "hours")


@pytest.mark.parametrize(
    ("first", "last", "code", "field"),
    [
        ("", "2026-01-01", "invalid_date", "first_day"),
        ("2026-01-01", "", "invalid_date", "last_day"),
        ("2026-02-30", "2026-03-01", "invalid_date", "first_day"),
        ("20260101", "2026-03-01", "invalid_date", "first_day"),
        ("2026-W01-1", "2026-03-01", "invalid_date", "first_day"),
        ("2026-01-02", "2026-01-01", "inverted_range", "last_day"),
        ("2026-01-01", "2027-02-06", "range_too_long", "last_day"),
        ("9999-12-31", "9999-12-31", "invalid_date", "first_day"),
        ("0001-01-01", "2026-01-01", "invalid_date", "first_day"),
        ("2199-12-31", "2200-01-01", "invalid_date", "last_day"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(first: str, last: str, code: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        calendars.days_between(first, last)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_date_out_of_bounds_is_told_the_bounds() -> None:
    with pytest.raises(Invalid, match="of the years 1900 to 2199"):
        calendars.days_between("9999-11-30", "9999-11-30")


def test_a_range_has_both_its_ends_and_at_most_400_days_between() -> None:
    assert calendars.days_between("2026-01-01", "2026-01-01") == [date(2026, 1, 1)]
    assert len(calendars.days_between("2026-01-01", "2027-02-05")) == 401


def test_weekdays_choose_among_the_days() -> None:
    week = calendars.days_between("2026-03-02", "2026-03-08")
    assert calendars.on_weekdays(week, {1, 7}) == [date(2026, 3, 2), date(2026, 3, 8)]
    assert calendars.on_weekdays(week, set()) == week
    for wrong in ({0}, {8}, {1, -1}):
        with pytest.raises(Invalid) as refused:
            calendars.on_weekdays(week, wrong)
        assert (refused.value.code, refused.value.field) == ("invalid_weekday", "weekdays")


@pytest.mark.parametrize(
    ("read", "texts", "code"),
    [
        (calendars.calendar_name, ["", "xnys", "A" * 13, "A B", "A\n", "Ä", "..", ".A"], "invalid_calendar"),
        (
            calendars.timezone_name,
            ["", "Mars/Olympus", "America", "../../etc/passwd", "/etc/localtime", "A\0B", "x" * 1000],
            "unknown_timezone",
        ),
    ],
)
def test_names_that_cannot_be_are_refused(read: Callable[[str], str], texts: list[str], code: str) -> None:
    for text in texts:
        with pytest.raises(Invalid) as refused:
            read(text)
        assert refused.value.code == code, text


def test_a_calendar_that_is_always_open_has_no_hours() -> None:
    with pytest.raises(Conflict) as refused:
        Calendar(calendar="24x7", always_open=True, timezone="UTC").must_have_hours()
    assert refused.value.code == "calendar_always_open"


def extended(text: str, day: str) -> list[tuple[datetime, datetime]]:
    """From when to when prices count around the session of that day."""
    hours = calendars.read_extended_hours(text)
    found = calendars.extended([SESSIONS[date.fromisoformat(day)]], [exchange.XNYS], hours)
    return [(each.opens_at, each.closes_at) for each in found]


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        ("2024-03-08", "2024-03-08T09:00", "2024-03-09T01:00"),  # Friday before the clocks go forward
        ("2024-03-11", "2024-03-11T08:00", "2024-03-12T00:00"),
        ("2024-11-01", "2024-11-01T08:00", "2024-11-02T00:00"),  # Friday before they go back
        ("2024-11-04", "2024-11-04T09:00", "2024-11-05T01:00"),
        ("2024-11-29", "2024-11-29T09:00", "2024-11-30T01:00"),  # the exchange closes at one
    ],
)
def test_extended_hours_are_those_of_new_yorks_clocks(day: str, begins: str, ends: str) -> None:
    assert extended("04:00-20:00", day) == [(utc(begins), utc(ends))]


def test_each_day_with_sessions_has_extended_hours_once_and_no_other_day() -> None:
    noon = [calendars.Hours(opens=time(9), closes=time(11)), calendars.Hours(opens=time(13), closes=time(15))]
    sessions = calendars.sessions_of(exchange.XNYS, [date(2024, 11, 27), date(2024, 11, 29)], noon)
    found = calendars.extended(sessions, [exchange.XNYS], calendars.read_extended_hours("04:00-24:00"))
    assert [each.day for each in found] == [date(2024, 11, 27), date(2024, 11, 29)]
    assert found[0].closes_at == utc("2024-11-28T05:00")


def test_where_it_is_always_open_there_are_no_extended_hours() -> None:
    always = Calendar(calendar="24x7", always_open=True, timezone="UTC")
    sessions = calendars.always_open_on([date(2024, 11, 27)])
    assert not calendars.extended(sessions, [always], calendars.read_extended_hours("04:00-20:00"))
    assert not calendars.extended([SESSIONS[date(2024, 11, 27)]], [exchange.XNYS], None)


def test_extended_hours_that_the_clocks_leave_out_begin_when_they_have_been_put_forward() -> None:
    hours = calendars.read_extended_hours("02:30-20:00")
    begins, _ = hours.around(date(2024, 3, 10), ZoneInfo("America/New_York"))
    assert begins == utc("2024-03-10T07:30")
