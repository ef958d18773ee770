"""How the board is filled and kept up to date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from hub_market_data.board import Board
from hub_market_data.domain.calendars import ALWAYS_OPEN, Hours, always_open_sessions
from hub_market_data.domain.instruments import Instrument
from hub_market_data.domain.splits import HALT_REASON, Split, Splits, begins_at
from hub_market_data.store import AddedSplit, Catalogue, Feeding, Loaded
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
        instruments = loaded.instruments
        splits = Splits(_split(each, instruments, loaded, board.extended_hours) for each in loaded.splits)
        board.catalogue(
            [halted_by_split(instrument, splits, board, now) for instrument in instruments],
            (*always_open_sessions(now), *loaded.sessions),
            calendars=loaded.calendars,
            settlement_days=loaded.settlement_days,
            splits=splits,
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


def halted_by_split(instrument: Instrument, splits: Splits, board: Board, now: datetime) -> Instrument:
    """A halt of its own: who lifts an administrator's, which is shown first, does not lift it."""
    if instrument.halted or not split_halts(instrument.symbol, splits, board, now):
        return instrument
    return replace(instrument, halted=True, halt_reason=HALT_REASON)


def split_halts(symbol: str, splits: Splits, board: Board, now: datetime) -> bool:
    quote = board.quotes.get(symbol)
    return splits.halts(symbol, now, None if quote is None else quote.market_time)


def _split(
    added: AddedSplit, instruments: Sequence[Instrument], loaded: Loaded, hours: Hours | None
) -> Split:
    effective_at = added.effective_at
    names = [each.calendar for each in instruments if each.symbol == added.symbol]
    calendar = next((each for each in loaded.calendars if each.calendar in names), None)
    if effective_at is None and calendar is not None:
        effective_at = begins_at(calendar, added.ex_date, loaded.sessions, hours)
    return Split(symbol=added.symbol, ratio=added.ratio, effective_at=effective_at, applied=added.applied)
