"""Every setting of the portfolio service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub_runtime import DatabaseSettings, GrpcSettings, ProcessSettings, TlsSettings, setting


@dataclass(frozen=True)
class PortfolioSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings):
    auth_target: str = setting("where the auth service serves gRPC")
    market_data_target: str = setting("where the market-data service serves gRPC")
    position_target: str = setting("where the position service serves gRPC")
    price_fresh_for: timedelta = setting(
        "seconds after which a price counts as stale", default=timedelta(seconds=15)
    )
