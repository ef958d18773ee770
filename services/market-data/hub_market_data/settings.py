"""Every variable of the market-data service, its default and its meaning."""

from __future__ import annotations

from dataclasses import dataclass

from hub_runtime import DatabaseSettings, GrpcSettings, ProcessSettings, TlsSettings, one_of, setting


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0.1 <= speed <= 1000:
        raise ValueError("must be a number from 0.1 to 1000")
    return speed


@dataclass(frozen=True)
class MarketDataSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings):
    market_hours: str = setting("when every instrument trades", default="24x7", parse=one_of("24x7"))
    feed_speed: float = setting(
        "how many times faster than a trading day of 6.5 h a daily bar is played", default=10.0, parse=_speed
    )
    feed_seed: int = setting("which of the possible days the replay plays", default=1)
    feed_target: str = setting("where the active feeder answers; needed by serve without feed", default="")
