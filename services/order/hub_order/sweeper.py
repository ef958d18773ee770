"""The job that sweeps: holds without an order, market orders without a price, keys past their time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from hub_errors import HubError
from hub_order.clients import Market, Position
from hub_order.store import Orders, Sweeping
from hub_order.usecases.sweep import expire, fail_stale, forget_keys, sweep_holds
from hub_runtime import Clock, get_logger

log = get_logger("sweeper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    position: Position
    orders: Orders
    sweeping: Sweeping
    market: Market
    clock: Clock
    hold_max_age: timedelta
    order_max_age: timedelta

    async def run(self, interval_s: float) -> None:
        """A part that fails now is tried again in the next pass, and does not keep the others from theirs."""
        while True:
            for part in (self.holds, self.stale, self.expiry, self.keys):
                await _attempted(part)
            await asyncio.sleep(interval_s)

    async def holds(self) -> int:
        return await sweep_holds(
            position=self.position, sweeping=self.sweeping, clock=self.clock, max_age=self.hold_max_age
        )

    async def stale(self) -> int:
        return await fail_stale(
            orders=self.orders, sweeping=self.sweeping, market=self.market, max_age=self.order_max_age
        )

    async def expiry(self) -> int:
        return await expire(orders=self.orders, market=self.market)

    async def keys(self) -> int:
        return await forget_keys(sweeping=self.sweeping, clock=self.clock)


async def _attempted(part: Callable[[], Awaitable[int]]) -> None:
    try:
        await part()
    except HubError as error:
        log.warning("sweep_failed", part=part.__name__, code=error.code)
