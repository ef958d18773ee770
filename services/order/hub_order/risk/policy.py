"""Which limits hold for an order: those of its account, else of its asset class, else of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hub_order.risk.facts import AccountLimits, Limits

ByClass = tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`general` holds where `by_class` says nothing else."""

    general: Limits
    by_class: Mapping[str, Limits] = field(default_factory=dict)

    @classmethod
    def of(cls, general: Limits, **by_class: ByClass) -> Policy:
        """Each keyword is the name of a limit, with what it is in some classes."""
        classes: dict[str, dict[str, Any]] = {}
        for name, values in by_class.items():
            for asset_class, value in values:
                classes.setdefault(asset_class, {})[name] = value
        return cls(general, {asset_class: replace(general, **own) for asset_class, own in classes.items()})

    def limits(self, asset_class: str | None, own: AccountLimits | None = None) -> Limits:
        limits = self.by_class.get(asset_class or "", self.general)
        if own is None:
            return limits
        return replace(
            limits,
            most_value=limits.most_value if own.most_value is None else own.most_value,
            most_quantity=limits.most_quantity if own.most_quantity is None else own.most_quantity,
            most_position=limits.most_position if own.most_position is None else own.most_position,
            orders_per_minute=limits.orders_per_minute
            if own.orders_per_minute is None
            else own.orders_per_minute,
        )
