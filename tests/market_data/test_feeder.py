"""The feed job: one at a time, each with a higher epoch, going on where the one before was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from hub_market_data import usecases
from hub_market_data.board import Board
from hub_market_data.clients import FeederClient
from hub_market_data.feed import Feed
from hub_market_data.replay import History, Replay
from hub_market_data.store import FeedState, Store
from hub_market_data.worker import Feeder, FeederReplacedError
from hub_runtime import utc_now
from tests.market_data.conftest import served
from tests.market_data.prices import CENT
from tests.support.servers import Database
from tests.support.tls import Tls


class Replica:
    """A process that wants to feed."""

    def __init__(self, store: Store, database: Database) -> None:
        self.board = Board()
        self._store = store
        self._database = database
        self.feeder = Feeder(
            kind="replay", make_feed=self._feed, board=self.board, store=store, clock=utc_now
        )

    async def _feed(self, state: FeedState) -> Feed:
        histories = {
            symbol: History(tick_size=CENT, bars=bars) for symbol, bars in (await self._store.bars()).items()
        }
        return Replay(
            histories, seed=1, speed=10.0, clock=utc_now, place=state.place, market_time=state.market_time
        )

    async def load(self) -> None:
        await usecases.refresh(self.board, store=self._store, clock=utc_now, market_hours="24x7")
        await usecases.restore(self.board, store=self._store)

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
def replica(store: Store, market_database: Database) -> Callable[[], Replica]:
    return lambda: Replica(store, market_database)


async def saved(store: Store, epoch: int) -> None:
    async with asyncio.timeout(20):
        while not (known := await store.last_known())[1] or known[1][0].epoch < epoch:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_feeder_plays_every_symbol_and_says_so(replica: Callable[[], Replica]) -> None:
    feeding = replica()
    async with running(feeding):
        await until(lambda: feeding.feeder.state() == "ok" and feeding.board.quotes["AAPL"].seq >= 3)
        assert set(feeding.board.quotes) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
        assert {quote.epoch for quote in feeding.board.quotes.values()} == {feeding.board.epoch} == {1}
        assert feeding.board.market_time is not None


async def test_a_second_feeder_stands_by_and_takes_over_with_a_higher_epoch_where_the_first_was(
    replica: Callable[[], Replica], store: Store
) -> None:
    first, second = replica(), replica()
    async with running(first) as leading:
        await saved(store, 1)
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
    replica: Callable[[], Replica], store: Store
) -> None:
    feeding, later = replica(), replica()
    async with running(feeding):
        await saved(store, 1)
    await later.load()
    assert set(later.board.quotes) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert later.board.epoch == 1
    assert later.feeder.state() == "standby"


async def test_a_feeder_whose_lock_session_fails_ends(
    replica: Callable[[], Replica], market_database: Database
) -> None:
    feeding = replica()
    async with running(feeding) as task:
        await until(lambda: feeding.feeder.state() == "ok")
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
    replica: Callable[[], Replica], store: Store
) -> None:
    feeding = replica()
    async with running(feeding) as task:
        await until(lambda: feeding.feeder.state() == "ok")
        await store.draw_epoch("replay")
        with pytest.raises(BaseExceptionGroup) as ended:
            async with asyncio.timeout(20):
                await task
        assert ended.group_contains(FeederReplacedError)


async def test_a_replica_without_a_feed_follows_the_feeder_and_passes_its_numbers_on(
    replica: Callable[[], Replica], tls: Tls
) -> None:
    feeding, following = replica(), replica()
    await following.load()
    async with running(feeding), served(feeding.board, tls, "market-data") as channel:
        await until(lambda: feeding.feeder.state() == "ok")
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
