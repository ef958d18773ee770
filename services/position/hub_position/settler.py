"""The job that looks what is due: settles by the market's day, and restricts by the wall's clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hub_errors import HubError
from hub_position.clients import Market
from hub_position.domain.cash import settled_until
from hub_position.usecases import restrict_oversold, settle_trades
from hub_postgres import Pool
from hub_runtime import Clock, counter, get_logger

SETTLED = counter("hub_position_settled_trades_total", "Trades that were looked at because they were due")

log = get_logger("settler")


async def settle_for_ever(*, pool: Pool, market: Market, clock: Clock, interval_s: float) -> None:
    """One that fails is tried again in the next pass."""
    while True:
        try:
            await settle_all(pool=pool, market=market, clock=clock)
        except HubError as error:
            log.warning("settlement_failed", code=error.code)
        await asyncio.sleep(interval_s)


async def settle_all(*, pool: Pool, market: Market, clock: Clock) -> int:
    """All that is due by the market's clock, in transactions of bounded size."""
    until = settled_until(market.time())
    count = 0
    while done := await settle_trades(until, pool=pool, now=clock()):
        count += done
        SETTLED.inc(done)
    if count:
        log.info("trades_settled", count=count, until=until.isoformat())
    return count


async def restrict_for_ever(*, pool: Pool, clock: Clock, oversold_for: timedelta, interval_s: float) -> None:
    """Accounts whose holding stays negative; a failure is tried again in the next pass."""
    while True:
        try:
            await restrict_all(pool=pool, clock=clock, oversold_for=oversold_for)
        except HubError as error:
            log.warning("restriction_failed", code=error.code)
        await asyncio.sleep(interval_s)


async def restrict_all(*, pool: Pool, clock: Clock, oversold_for: timedelta) -> int:
    now, count = clock(), 0
    while done := await restrict_oversold(now - oversold_for, pool=pool, now=now):
        count += done
    if count:
        log.warning("oversold_accounts_restricted", count=count)
    return count
