"""Every setting of the position service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hub_errors import Invalid
from hub_events import POSITIONS, waits
from hub_money import parse_decimal
from hub_position.domain.fees import FeeSchedule
from hub_runtime import (
    AmqpSettings,
    ByClass,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    TlsSettings,
    by_class,
    setting,
    share,
)


def _deposit(text: str) -> Decimal:
    try:
        amount = parse_decimal(text, field="deposit", positive=False)
    except Invalid as error:
        raise ValueError("must be an amount such as 100000.00") from error
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


@dataclass(frozen=True)
class PositionSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, AmqpSettings):
    auth_target: str = setting("where the auth service serves gRPC")
    market_data_target: str = setting("where the market-data service serves gRPC")
    paper_deposit: Decimal = setting(
        "paper money that an account opens with", default=Decimal("100000.00"), parse=_deposit
    )
    most_deposit: Decimal = setting(
        "largest deposit that an owner may make at once; 0: none", default=Decimal(1_000_000), parse=_deposit
    )
    fee_rate: Decimal = setting(
        "what a trade costs beside its price, as a share of its value", default=Decimal(0), parse=share
    )
    fee_rate_by_class: ByClass = setting(
        "the same for some asset classes, such as CRYPTO=0.0025", default=(), parse=by_class(share)
    )
    retry_steps: tuple[str, ...] = setting(
        "how long an event that could not be handled waits before each further try, such as 30s,5m,1h",
        default=POSITIONS.waits,
        parse=waits,
    )
    settle_interval_s: float = setting("pause between two looks for what the job settle does", default=5.0)

    oversold_for: timedelta = setting(
        "seconds that a holding may be negative before its account is restricted",
        default=timedelta(seconds=60),
    )

    @property
    def fees(self) -> FeeSchedule:
        return FeeSchedule(self.fee_rate, dict(self.fee_rate_by_class))
