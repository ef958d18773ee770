"""What market-data keeps: seeds once, real history, epochs, the last quotes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from hub_market_data.board import Board
from hub_market_data.rolling import Unsaved
from hub_market_data.store import Catalogue, Feeding
from hub_market_data.usecases.keeping import refresh, restore
from hub_postgres import Pool
from tests.market_data.prices import NOON, quote

NO_BARS = Unsaved(minutes=(), days=())


async def save(
    feeding: Feeding, epoch: int, seq: int, at: datetime = NOON, place: str = "1/0.5"
) -> datetime | None:
    quotes = [quote(epoch=epoch, seq=seq)]
    return await feeding.save(epoch=epoch, market_time=at, place=place, quotes=quotes, bars=NO_BARS)


async def test_migrating_seeds_the_instruments(catalogue: Catalogue) -> None:
    loaded = await catalogue.load(NOON)
    assert [instrument.symbol for instrument in loaded.instruments] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]


async def test_each_feeder_draws_a_higher_epoch(feeding: Feeding) -> None:
    states = await asyncio.gather(*(feeding.draw_epoch("replay") for _ in range(5)))
    assert sorted(state.epoch for state in states) == [1, 2, 3, 4, 5]


async def test_a_successor_gets_the_place_and_market_time_and_another_kind_of_feed_no_place(
    feeding: Feeding,
) -> None:
    first = await feeding.draw_epoch("replay")
    assert await save(feeding, first.epoch, 1, place="3/0.25")
    second = await feeding.draw_epoch("replay")
    assert (second.place, second.market_time) == ("3/0.25", NOON)
    third = await feeding.draw_epoch("lean")
    assert (third.place, third.market_time) == ("", NOON)


async def test_a_feeder_with_a_lower_epoch_saves_nothing(feeding: Feeding) -> None:
    old, new = await feeding.draw_epoch("replay"), await feeding.draw_epoch("replay")
    assert await save(feeding, new.epoch, 1)
    assert await save(feeding, old.epoch, 99, at=NOON + timedelta(hours=1)) is None
    state, quotes = await feeding.last_known()
    assert state.market_time == NOON
    assert [quote.position for quote in quotes] == [(new.epoch, 1)]


async def test_saved_market_time_and_quotes_never_go_back(feeding: Feeding) -> None:
    epoch = (await feeding.draw_epoch("replay")).epoch
    assert await save(feeding, epoch, 5)
    assert await save(feeding, epoch, 4, at=NOON - timedelta(hours=1)) == NOON
    state, quotes = await feeding.last_known()
    assert state.market_time == NOON
    assert [quote.seq for quote in quotes] == [5]


async def test_a_saved_quote_comes_back_as_it_was(catalogue: Catalogue, feeding: Feeding) -> None:
    epoch = (await feeding.draw_epoch("replay")).epoch
    assert await save(feeding, epoch, 5)
    board = Board()
    await refresh(board, catalogue=catalogue, clock=lambda: NOON, market_hours="24x7")
    await restore(board, feeding=feeding)
    assert board.quotes == {"AAPL": quote(epoch=epoch, seq=5)}
    assert (board.epoch, board.market_time, board.state()) == (epoch, NOON, "ok")


async def test_the_market_is_open_all_day_with_one_session_a_day(catalogue: Catalogue) -> None:
    board = Board()
    await refresh(board, catalogue=catalogue, clock=lambda: NOON, market_hours="24x7")
    midnight = NOON.replace(hour=0)
    assert [(s.calendar, s.opens_at, s.closes_at) for s in board.sessions[:3]] == [
        ("24x7", midnight, midnight + timedelta(days=1)),
        ("24x7", midnight + timedelta(days=1), midnight + timedelta(days=2)),
        ("24x7", midnight + timedelta(days=2), midnight + timedelta(days=3)),
    ]
    assert {instrument.calendar for instrument in board.instruments.values()} == {"24x7"}


async def test_of_a_calendar_with_rows_the_running_and_the_next_two_sessions_and_those_of_the_day_are_known(
    catalogue: Catalogue, pool: Pool
) -> None:
    await pool.execute("INSERT INTO calendars (calendar, always_open) VALUES ('MINE', false)")
    await pool.executemany(
        "INSERT INTO sessions (calendar, opens_at, closes_at) VALUES ('MINE', $1, $2)",
        [(NOON + timedelta(days=day, hours=-2), NOON + timedelta(days=day, hours=4)) for day in range(-2, 5)],
    )

    async def hours_until_open(at: datetime) -> list[float]:
        sessions = (await catalogue.load(at)).sessions
        mine = [session for session in sessions if session.calendar == "MINE"]
        return [(session.opens_at - NOON) / timedelta(hours=1) for session in mine]

    assert await hours_until_open(NOON) == [-26, -2, 22, 46]
    assert await hours_until_open(NOON + timedelta(hours=4)) == [-26, -2, 22, 46, 70]
    assert await hours_until_open(NOON + timedelta(hours=5)) == [-2, 22, 46, 70]


async def test_an_instrument_that_has_not_changed_is_the_same_object(
    catalogue: Catalogue, pool: Pool
) -> None:
    """It is read every two seconds: what is the same costs no time to compare, and starts no stream over."""
    first = {each.symbol: each for each in (await catalogue.load(NOON)).instruments}
    await pool.execute("UPDATE instruments SET halted = true WHERE symbol = 'IBM'")
    second = {each.symbol: each for each in (await catalogue.load(NOON)).instruments}
    assert {symbol for symbol in first if second[symbol] is not first[symbol]} == {"IBM"}
    assert second["IBM"].halted
    always = {each.symbol: each for each in (await catalogue.load(NOON, calendar="24x7")).instruments}
    assert {each.calendar for each in always.values()} == {"24x7"}
    assert {each.calendar for each in (await catalogue.load(NOON)).instruments} == {"XNYS"}
