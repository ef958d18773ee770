"""Venues that a test steers: what they do is the service's own, when it is told is the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hub_order.domain import Order, Report
from hub_order.venue import Exchange, Faults, FillModel, Sending, SimulatedVenue, SlowVenue


class InterruptedVenue(SimulatedVenue):
    """Answers at once. `meanwhile` happens once, between its answer and what the worker makes of it."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def send(self, sendings: Sequence[Sending]) -> list[Report]:
        reports = await super().send(sendings)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return reports


class TellingVenue(SlowVenue):
    """Keeps orders; what it says waits in `said` until the test delivers it. With its process all of that is
    lost."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    def __init__(
        self, model: FillModel | None = None, faults: Faults | None = None, *, makes_room: bool = False
    ) -> None:
        super().__init__(model, faults)
        self.said: list[Report] = []
        self.makes_room = makes_room
        self._doubled = (faults or Faults()).doubled

    async def cancel(self, orders: Sequence[Order]) -> list[Report]:
        """Its answers to this come late, too."""
        self.said += await super().cancel(orders)
        return []

    async def replace(self, exchanges: Sequence[Exchange]) -> list[Report]:
        """One that only makes room takes no order in the place of another."""
        if self.makes_room:
            return await self.cancel([exchange.old for exchange in exchanges])
        self.said += await super().replace(exchanges)
        return []

    def _tell_later(self, order: Order, reports: Sequence[Report]) -> None:
        self.said += reports
        if self._doubled:
            self.said += reports
