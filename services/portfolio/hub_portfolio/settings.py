"""Every setting of the portfolio service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub_events import PORTFOLIO, waits
from hub_runtime import (
    AmqpSettings,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    SettingsError,
    TlsSettings,
    setting,
)


@dataclass(frozen=True)
class PortfolioSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, AmqpSettings):
    auth_target: str = setting("where the auth service serves gRPC")
    market_data_target: str = setting("where the market-data service serves gRPC")
    position_target: str = setting("where the position service serves gRPC")
    price_fresh_for: timedelta = setting(
        "seconds after which a price counts as stale", default=timedelta(seconds=15)
    )
    retry_steps: tuple[str, ...] = setting(
        "how long an event that could not be handled waits before each further try, such as 30s,5m,1h",
        default=PORTFOLIO.waits,
        parse=waits,
    )
    history_calendar: str = setting("the calendar whose sessions are the days of histories", default="XNYS")
    snapshot_step: timedelta = setting(
        "seconds of the market's clock from one valuation of an account to the next",
        default=timedelta(minutes=5),
    )
    snapshot_poll_s: float = setting("pause between two looks at the market's clock", default=1.0)
    points_kept: timedelta = setting(
        "seconds of the market's clock that points within days are kept", default=timedelta(days=10)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.snapshot_step < timedelta(seconds=1):
            raise SettingsError(["HUB_SNAPSHOT_STEP: must be a second or more"])
