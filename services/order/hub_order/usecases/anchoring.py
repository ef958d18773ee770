"""Anchors each day once it is over: whatever is changed in it afterwards no longer fits to its digest."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, datetime, timedelta

from hub_order.audit import FIRST, Anchor
from hub_order.audit.days import bounds
from hub_order.store.anchors import Anchors
from hub_order.store.audit import History

# Rows are dated by the start of their transaction, which the database ends within seconds.
MARGIN = timedelta(minutes=15)


async def due(*, anchors: Anchors, now: datetime, margin: timedelta = MARGIN) -> bool:
    """Whether a day may be over that has no anchor."""
    last = await anchors.last()
    return last is None or _over(_next(last.day), now, margin)


async def anchor_days(
    *, history: History, anchors: Anchors, now: datetime, margin: timedelta = MARGIN
) -> AsyncGenerator[Anchor, None]:
    """All days that are over and have none, those without anything in them too, oldest first.

    The first is the day of the first thing that was ever recorded.
    """
    last = await anchors.last()
    day = await history.first_day() if last is None else _next(last.day)
    prev_digest = FIRST if last is None else last.digest
    while day is not None and _over(day, now, margin):
        anchor = await history.day(day, prev_digest=prev_digest)
        if not await anchors.add(anchor):
            return  # another instance goes on
        yield anchor
        day, prev_digest = _next(day), anchor.digest


def _over(day: date, now: datetime, margin: timedelta) -> bool:
    return bounds(day)[1] + margin <= now


def _next(day: date) -> date:
    return day + timedelta(days=1)
