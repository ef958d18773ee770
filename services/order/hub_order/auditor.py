"""The job that anchors each day once it is over."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from hub_order.audit.days import bounds
from hub_order.store.anchors import Anchors
from hub_order.store.audit import reading
from hub_order.usecases.anchoring import anchor_days, due
from hub_postgres import HeldLock, database_faults
from hub_runtime import gauge, get_logger

INTERVAL_S = 60.0

ANCHORED = gauge("hub_order_audit_anchored_until_seconds", "End of the last day that is anchored, Unix time")

log = get_logger("auditor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """Reads with sessions of its own, which may take longer than those of a pool."""

    anchors: Anchors
    database_url: str
    database_password: str
    interval_s: float = INTERVAL_S

    async def lead(self, lock: HeldLock) -> None:
        """Until the lock is lost; another instance goes on then."""
        while not lock.lost.is_set():
            await self.look()
            try:
                async with asyncio.timeout(self.interval_s):
                    await lock.lost.wait()
            except TimeoutError:
                pass

    async def look(self) -> int:
        """Anchors what is due. How many days."""
        now, days = await self.anchors.now(), 0
        last = await self.anchors.last()
        if last is not None:
            ANCHORED.set(bounds(last.day)[1].timestamp())
        if not await due(anchors=self.anchors, now=now):
            return 0
        with database_faults():
            async with reading(self.database_url, self.database_password) as history:
                made = anchor_days(history=history, anchors=self.anchors, now=now)
                async with aclosing(made):
                    async for anchor in made:
                        days += 1
                        ANCHORED.set(bounds(anchor.day)[1].timestamp())
                        # Whoever keeps this line elsewhere can tell if the anchor itself is exchanged.
                        counts = {"orders": anchor.orders, "records": anchor.records}
                        counts |= {"refusals": anchor.refusals, "executions": anchor.executions}
                        log.info("day_anchored", day=str(anchor.day), digest=anchor.digest.hex(), **counts)
        return days
