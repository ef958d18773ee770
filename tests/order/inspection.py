"""Looking at the history of the house as an auditor does."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from hub_order.audit import Anchor
from hub_order.audit.days import bounds
from hub_order.store.anchors import Anchors
from hub_order.store.audit import reading
from hub_order.usecases.anchoring import anchor_days
from hub_order.usecases.verification import Verification
from hub_runtime import utc_now
from tests.order.house import House


async def findings(house: House, *, since: date | None = None, order_id: UUID | None = None) -> list[str]:
    """What verification finds, a line each."""
    async with reading(house.database.runtime.url, house.database.runtime.password) as history:
        verification = Verification(history, Anchors(house.pool))
        found = verification.order(order_id) if order_id else verification.everything(since)
        return [str(finding) async for finding in found]


async def anchored(house: House, *, now: datetime | None = None) -> list[Anchor]:
    """Anchors as the job would at that time; without one, tomorrow: all that was recorded until now."""
    async with reading(house.database.runtime.url, house.database.runtime.password) as history:
        made = anchor_days(history=history, anchors=Anchors(house.pool), now=now or tomorrow())
        return [anchor async for anchor in made]


def tomorrow() -> datetime:
    """When today is over, and its margin too."""
    return bounds(today())[1] + timedelta(minutes=20)


def today() -> date:
    return utc_now().date()


async def move_back(house: House, days: int) -> None:
    """All records and refusals that are there were made so many days earlier."""
    for table in ("order_events", "refusals"):
        await house.tamper(f"UPDATE {table} SET recorded_at = recorded_at - interval '{days} days'")
