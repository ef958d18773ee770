"""How an account stands: its own limits, how often it has sent orders, and what of it rests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from hub_order.risk import AccountLimits, Draft, Limits, Throttle


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules look at of an account."""

    retry_after_s: float | None = None
    open_orders: int = 0
    opposing_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountDesk:
    throttle: Throttle = field(default_factory=Throttle)

    def limits(self, account_id: UUID) -> AccountLimits | None:  # noqa: ARG002
        return None

    async def standing(self, account_id: UUID, draft: Draft, limits: Limits) -> Standing:  # noqa: ARG002
        now = asyncio.get_running_loop().time()
        return Standing(self.throttle.take(account_id, most=limits.orders_per_minute, now=now))
