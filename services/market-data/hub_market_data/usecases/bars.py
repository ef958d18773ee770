"""Bars and corporate actions: what is asked of them, what is seeded, what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from hub_errors.page_tokens import invalid_page_token
from hub_market_data.board import Board
from hub_market_data.domain.actions import Adjuster, Adjustment, CorporateAction
from hub_market_data.domain.bars import EARLIEST, LATEST, Bar, Timeframe, bar_range, fold
from hub_market_data.domain.instruments import Instrument, unknown_symbol
from hub_market_data.domain.pages import page_size, page_token, read_page_token
from hub_market_data.history import read_series
from hub_market_data.replay import History
from hub_market_data.store import Bars
from hub_market_data.usecases.asking import require_loaded
from hub_runtime import get_logger

USUAL_PAGE: Final = 100
MOST_BARS: Final = 1000
MOST_ACTIONS: Final = 500
# So that reading a long page does not hold up everything else in the process.
ROWS_AT_ONCE: Final = 2000
FORGET_INTERVAL_S: Final = 60.0
FORGOTTEN_AT_ONCE: Final = 500

log = get_logger("bars")


async def list_bars(
    board: Board,
    store: Bars,
    *,
    symbol: str,
    timeframe: Timeframe,
    adjustment: Adjustment,
    start: datetime | None,
    end: datetime | None,
    size: int,
    token: str,
) -> tuple[Sequence[Bar], str]:
    """A page, oldest first, and the token of the next one."""
    size = page_size(size, usual=USUAL_PAGE, most=MOST_BARS)
    first, last = bar_range(start, end, timeframe)
    query = (symbol, timeframe.value, adjustment.value, str(start), str(end))
    if after := read_page_token(query, token):
        first = timeframe.end(_moment(after))
    _must_exist(board, symbol)
    bars = await _read(store, symbol, timeframe, adjustment, first=first, end=last, most=size)
    page = bars[:size]
    return page, page_token(query, page[-1].starts_at.isoformat()) if len(bars) > size else ""


async def list_corporate_actions(
    board: Board, store: Bars, *, symbol: str, size: int, token: str
) -> tuple[Sequence[CorporateAction], str]:
    """A page, oldest first, and the token of the next one."""
    size = page_size(size, usual=USUAL_PAGE, most=MOST_ACTIONS)
    query = ("corporate actions", symbol)
    after = read_page_token(query, token)
    place = _place(after) if after else (date.min, "")
    _must_exist(board, symbol)
    found = await store.actions(symbol, after=place, limit=size + 1)
    page = found[:size]
    following = f"{page[-1].ex_date.isoformat()}/{page[-1].type.value}" if len(found) > size else ""
    return page, page_token(query, following) if following else ""


async def playable(store: Bars, instruments: Mapping[str, Instrument]) -> Mapping[str, History]:
    """What the replay plays: the committed history since each series' last split, in whole ticks."""
    return {
        symbol: History(tick_size=tick_size, bars=[bar.on_grid(tick_size) for bar in bars])
        for symbol, bars in (await store.played()).items()
        if symbol in instruments and (tick_size := instruments[symbol].tick_size)
    }


async def seed_bars(store: Bars, *, trading_days: Sequence[date], today: date) -> int:
    """The committed history, as if its last day had been the last trading day before today."""
    days = [day for day in trading_days if day < today]
    return await store.seed({symbol: series.moved(days) for symbol, series in read_series().items()})


async def forget_minutes(store: Bars, board: Board, *, after: timedelta) -> None:
    """For ever: minute bars older than that, by the market's own time."""
    while True:
        await asyncio.sleep(FORGET_INTERVAL_S)
        await forget_minutes_now(store, board, after=after)


async def forget_minutes_now(store: Bars, board: Board, *, after: timedelta) -> None:
    if board.market_time is None:
        return
    symbols, before = list(board.instruments), board.market_time - after
    while forgotten := await store.forget_minutes(symbols, before=before, most=FORGOTTEN_AT_ONCE):
        log.debug("minutes_forgotten", bars=forgotten)


async def _read(
    store: Bars,
    symbol: str,
    timeframe: Timeframe,
    adjustment: Adjustment,
    *,
    first: datetime,
    end: datetime,
    most: int,
) -> Sequence[Bar]:
    """More than `most` bars only when there are more; the last of these may be in part."""
    bars: Sequence[Bar] = ()
    adjuster = Adjuster((), adjustment) if adjustment is Adjustment.RAW else None
    unread = most * timeframe.most_rows + 1
    while unread > 0 and len(bars) <= most:
        limit = min(unread, ROWS_AT_ONCE)
        if timeframe.minutes:
            rows = await store.minutes(symbol, first, end, limit=limit)
        else:
            rows = await store.days(symbol, first.date(), end.date(), limit=limit)
        if rows and adjuster is None:
            adjuster = Adjuster(await store.effects(symbol, after=rows[0].day), adjustment)
        if rows and adjuster is not None:
            bars = [*bars[:-1], *fold([*bars[-1:], *map(adjuster.adjusted, rows)], timeframe)]
        if len(rows) < limit:
            break
        unread -= limit
        first = rows[-1].starts_at + (timedelta(minutes=1) if timeframe.minutes else timedelta(days=1))
    return bars


def _must_exist(board: Board, symbol: str) -> None:
    require_loaded(board)
    if symbol not in board.instruments:
        raise unknown_symbol()


def _moment(after: str) -> datetime:
    try:
        moment = datetime.fromisoformat(after)
    except ValueError:
        raise invalid_page_token() from None
    if moment.tzinfo is None or not EARLIEST <= moment <= LATEST:
        raise invalid_page_token()
    return moment


def _place(after: str) -> tuple[date, str]:
    day, _, action = after.partition("/")
    try:
        return date.fromisoformat(day), action
    except ValueError:
        raise invalid_page_token() from None
