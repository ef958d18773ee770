"""How the board is filled and kept up to date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from hub_market_data.board import Board
from hub_market_data.domain.calendars import ALWAYS_OPEN, always_open_sessions
from hub_market_data.domain.instruments import Instrument
from hub_market_data.store import Catalogue, Feeding
from hub_postgres import Wakeup
from hub_runtime import Clock

# A change is told; this is for one that was told while nobody listened.
REFRESH_S: Final = 2.0


async def keep(
    board: Board, *, read: Callable[[], Awaitable[None]], feeding: Feeding, wakeup: Wakeup
) -> None:
    """For ever: reads the catalogue when it changes, and when a session has ended."""
    await read()
    await restore(board, feeding=feeding)
    while True:
        await wakeup.wait(REFRESH_S)
        await read()


async def refresh(board: Board, *, catalogue: Catalogue, clock: Clock, market_hours: str) -> None:
    """Reads the catalogue as it is now."""
    async with board.reading:
        now = board.market_time or clock()
        only = ALWAYS_OPEN if market_hours == ALWAYS_OPEN else None
        loaded = await catalogue.load(now, calendar=only)
        board.catalogue(
            loaded.instruments,
            (*always_open_sessions(now), *loaded.sessions),
            calendars=loaded.calendars,
            settlement_days=loaded.settlement_days,
        )


async def restore(board: Board, *, feeding: Feeding) -> None:
    """The last quotes that were saved, until a feed has newer ones. After this the board may be asked."""
    state, quotes = await feeding.last_known()
    board.begin(state.epoch, state.market_time)
    board.publish(quotes, state.market_time)
    board.loaded.set()


def in_force(instrument: Instrument, market_hours: str) -> Instrument:
    """With the calendar it trades by: its own, unless every market is to be open always."""
    return replace(instrument, calendar=ALWAYS_OPEN) if market_hours == ALWAYS_OPEN else instrument
