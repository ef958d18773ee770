"""Every variable of the market-data service, its default and its meaning."""

from __future__ import annotations

from dataclasses import dataclass

from hub_market_data.domain.calendars import Hours, read_extended_hours
from hub_runtime import (
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    RedisSettings,
    TlsSettings,
    one_of,
    setting,
)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0.1 <= speed <= 1000:
        raise ValueError("must be a number from 0.1 to 1000")
    return speed


def _days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= days <= 3650:
        raise ValueError("must be a whole number from 1 to 3650")
    return days


@dataclass(frozen=True)
class MarketDataSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, RedisSettings):
    auth_target: str = setting("gRPC target of the auth service")
    market_hours: str = setting(
        "24x7: everything trades always; XNYS: each instrument by its own calendar",
        default="24x7",
        parse=one_of("24x7", "XNYS"),
    )
    extended_hours: Hours | None = setting(
        "prices of these hours of a day with sessions count too, such as 04:00-20:00; empty: of none",
        default=None,
        parse=read_extended_hours,
    )
    feed_speed: float = setting(
        "how many times faster than a trading day of 6.5 h a daily bar is played", default=10.0, parse=_speed
    )
    feed_seed: int = setting("which of the possible days the replay plays", default=1)
    minute_bars_days: int = setting(
        "for how many days minute bars are kept, 1 to 3650", default=30, parse=_days
    )
    feed_target: str = setting("where the active feeder answers; needed by serve without feed", default="")
