"""Wrong settings stop the process at its start."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hub_market_data.feeds import feed_instruments
from hub_market_data.settings import FeedSettings, MarketDataSettings
from hub_runtime import SettingsError, load


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HUB_FEED_SPEED", "0"),
        ("HUB_FEED_SPEED", "-1"),
        ("HUB_FEED_SPEED", "nan"),
        ("HUB_FEED_SPEED", "fast"),
        ("HUB_FEED_SPEED", "1e9"),
        ("HUB_FEED_SEED", "x"),
        ("HUB_MARKET_HOURS", "always"),
        ("HUB_EXTENDED_HOURS", "04:00"),
        ("HUB_EXTENDED_HOURS", "04:00-25:00"),
        ("HUB_EXTENDED_HOURS", "20:00-04:00"),
        ("HUB_FEED", "bloomberg"),
        ("HUB_FEED_RESOLUTION", "hour"),
        ("HUB_FEED_START", "monday"),
        ("HUB_FEED_START", "2013-10-07T09:30:00"),
        ("HUB_FEED_SYMBOLS", "0"),
        ("HUB_FEED_SYMBOLS", "10001"),
        ("HUB_FEED_RATE", "1e6"),
        ("HUB_FEED_STALL_S", "0"),
        ("HUB_ALPACA_URL", "https://stream.example"),
        ("HUB_ALPACA_CODEC", "xml"),
        ("HUB_ALPACA_SYMBOLS", "AAPL,not a symbol"),
        ("HUB_MINUTE_BARS_DAYS", "0"),
        ("HUB_MINUTE_BARS_DAYS", "3651"),
        ("HUB_MINUTE_BARS_DAYS", "a month"),
    ],
)
def test_a_wrong_value_is_a_fault_of_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(MarketDataSettings, {variable: text})
    assert [fault for fault in refused.value.faults if fault.startswith(f"{variable}: must be")]


def test_the_market_is_always_open_unless_somebody_says_otherwise() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(MarketDataSettings)}
    assert fields["market_hours"] == "24x7"
    with pytest.raises(SettingsError) as refused:
        load(MarketDataSettings, {"HUB_MARKET_HOURS": "XNYS"})
    assert not [fault for fault in refused.value.faults if "HUB_MARKET_HOURS" in fault]


@pytest.mark.parametrize(
    ("feed", "variable", "text"),
    [
        ("replay", "HUB_FEED_DATA", "."),
        ("", "HUB_FEED_START", "2013-10-07"),
        ("random", "HUB_FEED_RESOLUTION", "tick"),
        ("lean", "HUB_FEED_SYMBOLS", "10"),
        ("lean", "HUB_ALPACA_SYMBOLS", "AAPL"),
        ("replay", "HUB_ALPACA_KEY_ID", "AK"),
    ],
)
def test_a_setting_of_a_feed_that_is_not_active_is_refused(feed: str, variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable}: is a setting of the \w+ feed, and HUB_FEED is"):
        load(FeedSettings, {"HUB_FEED": feed, variable: text})


@pytest.mark.parametrize(
    ("feed", "missing"),
    [
        ("replay", []),
        ("random", []),
        ("lean", ["HUB_FEED_DATA"]),
        ("alpaca", ["HUB_ALPACA_URL", "HUB_ALPACA_KEY_ID", "HUB_ALPACA_SECRET_FILE", "HUB_ALPACA_SYMBOLS"]),
    ],
)
def test_what_the_active_feed_needs_is_asked_for(feed: str, missing: list[str]) -> None:
    settings = load(FeedSettings, {"HUB_FEED": feed})
    faults = []
    try:
        settings.require_feed()
    except SettingsError as refused:
        faults = refused.faults
    assert faults == [f"{name}: is required when HUB_FEED is {feed}" for name in missing]


def test_a_start_is_a_day_in_new_york_or_a_moment_with_its_zone() -> None:
    for text, hour in (("2013-10-07", 4), ("2013-12-02", 5), ("2013-10-07T09:30:00-04:00", 13)):
        start = load(FeedSettings, {"HUB_FEED": "lean", "HUB_FEED_START": text}).feed_start
        assert start is not None
        assert start.hour == hour


def test_a_folder_that_is_none_is_refused_before_anything_is_seeded(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HUB_FEED_DATA: there is no equity/usa/tick"):
        feed_instruments(FeedSettings(feed="lean", feed_data=tmp_path))
