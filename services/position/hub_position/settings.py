"""Every setting of the position service."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub_errors import Invalid
from hub_money import parse_decimal
from hub_runtime import (
    AmqpSettings,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    TlsSettings,
    setting,
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
    settle_interval_s: float = setting(
        "pause between two looks for trades whose settlement day has come", default=5.0
    )
