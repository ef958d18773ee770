"""What a venue that keeps orders says, asks and is asked: facts are recorded whatever the order's state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hub_errors import HubError
from hub_order.domain import Filled, Report
from hub_order.store import Orders
from hub_order.usecases.telling import tell_all
from hub_order.venue import Exchange, Venue
from hub_runtime import Backoff, Clock, counter, crash_point, gauge, get_logger

PAGE = 500
_FIRST_ID = UUID(int=0)

STRAYS = counter("hub_order_stray_executions_total", "Executions of orders that are not ours", ("venue",))
OVERFILLS = counter("hub_order_overfills_total", "Executions beyond an order's quantity", ("venue",))

OLDEST = gauge(
    "hub_order_at_venue_oldest_seconds", "How long a venue has had the order that it has longest", ("venue",)
)

log = get_logger("venue")


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueDesk:
    """One venue and the orders that it may have."""

    venue: Venue
    orders: Orders
    clock: Clock
    reconcile_after: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        """A counter that is there from the start: nobody sees the first rise of one that comes with it."""
        for metric in (STRAYS, OVERFILLS):
            metric.labels(self.venue.name)

    async def follow(self) -> None:
        """A forever-job: records what the venue says as it comes."""
        backoff = Backoff(0.1, 5.0)
        async with aclosing(self.venue.reports()) as reports:  # type: ignore[type-var]
            async for batch in reports:
                while True:
                    try:
                        await self.record(batch)
                        backoff.reset()
                        break
                    except HubError as error:
                        log.warning("reports_wait", code=error.code, reports=len(batch))
                    await backoff.wait()

    async def reconcile(self, interval_s: float) -> None:
        """A forever-job: what has been at the venue for long is asked about. That finds what was lost with a
        process, a connection or a report."""
        while True:
            try:
                await self.reconcile_once()
            except HubError as error:
                log.warning("reconciliation_failed", code=error.code)
            await asyncio.sleep(interval_s)

    async def reconcile_once(self) -> int:
        """How many orders were asked about."""
        after, count, oldest = _FIRST_ID, 0, 0.0
        while page := await self.orders.at_venue(after=after, limit=PAGE):
            after = page[-1].order_id
            now = self.clock()
            ages = {each.order_id: now - each.route.routed_at for each in page if each.route is not None}
            oldest = max(oldest, *(age.total_seconds() for age in ages.values()))
            old = [each for each in page if ages[each.order_id] >= self.reconcile_after]
            count += len(old)
            # What waits for its place is told with the order that has it.
            known = [each for each in old if not each.waits]
            if known:
                await self.record(await self.venue.reconcile(known))
                await self.ask([each.order_id for each in known if each.ending or each.successor])
        OLDEST.labels(self.venue.name).set(oldest)
        return count

    async def ask(self, order_ids: Sequence[UUID]) -> None:
        """Asks the venue to end what it has of these orders and is to be ended, and to replace what is to be
        replaced: one question at a time, so the end of one that is being replaced waits for the answer."""
        found = (await self.orders.read(order_ids)).values()
        at_venue = [order for order in found if order.route is not None and not order.waits]
        successors = await self.orders.read(
            [order.successor for order in at_venue if order.successor is not None]
        )
        exchanges = [
            Exchange(old=order, new=successors[order.successor])
            for order in at_venue
            if order.successor is not None and successors[order.successor].waits
        ]
        ends = [order for order in at_venue if order.ending and order.successor is None]
        if exchanges:
            reports = await self.venue.replace(exchanges)
            crash_point("order.replace.after_ask")
            await self.record(reports)
        if ends:
            await self.record(await self.venue.cancel(ends))

    async def record(self, reports: Sequence[Report]) -> None:
        """One transaction for all of them."""
        if not reports:
            return
        by_order: dict[UUID, list[Report]] = {}
        for report in reports:
            by_order.setdefault(report.order_id, []).append(report)
        changes, strays = await self.orders.record(by_order, venue=self.venue.name)
        tell_all(changes, {})
        self._alarm(strays)
        for change in changes:
            if change.execution is not None and change.order.filled_quantity > change.order.quantity:
                OVERFILLS.labels(self.venue.name).inc()
                log.error("order_overfilled", order_id=str(change.order.order_id))

    def _alarm(self, strays: Sequence[Filled]) -> None:
        for stray in strays:
            STRAYS.labels(self.venue.name).inc()
            log.error("stray_execution", order_id=str(stray.order_id), execution=stray.venue_execution_id)
