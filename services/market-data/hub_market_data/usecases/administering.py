"""What administrators do to the market. Each act is recorded with who did it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hub_errors import Conflict, Invalid, Refused, Unauthenticated, Unavailable
from hub_identity import Principal, require_role
from hub_market_data.board import Board
from hub_market_data.cache import Cache
from hub_market_data.domain.calendars import (
    ALWAYS_OPEN,
    Calendar,
    Session,
    calendar_name,
    days_between,
    is_calendar_name,
    on_weekdays,
    read_hours,
    sessions_of,
    timezone_name,
)
from hub_market_data.domain.instruments import (
    Instrument,
    halt_reason,
    is_symbol,
    some_symbols,
    unknown_symbol,
)
from hub_market_data.domain.splits import HALT_REASON
from hub_market_data.store import Act, Admin
from hub_market_data.usecases.asking import require_loaded, unknown_calendar
from hub_market_data.usecases.keeping import halted_by_split, in_force, split_halts
from hub_market_data.usecases.looking_up import Reading
from hub_runtime import Clock, get_logger

FARTHEST: Final = timedelta(days=366)
NOTICED_S: Final = 1.5  # a feeder looks every second
LOOK_S: Final = 0.1

log = get_logger("admin")


@dataclass(frozen=True, kw_only=True)
class Market:
    """What the acts need."""

    board: Board
    admin: Admin
    cache: Cache
    reading: Reading
    refresh: Callable[[], Awaitable[None]]
    clock: Clock
    market_hours: str
    production: bool


def administrator(principal: Principal) -> UUID:
    """The id of a user who may. Raises Denied."""
    require_role(principal, "admin")
    try:
        return UUID(principal.user_id)
    except ValueError:
        raise Unauthenticated("The access token is not valid.", code="token_invalid") from None


async def halt(market: Market, actor: UUID, symbol: str, text: str) -> Instrument:
    reason = halt_reason(text)
    return await _set_halt(market, symbol, reason, _act(actor, "halt", symbol=symbol, reason=reason))


async def resume(market: Market, actor: UUID, symbol: str) -> Instrument:
    """Raises Conflict while a split is applied to positions: that halt ends by itself."""
    board = market.board
    known = board.instruments.get(symbol)
    now = board.market_time or market.clock()
    # An administrator may have given the same reason.
    if (
        known is not None
        and known.halt_reason == HALT_REASON
        and split_halts(symbol, board.splits, board, now)
    ):
        raise Conflict(
            "A split is being applied; trading goes on by itself when that is done.",
            code="corporate_action_halt",
            field="symbol",
        )
    return await _set_halt(market, symbol, "", _act(actor, "resume", symbol=symbol))


async def create_calendar(market: Market, actor: UUID, name: str, timezone: str) -> Calendar:
    calendar = Calendar(calendar=calendar_name(name), always_open=False, timezone=timezone_name(timezone))
    act = _act(actor, "create_calendar", calendar=calendar.calendar, timezone=calendar.timezone)
    if not await market.admin.create_calendar(calendar, act=act):
        raise Conflict(
            "A calendar that has sessions keeps its time zone.", code="calendar_in_use", field="calendar"
        )
    await _look(market)
    return calendar


async def set_trading_hours(
    market: Market,
    actor: UUID,
    name: str,
    *,
    first_day: str,
    last_day: str,
    weekdays: Sequence[int],
    hours: Sequence[tuple[str, str]],
) -> Sequence[Session]:
    days = on_weekdays(days_between(first_day, last_day), set(weekdays))
    parsed = read_hours(hours)
    known = name == ALWAYS_OPEN or is_calendar_name(name)
    calendar = await market.admin.calendar(name) if known else None
    if calendar is None:
        raise unknown_calendar()
    calendar.must_have_hours()
    sessions = sessions_of(calendar, days, parsed)
    act = _act(
        actor,
        "set_trading_hours",
        calendar=name,
        first_day=first_day,
        last_day=last_day,
        weekdays=sorted(set(weekdays)),
        hours=[list(pair) for pair in hours],
    )
    stored = await market.admin.set_hours(calendar, days, sessions, act=act)
    if stored is None:
        raise Conflict("The calendar has just been changed.", code="calendar_changed", field="calendar")
    await _look(market)
    return stored


async def invalidate_cache(market: Market, actor: UUID, symbols: Sequence[str]) -> int:
    asked = some_symbols(symbols)
    await market.admin.record(_act(actor, "invalidate_cache", symbols=list(asked)))
    return await market.cache.forget(asked)


async def warm_cache(market: Market, actor: UUID, symbols: Sequence[str]) -> int:
    asked = some_symbols(symbols)
    require_loaded(market.board)
    if not all(symbol in market.board.instruments for symbol in asked):
        raise unknown_symbol("symbols")
    await market.admin.record(_act(actor, "warm_cache", symbols=list(asked)))
    return await market.reading.warm(asked)


async def move_market_time(market: Market, actor: UUID, market_time: datetime) -> datetime:
    """Persisted at once; the feeder goes on from there within a second or so, and followers with it."""
    if market.production:
        raise Refused("The market's clock is not moved in production.", code="not_in_production")
    # So that its feeder has heard of every split before the clock reaches its day.
    await _look(market)
    now = market.board.market_time or market.clock()
    if market_time > now + FARTHEST:
        raise Invalid("That is more than a year ahead.", code="market_time_too_far", field="market_time")
    act = _act(actor, "move_market_time", market_time=market_time.isoformat())
    if market_time <= now or not await market.admin.move_market_time(market_time, act=act):
        raise Invalid(
            "The market's clock only goes forward.", code="market_time_not_later", field="market_time"
        )
    with suppress(TimeoutError):
        async with asyncio.timeout(NOTICED_S):
            await _reached(market.board, market_time)
    await _look(market)
    return max(market_time, market.board.market_time or market_time)


async def _look(market: Market) -> None:
    """This process need not wait to be told. The act is done, so nothing here may fail it."""
    with suppress(Unavailable):
        await market.refresh()


async def _reached(board: Board, market_time: datetime) -> None:
    with board.subscribed() as subscription:
        while board.market_time is None or board.market_time < market_time:
            await subscription.next(timeout_s=LOOK_S)


async def _set_halt(market: Market, symbol: str, reason: str, act: Act) -> Instrument:
    instrument = await market.admin.set_halt(symbol, reason=reason, act=act) if is_symbol(symbol) else None
    if instrument is None:
        raise unknown_symbol()
    text = f"{act.act} {symbol} {reason}".strip()
    log.info(act.act, symbol=symbol, reason=reason, highlight=True, text=text)
    await _look(market)
    shown = in_force(instrument, market.market_hours)
    board = market.board
    return halted_by_split(shown, board.splits, board, board.market_time or market.clock())


def _act(actor: UUID, act: str, **detail: Any) -> Act:
    return Act(actor=actor, act=act, detail=detail)
