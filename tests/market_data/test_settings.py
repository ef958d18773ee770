"""Wrong settings stop the process at its start."""

from __future__ import annotations

import dataclasses

import pytest

from hub_market_data.settings import MarketDataSettings
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
