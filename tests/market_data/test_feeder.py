"""The feed job: one at a time, each with a higher epoch, going on where the one before was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from hub_market_data.board import Board
from hub_market_data.clients import FeederClient
from hub_market_data.feed import Feed
from hub_market_data.replay import Replay
from hub_market_data.store import Act, Admin, Bars, Catalogue, Feeding, FeedState
from hub_market_data.usecases.bars import playable
from hub_market_data.usecases.keeping import refresh, restore
from hub_market_data.worker import Feeder, FeederReplacedError
from hub_postgres import Pool
from hub_runtime import utc_now
from tests.market_data.conftest import served
from tests.support.servers import Database
from tests.support.tls import Tls


class Replica:
    """A process that wants to feed."""

    def __init__(self, catalogue: Catalogue, feeding: Feeding, bars: Bars, database: Database) -> None:
        self.board = Board()
        self.market_hours = "24x7"
        self._catalogue = catalogue
        self._feeding = feeding
        self._bars = bars
        self._database = database
        self.feeder = Feeder(
            kind="replay", make_feed=self._feed, board=self.board, feeding=feeding, bars=bars, clock=utc_now
        )

    async def _feed(self, state: FeedState) -> Feed:
        return Replay(
            await playable(self._bars, self.board.instruments),
            seed=1,
            speed=10.0,
            clock=utc_now,
            place=state.place,
            market_time=state.market_time,
        )

    def board_time(self) -> datetime:
        assert self.board.market_time is not None
        return self.board.market_time

    async def load(self) -> None:
        hours = self.market_hours
        await refresh(self.board, catalogue=self._catalogue, clock=utc_now, market_hours=hours)
        await restore(self.board, feeding=self._feeding)

    async def run(self) -> None:
        await self.load()
        await self.feeder.run(self._database.runtime.url, self._database.runtime.password)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - what is awaited is a value, nobody tells
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(replica.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await task


@pytest.fixture
def replica(
    catalogue: Catalogue, feeding: Feeding, bars: Bars, market_database: Database
) -> Callable[[], Replica]:
    return lambda: Replica(catalogue, feeding, bars, market_database)


async def saved(feeding: Feeding, epoch: int) -> None:
    async with asyncio.timeout(20):
        while not (known := await feeding.last_known())[1] or known[1][0].epoch < epoch:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_feeder_plays_every_symbol_and_says_so(replica: Callable[[], Replica]) -> None:
    active = replica()
    async with running(active):
        await until(lambda: active.feeder.state() == "ok" and active.board.quotes["AAPL"].seq >= 3)
        assert set(active.board.quotes) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
        assert {quote.epoch for quote in active.board.quotes.values()} == {active.board.epoch} == {1}
        assert active.board.market_time is not None


async def test_a_second_feeder_stands_by_and_takes_over_with_a_higher_epoch_where_the_first_was(
    replica: Callable[[], Replica], feeding: Feeding
) -> None:
    first, second = replica(), replica()
    async with running(first) as leading:
        await saved(feeding, 1)
        async with running(second):
            await until(second.board.loaded.is_set)
            assert second.feeder.state() == "standby"
            leading.cancel()
            await until(lambda: second.feeder.state() == "ok")
            before, after = first.board.quotes["AAPL"], second.board.quotes["AAPL"]
    assert (before.epoch, after.epoch) == (1, 2)
    assert abs(after.last / before.last - 1) < 0.01
    assert after.open == before.open
    assert after.market_time >= before.market_time


async def test_until_the_feed_ticks_the_last_saved_quotes_are_known(
    replica: Callable[[], Replica], feeding: Feeding
) -> None:
    active, later = replica(), replica()
    async with running(active):
        await saved(feeding, 1)
    await later.load()
    assert set(later.board.quotes) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert later.board.epoch == 1
    assert later.feeder.state() == "standby"


async def test_a_feeder_whose_lock_session_fails_ends(
    replica: Callable[[], Replica], market_database: Database
) -> None:
    active = replica()
    async with running(active) as task:
        await until(lambda: active.feeder.state() == "ok")
        superuser = await asyncpg.connect(market_database.superuser.dsn)
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        await superuser.close()
        with pytest.raises(BaseExceptionGroup) as ended:
            async with asyncio.timeout(20):
                await task
        assert ended.group_contains(FeederReplacedError)


async def test_a_feeder_ends_when_another_has_drawn_an_epoch(
    replica: Callable[[], Replica], feeding: Feeding
) -> None:
    active = replica()
    async with running(active) as task:
        await until(lambda: active.feeder.state() == "ok")
        await feeding.draw_epoch("replay")
        with pytest.raises(BaseExceptionGroup) as ended:
            async with asyncio.timeout(20):
                await task
        assert ended.group_contains(FeederReplacedError)


async def test_a_replica_without_a_feed_follows_the_feeder_and_passes_its_numbers_on(
    replica: Callable[[], Replica], tls: Tls
) -> None:
    active, following = replica(), replica()
    await following.load()
    async with running(active), served(active.board, tls, "market-data") as channel:
        await until(lambda: active.feeder.state() == "ok")
        client = FeederClient(channel, following.board)
        assert client.state() != "ok"
        task = asyncio.create_task(client.follow())
        await until(lambda: following.board.epoch == 1 and following.board.quotes["IBM"].seq > 3)
        known = following.board.quotes["IBM"]
        assert client.state() == "ok"
        assert known.epoch == 1
        assert known.received_at <= utc_now()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_markets_clock_follows_an_administrator_and_survives_a_restart(
    replica: Callable[[], Replica], pool: Pool
) -> None:
    target = utc_now() + timedelta(days=3)
    act = Act(actor=uuid4(), act="move_market_time", detail={})
    first, second = replica(), replica()
    async with running(first):
        await until(lambda: first.feeder.state() == "ok")
        assert await Admin(pool).move_market_time(target, act=act)
        await until(lambda: (first.board.market_time or utc_now()) > target)
        assert first.board_time() < target + timedelta(minutes=5), "it goes on as fast as wall time"
    reached = first.board_time()
    async with running(second):
        await until(lambda: second.feeder.state() == "ok")
        assert second.board_time() >= reached - timedelta(seconds=2)
        began = second.board_time()
        await until(lambda: (second.board.market_time or utc_now()) > began)
        assert not await Admin(pool).move_market_time(target, act=act)


async def test_while_its_market_is_closed_a_symbol_has_no_new_prices_but_time_goes_on(
    replica: Callable[[], Replica], pool: Pool
) -> None:
    await pool.execute("INSERT INTO calendars (calendar, always_open) VALUES ('NEVER', false)")
    await pool.execute("UPDATE instruments SET calendar = 'NEVER' WHERE symbol = 'IBM'")
    active = replica()
    active.market_hours = "XNYS"
    await pool.execute("UPDATE instruments SET calendar = '24x7' WHERE symbol = 'AAPL'")
    async with running(active):
        await until(
            lambda: active.board.quotes.get("AAPL") is not None and active.board.quotes["AAPL"].seq >= 5
        )
        assert active.board.quotes["IBM"].seq == 1, "a first price, so that there is one to show"
        assert active.board.market_time == active.board.quotes["AAPL"].market_time
