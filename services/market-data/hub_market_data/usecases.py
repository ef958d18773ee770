"""What market-data is asked for, and how its copy of the market is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hub_errors import Unavailable
from hub_market_data.board import Board
from hub_market_data.domain import Instrument, Quote, always_open_sessions, asked_symbols
from hub_market_data.seed import INSTRUMENTS, histories
from hub_market_data.store import Store
from hub_runtime import Clock


async def seed(store: Store, *, clock: Clock) -> int:
    """Fills a new database: instruments, and their history up to yesterday. Changes nothing that is there."""
    return await store.seed(INSTRUMENTS, histories(clock().date() - timedelta(days=1)))


async def refresh(board: Board, *, store: Store, clock: Clock, market_hours: str) -> None:
    """Reads the catalogue; `market_hours` is the calendar that stands in for every instrument's own."""
    now = board.market_time or clock()
    instruments, sessions = await store.catalogue(now)
    board.catalogue(
        [replace(instrument, calendar=market_hours) for instrument in instruments],
        (*always_open_sessions(now), *sessions),
    )


async def restore(board: Board, *, store: Store) -> None:
    """The last quotes that were saved, until a feed has newer ones. After this the board may be asked."""
    state, quotes = await store.last_known()
    board.begin(state.epoch, state.market_time)
    board.publish(quotes, state.market_time)
    board.loaded.set()


def list_instruments(board: Board) -> Sequence[Instrument]:
    _require_loaded(board)
    return tuple(board.instruments.values())


def get_quotes(board: Board, symbols: Sequence[str]) -> tuple[Sequence[Quote], Sequence[str]]:
    """The quotes, and the symbols that no instrument has."""
    asked = asked_symbols(symbols)
    _require_loaded(board)
    known = [symbol for symbol in asked if symbol in board.instruments]
    if not all(symbol in board.quotes for symbol in known):
        raise Unavailable("There are no prices yet.", code="market_data_unavailable")
    unknown = [symbol for symbol in asked if symbol not in board.instruments]
    return [board.quotes[symbol] for symbol in known], unknown


def followed_symbols(board: Board, symbols: Sequence[str]) -> frozenset[str]:
    """What a stream follows: the symbols asked for, all when none is."""
    _require_loaded(board)
    return frozenset(symbols)


def _require_loaded(board: Board) -> None:
    if not board.loaded.is_set():
        raise Unavailable("The market is not known yet.", code="market_data_unavailable")
