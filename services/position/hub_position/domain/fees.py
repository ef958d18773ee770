"""What a trade costs beside its price: a share of its value, by asset class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context, Decimal

from hub_money import PLACES

_LEAST = Decimal(1).scaleb(-PLACES)
_DOWN = Context(prec=64, rounding=ROUND_FLOOR)


@dataclass(frozen=True)
class FeeSchedule:
    """Shares of a trade's value."""

    general: Decimal = Decimal(0)
    by_class: Mapping[str, Decimal] = field(default_factory=dict)

    def rate(self, asset_class: str) -> Decimal:
        return self.by_class.get(asset_class, self.general)


def fee_of(value: Decimal, rate: Decimal) -> Decimal:
    """Rounded down: so the parts of an order never cost more than was held for the whole."""
    if not rate:
        return Decimal(0)
    return _DOWN.multiply(value, rate).quantize(_LEAST, context=_DOWN)
