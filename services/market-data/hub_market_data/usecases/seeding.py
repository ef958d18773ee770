"""Filling a database with instruments, calendars and history."""

from __future__ import annotations

from collections.abc import Sequence

from hub_market_data import exchange
from hub_market_data.domain.calendars import settlement_days
from hub_market_data.domain.instruments import Instrument
from hub_market_data.seed import INSTRUMENTS
from hub_market_data.store import Bars, Seeding
from hub_market_data.usecases.bars import seed_bars
from hub_runtime import Clock


async def seed(
    store: Seeding,
    bars: Bars,
    *,
    clock: Clock,
    instruments: Sequence[Instrument] = INSTRUMENTS,
    history: bool = True,
) -> int:
    """Adds what is missing: instruments, the exchange's sessions, settlement days, and for the replay the
    history up to the last trading day; changes nothing that is there. Answers the number of new day bars."""
    await store.instruments(instruments)
    sessions = exchange.sessions()
    await store.sessions(exchange.XNYS.calendar, sessions)
    trading_days = [session.day for session in sessions]
    await store.settlement_days(exchange.SETTLEMENT, list(settlement_days(trading_days)))
    if not history:
        return 0
    return await seed_bars(bars, trading_days=trading_days, today=clock().date())
