"""Holds the whole history against itself: every order, every chain, every day that is anchored."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from hub_order.audit import FIRST, RefusalChain, anchor_faults
from hub_order.audit.days import Anchor, bounds
from hub_order.store.anchors import Anchors
from hub_order.store.audit import History, OrderFile
from hub_order.usecases.order_faults import faults_of


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and with which order or day."""

    subject: str
    fault: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.fault}"


@dataclass(slots=True)
class Verification:
    """Counts while it goes. It reads a stream and keeps one page of orders: the size of the history does not
    matter; what is added meanwhile may be seen or not, and is never taken for a fault."""

    history: History
    anchors: Anchors
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("orders", "records", "executions", "refusals", "days"), 0)
    )
    anchored: Anchor | None = None
    """The last anchor that was looked at."""

    async def everything(self, since: date | None = None) -> AsyncGenerator[Finding, None]:
        """With a day: orders to which something happened, refusals and anchors since then."""
        moment = None if since is None else bounds(since)[0]
        orders = self.history.all_orders() if moment is None else self.history.orders_since(moment)
        async for file in orders:
            for finding in self._order(file):
                yield finding
        chain = RefusalChain(whole=moment is None)
        async for stored in self.history.refusals(since=moment):
            self.counts["refusals"] += 1
            for fault in chain.faults(stored):
                yield Finding(f"refusals of order {stored.refusal.order_id}", fault)
        async for finding in self._days(since or date.min):
            yield finding

    async def order(self, order_id: UUID) -> AsyncGenerator[Finding, None]:
        """One order and what was refused about it."""
        for file in await self.history.files([order_id]):
            if file.order is not None or file.records or file.executions:
                for finding in self._order(file):
                    yield finding
        chain = RefusalChain()
        async for stored in self.history.refusals(order_id=order_id):
            self.counts["refusals"] += 1
            for fault in chain.faults(stored):
                yield Finding(f"refusals of order {order_id}", fault)

    def _order(self, file: OrderFile) -> list[Finding]:
        self.counts["orders"] += 1
        self.counts["records"] += len(file.records)
        self.counts["executions"] += len(file.executions)
        return [Finding(f"order {file.order_id}", fault) for fault in faults_of(file)]

    async def _days(self, since: date) -> AsyncGenerator[Finding, None]:
        """Every day from the first anchor to the last has one, and is as it was then."""
        before: tuple[date, bytes] | None = None
        async for stored, digest in self.anchors.from_day(since):
            self.counts["days"] += 1
            expected = stored.day if before is None else date.fromordinal(before[0].toordinal() + 1)
            while expected < stored.day:
                yield Finding(f"day {expected}", "it has no anchor")
                expected = date.fromordinal(expected.toordinal() + 1)
            prev_digest = before[1] if before is not None else await self._digest_before(stored, since)
            found = await self.history.day(stored.day, prev_digest=prev_digest)
            for fault in anchor_faults(stored, digest, found):
                yield Finding(f"day {stored.day}", fault)
            before, self.anchored = (stored.day, digest), stored

    async def _digest_before(self, first: Anchor, since: date) -> bytes:
        """The first anchor of all follows nothing, unless something was recorded before its day."""
        if since > date.min:
            return first.prev_digest
        first_day = await self.history.first_day()
        return FIRST if first_day is None or first_day >= first.day else b"missing"
