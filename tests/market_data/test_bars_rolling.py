"""Ticks become minute and day bars, which survive the death of their feeder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_market_data.board import Board
from hub_market_data.domain.bars import Bar, Timeframe
from hub_market_data.domain.ticks import Tick
from hub_market_data.rolling import MOST_UNSAVED, Roller, Unsaved
from hub_market_data.store import Bars, Catalogue, Feeding, FeedState
from hub_market_data.usecases.bars import FORGOTTEN_AT_ONCE, forget_minutes_now
from hub_market_data.usecases.keeping import refresh
from hub_market_data.worker import Feeder
from hub_postgres import Pool
from tests.market_data.prices import quote, tick
from tests.support.jobs import eventually
from tests.support.servers import Database

# Behind the committed history, wherever that ends today.
NOON = datetime(2090, 3, 2, 12, tzinfo=UTC)
TODAY, MINUTE = NOON.date(), timedelta(minutes=1)


def trade(seconds: float, price: str, volume: int, *, symbol: str = "AAPL") -> Tick:
    made = tick(symbol, at=NOON + timedelta(seconds=seconds))
    return Tick(**{**vars(made), "last": Decimal(price), "volume": Decimal(volume)})


def told(bar: Bar) -> tuple[str, ...]:
    """Its prices and volume."""
    return tuple(f"{value:f}" for value in (bar.open, bar.high, bar.low, bar.close, bar.volume))


def rolled(*trades: Tick, roller: Roller | None = None) -> Unsaved:
    roller = roller or Roller({})
    for each in trades:
        roller.take(each, each.market_time.date())
    return roller.unsaved()


def plain(bars: Sequence[tuple[str, Bar]]) -> list[tuple[str, ...]]:
    return [told(bar) for _, bar in bars]


def test_ticks_of_a_minute_are_one_bar_and_all_of_the_day_another() -> None:
    unsaved = rolled(trade(0, "10", 100), trade(30, "12", 150), trade(59.9, "9", 151), trade(60, "11", 180))
    assert plain(unsaved.minutes) == [("10", "12", "9", "9", "51"), ("11", "11", "11", "11", "29")]
    assert [bar.starts_at for _, bar in unsaved.minutes] == [NOON, NOON + MINUTE]
    assert plain(unsaved.days) == [("10", "12", "9", "11", "80")]
    assert unsaved.days[0][1].day == TODAY


def test_a_volume_that_falls_is_a_count_that_began_anew() -> None:
    unsaved = rolled(trade(0, "10", 1000), trade(1, "10", 1010), trade(2, "10", 7), trade(3, "10", 9))
    assert [bar.volume for _, bar in unsaved.days] == [10 + 7 + 2]


def test_a_trading_day_begins_with_its_own_bar_and_without_the_volume_of_the_one_before() -> None:
    roller = Roller({})
    roller.take(trade(0, "10", 100), TODAY)
    roller.take(trade(1, "11", 300), TODAY + timedelta(days=1))
    roller.take(trade(2, "12", 310), TODAY + timedelta(days=1))
    assert plain(roller.unsaved().days) == [("10", "10", "10", "10", "0"), ("11", "12", "11", "12", "10")]


def test_a_late_tick_counts_in_the_running_bars() -> None:
    unsaved = rolled(trade(0, "10", 100), trade(65, "11", 110), trade(59, "15", 120))
    assert plain(unsaved.minutes) == [("10", "10", "10", "10", "0"), ("11", "15", "11", "15", "20")]


def test_market_time_that_is_moved_ahead_ends_the_minute() -> None:
    ahead = 40 * 24 * 3600
    unsaved = rolled(trade(0, "10", 100), trade(ahead, "11", 110), trade(ahead + 1, "12", 130))
    assert [bar.starts_at for _, bar in unsaved.minutes] == [NOON, NOON + timedelta(seconds=ahead)]
    assert plain(unsaved.minutes)[1] == ("11", "12", "11", "12", "20")


def test_what_has_grown_since_it_was_saved_is_saved_again() -> None:
    roller = Roller({})
    first = rolled(trade(0, "10", 100), trade(61, "11", 110), roller=roller)
    roller.take(trade(62, "12", 120), TODAY)
    roller.saved(first)
    assert plain(roller.unsaved().minutes) == [("11", "12", "11", "12", "20")]
    roller.saved(roller.unsaved())
    assert roller.unsaved() == Unsaved(minutes=(), days=())


def test_while_nothing_can_be_saved_the_newest_minutes_are_kept() -> None:
    roller = Roller({})
    for number in range(MOST_UNSAVED + 10):
        roller.take(trade(60 * number, "10", number), TODAY)
    oldest = roller.unsaved().minutes[0][1]
    assert oldest.starts_at == NOON + 10 * MINUTE


@given(counts=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3000)), max_size=60))
def test_no_volume_is_negative_and_the_day_is_the_sum_of_its_minutes(counts: list[tuple[int, int]]) -> None:
    roller = Roller({})
    for volume, seconds in counts:
        roller.take(trade(seconds, "10", volume), TODAY)
    unsaved = roller.unsaved()
    assert all(bar.volume >= 0 for _, bar in unsaved.minutes)
    assert sum(bar.volume for _, bar in unsaved.minutes) == sum(bar.volume for _, bar in unsaved.days)


class Script:
    """A feed that says what the test gives it."""

    kind = "script"

    def __init__(self) -> None:
        self._given: asyncio.Queue[Sequence[Tick]] = asyncio.Queue(maxsize=100)
        self._market_time: datetime | None = None

    async def give(self, *ticks: Tick) -> None:
        await self._given.put(ticks)

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        while True:
            ticks = await self._given.get()
            self._market_time = ticks[0].market_time
            yield ticks

    def market_time(self) -> datetime | None:
        return self._market_time

    def move_to(self, market_time: datetime) -> None:
        pass

    def unheard_s(self) -> float | None:
        return 0.0

    def place(self) -> str:
        return ""


NewFeed = Callable[[], AbstractAsyncContextManager[Script]]


@pytest.fixture
def feed(catalogue: Catalogue, feeding: Feeding, bars: Bars, market_database: Database) -> NewFeed:
    """`async with feed() as script`: a process that feeds what the script is given, and is then killed."""

    @asynccontextmanager
    async def fed() -> AsyncIterator[Script]:
        script, board = Script(), Board()

        async def make(state: FeedState) -> Script:
            return script

        await refresh(board, catalogue=catalogue, clock=lambda: NOON, market_hours="24x7")
        board.loaded.set()
        feeder = Feeder(
            kind="script", make_feed=make, board=board, feeding=feeding, bars=bars, clock=lambda: NOON
        )
        login = market_database.runtime
        task = asyncio.create_task(feeder.run(login.url, login.password))
        try:
            yield script
        finally:
            task.cancel()  # nothing is saved at the end, as after kill -9
            with suppress(asyncio.CancelledError, BaseExceptionGroup):
                await task

    return fed


async def test_a_successor_goes_on_with_the_bars_of_a_feeder_that_was_killed(
    feed: NewFeed, bars: Bars
) -> None:
    async def minutes() -> list[tuple[str, ...]]:
        return [told(bar) for bar in await bars.minutes("AAPL", NOON, NOON + 60 * MINUTE, limit=10)]

    async def day() -> tuple[str, ...]:
        (found,) = await bars.days("AAPL", TODAY, TODAY + timedelta(days=1), limit=2)
        return told(found)

    async with feed() as first:
        await first.give(trade(0, "10", 100))
        await first.give(trade(30, "12", 150))
        await first.give(trade(70, "11", 180))

        async def saved() -> bool:
            return len(await minutes()) == 2

        await eventually(saved)
    assert [numbers(each) for each in await minutes()] == [[10, 12, 10, 12, 50], [11, 11, 11, 11, 30]]
    assert numbers(await day()) == [10, 12, 10, 11, 80]
    async with feed() as second:
        await second.give(trade(75, "9", 200))
        await second.give(trade(130, "13", 260))

        async def went_on() -> bool:
            return len(await minutes()) == 3

        await eventually(went_on)
    assert [numbers(each) for each in (await minutes())[1:]] == [[11, 11, 9, 9, 50], [13, 13, 13, 13, 60]]
    assert numbers(await day()) == [10, 13, 9, 13, 160]


def numbers(texts: Sequence[str]) -> list[float]:
    return [float(text) for text in texts]


async def test_bars_of_a_feeder_that_was_replaced_are_not_saved(feeding: Feeding, bars: Bars) -> None:
    old, new = await feeding.draw_epoch("script"), await feeding.draw_epoch("script")

    async def save(epoch: int, price: str) -> datetime | None:
        unsaved = rolled(trade(0, price, 100))
        return await feeding.save(
            epoch=epoch, market_time=NOON, place="", quotes=[quote(epoch=epoch)], bars=unsaved
        )

    assert await save(new.epoch, "10") is not None
    assert await save(old.epoch, "99") is None
    (minute,) = await bars.minutes("AAPL", NOON, NOON + MINUTE, limit=2)
    (day,) = await bars.days("AAPL", TODAY, TODAY + timedelta(days=1), limit=2)
    assert minute.high == day.high == 10


async def test_the_committed_history_is_never_written_over_and_live_days_are_not_played(
    feeding: Feeding, bars: Bars
) -> None:
    played = await bars.played()
    last = played["AAPL"][-1]
    epoch = (await feeding.draw_epoch("script")).epoch
    for day in (last.day, TODAY):
        roller = Roller({})
        roller.take(trade(0, "1", 1), day)
        assert await feeding.save(
            epoch=epoch, market_time=NOON, place="", quotes=[quote()], bars=roller.unsaved()
        )
    assert await bars.played() == played
    (live,) = await bars.days("AAPL", TODAY, TODAY + timedelta(days=1), limit=2)
    assert live.close == 1


async def test_old_minutes_are_forgotten_step_by_step_and_new_ones_kept(bars: Bars, pool: Pool) -> None:
    for symbol in ("AAPL", "IBM"):
        await pool.execute(
            "INSERT INTO minute_bars SELECT $1, $2::timestamptz - n * interval '1 minute', $3, 1, 1, 1, 1, 1 "
            "FROM generate_series(0, 3000) n",
            symbol,
            NOON,
            TODAY,
        )
    board = Board()
    board.catalogue((), ())
    await forget_minutes_now(bars, board, after=timedelta())
    assert await pool.fetchval("SELECT count(*) FROM minute_bars") == 6002, "no market time is known"
    before = NOON - 2000 * MINUTE
    assert await bars.forget_minutes(["AAPL", "IBM"], before=before, most=10) == 20
    oldest = await pool.fetchval("SELECT min(starts_at) FROM minute_bars")
    assert oldest == NOON - 2990 * MINUTE
    board.catalogue((await Catalogue(pool).load(NOON)).instruments, ())
    board.begin(1, NOON)
    assert FORGOTTEN_AT_ONCE < 990
    await forget_minutes_now(bars, board, after=2000 * MINUTE)
    rows = await pool.fetch("SELECT symbol, count(*), min(starts_at) FROM minute_bars GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("AAPL", 2001, before), ("IBM", 2001, before)]


def test_a_minute_starts_at_its_full_minute() -> None:
    (_, bar), *_ = rolled(trade(7.25, "10", 1)).minutes
    assert bar.starts_at == Timeframe.MINUTE.start(NOON + timedelta(seconds=7)) == NOON
