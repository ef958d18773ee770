"""Questions that the board answers; the sessions of other days come from the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub_errors import NotFound, Unavailable
from hub_market_data.board import Board
from hub_market_data.domain.calendars import (
    Calendar,
    MarketClock,
    Session,
    always_open_on,
    days_between,
)
from hub_market_data.domain.instruments import Instrument, Search, asked_symbols
from hub_market_data.domain.pages import page_size, page_token, read_page_token
from hub_market_data.domain.ticks import Quote
from hub_market_data.store import Catalogue
from hub_runtime import Clock

USUAL_PAGE: Final = 100
LARGEST_PAGE: Final = 500


def list_instruments(
    board: Board, search: Search, *, size: int, token: str
) -> tuple[Sequence[Instrument], str]:
    """A page in symbol order, and the token of the next one."""
    size = page_size(size, usual=USUAL_PAGE, most=LARGEST_PAGE)
    after = read_page_token(search.key(), token)
    require_loaded(board)
    found = [each for each in search.of(board.instruments.values()) if each.symbol > after]
    page = found[:size]
    return page, page_token(search.key(), page[-1].symbol) if len(found) > size else ""


def get_quotes(board: Board, symbols: Sequence[str]) -> tuple[Sequence[Quote], Sequence[str], Sequence[str]]:
    """The quotes, the symbols that no instrument has, and those that have had no price yet."""
    asked = asked_symbols(symbols)
    require_loaded(board)
    known = [symbol for symbol in asked if symbol in board.instruments]
    if known and not board.quotes:
        raise Unavailable("There are no prices yet.", code="market_data_unavailable")
    unknown = [symbol for symbol in asked if symbol not in board.instruments]
    unpriced = [symbol for symbol in known if symbol not in board.quotes]
    return [board.quotes[symbol] for symbol in known if symbol in board.quotes], unknown, unpriced


def get_clock(board: Board, calendar: str, *, clock: Clock) -> MarketClock:
    known = calendar_of(board, calendar)
    now = board.market_time or clock()
    running = board.session(known.calendar, now)
    coming = board.next_session(known.calendar, now)
    ending = running or coming
    return MarketClock(
        calendar=known,
        market_time=now,
        is_open=running is not None,
        next_open=coming.opens_at if coming else None,
        next_close=ending.closes_at if ending else None,
    )


async def list_sessions(
    board: Board, calendar: str, *, first_day: str, last_day: str, catalogue: Catalogue
) -> tuple[Calendar, Sequence[Session]]:
    days = days_between(first_day, last_day)
    known = calendar_of(board, calendar)
    if known.always_open:
        return known, always_open_on(days)
    return known, await catalogue.sessions(known.calendar, days[0], days[-1])


def followed_symbols(board: Board, symbols: Sequence[str]) -> frozenset[str]:
    """What a stream follows: the symbols asked for, all when none is."""
    require_loaded(board)
    return frozenset(symbols)


def calendar_of(board: Board, name: str) -> Calendar:
    require_loaded(board)
    calendar = board.calendars.get(name)
    if calendar is None:
        raise unknown_calendar()
    return calendar


def unknown_calendar() -> NotFound:
    return NotFound("There is no such calendar.", code="unknown_calendar", field="calendar")


def require_loaded(board: Board) -> None:
    if not board.loaded.is_set():
        raise Unavailable("The market is not known yet.", code="market_data_unavailable")
