"""Parts of positions: made, looked at and merged. Nothing is booked by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_position.domain import views as rules
from hub_position.domain.views import Parts, View, Whole
from hub_position.store import Views
from hub_runtime import uuid7
from hub_texts import Name


@dataclass(frozen=True)
class Place:
    """A position, whether or not there is one."""

    account_id: UUID
    symbol: str


async def list_views(place: Place, *, store: Views) -> Parts:
    found = await store.whole(place.account_id, place.symbol)
    if found is None:
        raise rules.no_position()
    return rules.divide(found)


async def create_view(
    place: Place,
    *,
    name: Name,
    size: tuple[Decimal | None, Decimal | None],
    store: Views,
    now: datetime,
) -> tuple[Parts, UUID]:
    """`size` is a quantity or a percentage."""
    quantity, percentage = size
    new = View(uuid7(), name, quantity, percentage, now)

    def decide(found: Whole | None) -> View:
        if found is None:
            raise rules.no_position()
        rules.with_view(found, new)
        return new

    return rules.divide(await store.add(place.account_id, place.symbol, decide)), new.view_id


async def merge_view(place: Place, view_id: UUID, into: UUID | None, *, store: Views) -> Parts:
    """One that is gone already changes nothing."""

    def decide(found: Whole | None) -> tuple[View | None, View | None]:
        if found is None:
            raise rules.no_position()
        gone = next((view for view in found.views if view.view_id == view_id), None)
        if gone is None:
            return None, None
        return gone, None if into is None else rules.merged(found, gone, into)

    return rules.divide(await store.merge(place.account_id, place.symbol, decide))
