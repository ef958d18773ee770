"""What several jobs of one process read and write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hub_order.store import Acceptance, LimitsStore, Orders, OwnOrders, Replacing, Resting, Sweeping
from hub_postgres import Pool


@dataclass(frozen=True)
class Stores:
    orders: Orders
    acceptance: Acceptance
    replacing: Replacing
    sweeping: Sweeping
    limits: LimitsStore
    own_orders: OwnOrders
    resting: Resting

    @classmethod
    def over(cls, pool: Pool) -> Self:
        return cls(
            orders=Orders(pool),
            acceptance=Acceptance(pool),
            replacing=Replacing(pool),
            sweeping=Sweeping(pool),
            limits=LimitsStore(pool),
            own_orders=OwnOrders(pool),
            resting=Resting(pool),
        )
