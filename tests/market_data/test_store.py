"""What market-data keeps: seeds once, real history, epochs, the last quotes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import asyncpg
import pytest

from hub_market_data import seed, usecases
from hub_market_data.board import Board
from hub_market_data.store import Store
from hub_postgres import Pool, connect_pool
from tests.market_data.prices import NOON, quote
from tests.support.servers import Database


async def save(store: Store, epoch: int, seq: int, at: datetime = NOON, place: str = "1/0.5") -> bool:
    return await store.save(epoch=epoch, market_time=at, place=place, quotes=[quote(epoch=epoch, seq=seq)])


async def test_migrating_seeds_the_instruments_and_history_that_ends_the_day_before(store: Store) -> None:
    instruments, _ = await store.catalogue(NOON)
    assert [instrument.symbol for instrument in instruments] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    histories = await store.bars()
    today = datetime.now(UTC).date()
    assert {symbol: len(bars) for symbol, bars in histories.items()} == {
        "AAPL": 2016,
        "FB": 196,
        "GOOG": 2148,
        "IBM": 3270,
        "MSFT": 2527,
    }
    for bars in histories.values():
        assert timedelta(days=1) <= today - bars[-1].day <= timedelta(days=2)  # midnight may have passed
        assert [bar.day for bar in bars] == sorted({bar.day for bar in bars})


async def test_the_history_has_no_split_in_it() -> None:
    for bars in seed.histories(NOON.date()).values():
        for before, after in pairwise(bars):
            assert Decimal("0.7") < after.open / before.close < Decimal("1.4")


async def test_seeding_again_on_a_later_day_changes_nothing(store: Store, market_database: Database) -> None:
    before = await store.bars()
    owner = market_database.owner
    async with await connect_pool(owner.url, owner.password, 1, "test") as pool:
        added = await usecases.seed(Store(pool), clock=lambda: datetime.now(UTC) + timedelta(days=3))
    assert added == 0
    assert await store.bars() == before


async def test_each_feeder_draws_a_higher_epoch(store: Store) -> None:
    states = await asyncio.gather(*(store.draw_epoch("replay") for _ in range(5)))
    assert sorted(state.epoch for state in states) == [1, 2, 3, 4, 5]


async def test_a_successor_gets_the_place_and_market_time_and_another_kind_of_feed_no_place(
    store: Store,
) -> None:
    first = await store.draw_epoch("replay")
    assert await save(store, first.epoch, 1, place="3/0.25")
    second = await store.draw_epoch("replay")
    assert (second.place, second.market_time) == ("3/0.25", NOON)
    third = await store.draw_epoch("lean")
    assert (third.place, third.market_time) == ("", NOON)


async def test_a_feeder_with_a_lower_epoch_saves_nothing(store: Store) -> None:
    old, new = await store.draw_epoch("replay"), await store.draw_epoch("replay")
    assert await save(store, new.epoch, 1)
    assert not await save(store, old.epoch, 99, at=NOON + timedelta(hours=1))
    state, quotes = await store.last_known()
    assert state.market_time == NOON
    assert [quote.position for quote in quotes] == [(new.epoch, 1)]


async def test_saved_market_time_and_quotes_never_go_back(store: Store) -> None:
    epoch = (await store.draw_epoch("replay")).epoch
    assert await save(store, epoch, 5)
    assert await save(store, epoch, 4, at=NOON - timedelta(hours=1))
    state, quotes = await store.last_known()
    assert state.market_time == NOON
    assert [quote.seq for quote in quotes] == [5]


async def test_a_saved_quote_comes_back_as_it_was(store: Store) -> None:
    epoch = (await store.draw_epoch("replay")).epoch
    assert await save(store, epoch, 5)
    board = Board()
    await usecases.refresh(board, store=store, clock=lambda: NOON, market_hours="24x7")
    await usecases.restore(board, store=store)
    assert board.quotes == {"AAPL": quote(epoch=epoch, seq=5)}
    assert (board.epoch, board.market_time, board.state()) == (epoch, NOON, "ok")


async def test_the_market_is_open_all_day_with_one_session_a_day(store: Store) -> None:
    board = Board()
    await usecases.refresh(board, store=store, clock=lambda: NOON, market_hours="24x7")
    midnight = NOON.replace(hour=0)
    assert [(s.calendar, s.opens_at, s.closes_at) for s in board.sessions] == [
        ("24x7", midnight, midnight + timedelta(days=1)),
        ("24x7", midnight + timedelta(days=1), midnight + timedelta(days=2)),
    ]
    assert {instrument.calendar for instrument in board.instruments.values()} == {"24x7"}


async def test_sessions_of_a_calendar_with_rows_are_the_running_and_the_next(
    store: Store, pool: Pool
) -> None:
    await pool.executemany(
        "INSERT INTO sessions (calendar, opens_at, closes_at) VALUES ('XNYS', $1, $2)",
        [(NOON + timedelta(days=day, hours=-2), NOON + timedelta(days=day, hours=4)) for day in range(-2, 4)],
    )
    _, sessions = await store.catalogue(NOON)
    assert [session.opens_at - NOON for session in sessions] == [timedelta(hours=-2), timedelta(hours=22)]
    _, sessions = await store.catalogue(NOON + timedelta(hours=4))
    assert [session.opens_at - NOON for session in sessions] == [timedelta(hours=22), timedelta(hours=46)]


async def test_the_database_refuses_a_bar_that_cannot_be(pool: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "INSERT INTO daily_bars (symbol, day, open, high, low, close, volume) "
            "VALUES ('AAPL', '1999-01-01', 10, 9, 8, 8.5, 1)"
        )
