"""The job that values: looks at the market's clock, and values everybody once in each of its steps."""

from __future__ import annotations

import asyncio
from datetime import datetime

from hub_errors import HubError
from hub_portfolio.usecases.valuations import Valuer, forget_old, running_step, value_all
from hub_postgres import holding_lock
from hub_runtime import counter, gauge, get_logger

VALUED = counter("hub_portfolio_valuations_total", "Accounts that were valued for their history")
STEP = gauge("hub_portfolio_valued_step_seconds", "The market's time of the last step that is valued")

log = get_logger("snapshot")


async def snapshot_for_ever(valuer: Valuer, *, url: str, password: str, poll_s: float) -> None:
    """One works, by an advisory lock; who loses it begins anew."""
    while True:
        async with holding_lock(url, password, "portfolio snapshot") as lock:
            done: datetime | None = None
            while not lock.lost.is_set():
                done = await snapshot(valuer, done)
                await asyncio.sleep(poll_s)


async def snapshot(valuer: Valuer, done: datetime | None) -> datetime | None:
    """The step that is valued now; one that fails is tried again."""
    try:
        step = running_step(valuer)
        if step == done:
            return done
        count = await value_all(valuer, step)
        await forget_old(valuer, step)
    except HubError as error:
        log.warning("snapshot_failed", code=error.code)
        return done
    VALUED.inc(count)
    STEP.set(step.timestamp())
    return step
