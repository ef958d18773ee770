"""The hours in which orders work, by the clocks of the exchange and by its days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from hub_market_client import Calendar, Session
from hub_order.hours import ExtendedHours, Hours
from hub_order.settings import OrderSettings
from hub_runtime import SettingsError, load
from tests.order.peers import Tape

NEW_YORK = ZoneInfo("America/New_York")
XNYS = Calendar("XNYS", "America/New_York", always_open=False)
OFFERED = ExtendedHours.parse("04:00-20:00")


def at(day: str, clock: str) -> datetime:
    """What New York's clocks show, in UTC."""
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def session(day: str, opens: str = "09:30", closes: str = "16:00") -> Session:
    return Session("XNYS", at(day, opens), at(day, closes), date.fromisoformat(day))


def days(*sessions: Session, hours: str = "04:00-20:00", calendar: Calendar = XNYS) -> Sequence[Session]:
    return ExtendedHours.parse(hours).days(sessions, calendar)


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        ("2036-03-07", "2036-03-07T09:00", "2036-03-08T01:00"),  # Friday before the clocks go forward
        ("2036-03-10", "2036-03-10T08:00", "2036-03-11T00:00"),
        ("2036-10-31", "2036-10-31T08:00", "2036-11-01T00:00"),  # Friday before they go back
        ("2036-11-03", "2036-11-03T09:00", "2036-11-04T01:00"),
    ],
)
def test_extended_hours_are_those_of_the_exchanges_clocks(day: str, begins: str, ends: str) -> None:
    (found,) = days(session(day))
    assert found.day == date.fromisoformat(day)
    assert (found.opens_at, found.closes_at) == tuple(
        datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begins, ends)
    )


def test_an_early_close_changes_nothing_of_them() -> None:
    (found,) = days(session("2036-11-28", closes="13:00"))
    assert (found.opens_at, found.closes_at) == (at("2036-11-28", "04:00"), at("2036-11-28", "20:00"))


def test_only_days_with_a_session_have_them_and_a_day_with_several_has_them_once() -> None:
    found = days(
        session("2036-11-26", "09:30", "12:00"),
        session("2036-11-26", "13:00", "16:00"),
        session("2036-11-28"),  # Thursday is Thanksgiving
        session("2036-12-01"),
    )
    assert [each.day.isoformat() for each in found] == ["2036-11-26", "2036-11-28", "2036-12-01"]


def test_on_a_day_on_which_the_clocks_go_forward_what_they_leave_out_comes_later() -> None:
    (sunday,) = days(session("2036-03-09"), hours="02:30-20:00")
    assert sunday.opens_at == at("2036-03-09", "03:30")


def test_they_may_last_to_the_days_end_and_what_of_a_session_lies_beyond_them_is_of_its_day() -> None:
    (whole,) = days(session("2036-03-10"), hours="00:00-24:00")
    assert (whole.opens_at, whole.closes_at) == (at("2036-03-10", "00:00"), at("2036-03-11", "00:00"))
    (longer,) = days(session("2036-03-10", "08:00", "22:00"), hours="09:00-20:00")
    assert (longer.opens_at, longer.closes_at) == (at("2036-03-10", "08:00"), at("2036-03-10", "22:00"))


def test_where_it_is_always_open_there_are_none() -> None:
    assert not days(session("2036-03-10"), calendar=Calendar("24x7", "UTC", always_open=True))


@pytest.mark.parametrize(
    "text",
    [
        *("04:00", "4:00-20:00", "04:00-20:0", "20:00-04:00", "04:00-04:00", "04:60-20:00", "24:00-24:00"),
        *("x", "-", "04:00-24:01", "04:00 - 20:00", "04:00-20:00-21:00", "\u0660\u0664:00-20:00"),
    ],
)
def test_a_wrong_setting_stops_the_process_and_says_which(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(OrderSettings, {"HUB_EXTENDED_HOURS": text})
    assert [fault for fault in refused.value.faults if fault.startswith("HUB_EXTENDED_HOURS: must be")]


def test_without_the_setting_they_are_not_offered() -> None:
    for text in ("", "04:00-20:00"):
        with pytest.raises(SettingsError) as refused:
            load(OrderSettings, {"HUB_EXTENDED_HOURS": text})
        assert not [fault for fault in refused.value.faults if "HUB_EXTENDED_HOURS" in fault]


FRIDAY, MONDAY = session("2036-03-07"), session("2036-03-10")


def tape() -> Tape:
    made = Tape()
    made.exchange("XNYS", "America/New_York", *((each.opens_at, each.closes_at) for each in (FRIDAY, MONDAY)))
    return made


@pytest.mark.parametrize(
    ("now", "regular", "extended", "coming"),
    [
        (at("2036-03-07", "03:59"), False, False, "2036-03-07"),
        (at("2036-03-07", "04:00"), False, True, "2036-03-10"),
        (at("2036-03-07", "09:29"), False, True, "2036-03-10"),
        (at("2036-03-07", "09:30"), True, True, "2036-03-10"),
        (at("2036-03-07", "15:59"), True, True, "2036-03-10"),
        (at("2036-03-07", "16:00"), False, True, "2036-03-10"),
        (at("2036-03-07", "19:59"), False, True, "2036-03-10"),
        (at("2036-03-07", "20:00"), False, False, "2036-03-10"),
        (at("2036-03-08", "12:00"), False, False, "2036-03-10"),  # Saturday
        (at("2036-03-10", "12:00"), True, True, None),
    ],
)
def test_the_running_hours_and_the_next(
    now: datetime, *, regular: bool, extended: bool, coming: str | None
) -> None:
    market = tape()
    market.time(now)
    hours = Hours(market.cache, OFFERED)
    assert (hours.running("AAPL") is not None) is regular
    running, following = hours.running("AAPL", extended=True), hours.coming("AAPL", extended=True)
    assert (running is not None) is extended
    assert (None if following is None else following.day.isoformat()) == coming


def test_where_they_are_not_offered_any_more_an_order_with_them_works_in_the_session() -> None:
    market = tape()
    market.time(at("2036-03-07", "08:00"))
    hours = Hours(market.cache)
    assert not hours.extended("AAPL")
    assert hours.running("AAPL", extended=True) is None
    assert hours.coming("AAPL", extended=True) == hours.coming("AAPL")
    market.time(at("2036-03-07", "09:30"))
    assert hours.running("AAPL", extended=True) == hours.running("AAPL")


def test_they_follow_the_sessions_when_these_are_changed() -> None:
    market = tape()
    market.time(at("2036-03-07", "08:00"))
    hours = Hours(market.cache, OFFERED)
    assert hours.running("AAPL", extended=True) is not None
    market.hours((MONDAY.opens_at, MONDAY.closes_at))
    assert hours.running("AAPL", extended=True) is None, "an administrator has closed the day"


def test_an_instrument_that_always_trades_has_none() -> None:
    market = Tape()
    hours = Hours(market.cache, OFFERED)
    assert not hours.extended("AAPL")
    assert not hours.extended("NONE")
    assert hours.running("AAPL", extended=True) == hours.running("AAPL") is not None
