"""Every setting of the position service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from hub_errors import Invalid
from hub_events import POSITIONS, waits
from hub_money import PLACES, parse_decimal
from hub_position.domain.fees import ASSET_CLASSES, FeeSchedule
from hub_runtime import (
    AmqpSettings,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    TlsSettings,
    setting,
)

Rates = tuple[tuple[str, Decimal], ...]


def _deposit(text: str) -> Decimal:
    try:
        amount = parse_decimal(text, field="deposit", positive=False)
    except Invalid as error:
        raise ValueError("must be an amount such as 100000.00") from error
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


def _rate(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not rate.is_finite() or not 0 <= rate < 1 or rate != round(rate, PLACES):
        raise ValueError(f"must be a share with at most {PLACES} places: from 0, and below 1")
    return rate


def _rates(text: str) -> Rates:
    found: dict[str, Decimal] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        asset_class, _, rate = (piece.strip() for piece in part.partition("="))
        if asset_class not in ASSET_CLASSES or asset_class in found:
            raise ValueError(f"must name each of {', '.join(ASSET_CLASSES)} once at most, as CRYPTO=0.0025")
        found[asset_class] = _rate(rate)
    return tuple(found.items())


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
        "what a trade costs beside its price, as a share of its value", default=Decimal(0), parse=_rate
    )
    fee_rate_by_class: Rates = setting(
        "the same for some asset classes, such as CRYPTO=0.0025", default=(), parse=_rates
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
