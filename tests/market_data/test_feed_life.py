"""A price that does not change is current while its feed lives, and grows old when the feed does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from hub_market_client import QuoteCache
from hub_market_data.board import Board
from hub_market_data.clients import FeederClient
from hub_market_data.domain.ticks import FeedLife, Tick
from hub_market_data.pulse import GRAIN, Pulse
from hub_market_data.store import Bars, Catalogue, Feeding, FeedState
from hub_market_data.usecases.keeping import refresh
from hub_market_data.worker import Feeder
from hub_postgres import Pool
from tests.market_data.conftest import served
from tests.market_data.prices import NOON, open_board, tick
from tests.support.jobs import eventually, running
from tests.support.servers import Database
from tests.support.tls import Tls

SECOND = timedelta(seconds=1)


class Beating:
    """A pulse and the life that its board knows."""

    def __init__(self) -> None:
        self.board = open_board()
        self.pulse = Pulse(self.board)

    def beat(
        self, seconds: float, unheard_s: float | None = 0.0, *, stalled: bool = False
    ) -> FeedLife | None:
        self.pulse.beat(unheard_s, NOON + seconds * SECOND, stalled=stalled)
        return self.board.life


def life(since: float, until: float) -> FeedLife:
    return FeedLife(epoch=1, since=NOON + since * SECOND, until=NOON + until * SECOND)


def test_a_feed_that_lives_is_certain_of_its_prices_until_it_last_heard_something() -> None:
    feed = Beating()
    assert feed.beat(0) == life(0, 0)
    assert feed.beat(10) == life(0, 10)
    assert feed.beat(20, unheard_s=4) == life(0, 16)
    assert feed.beat(24, unheard_s=8) == life(0, 16), "the other end says nothing any more"


def test_a_life_is_not_made_anew_for_each_tick() -> None:
    feed = Beating()
    first = feed.beat(0)
    assert feed.beat(GRAIN.total_seconds() / 2) is first
    assert feed.beat(GRAIN.total_seconds()) == life(0, GRAIN.total_seconds())


def test_what_is_known_of_a_lost_source_stays_and_a_new_one_begins_anew() -> None:
    feed = Beating()
    feed.beat(0)
    feed.beat(5)
    assert feed.beat(8, unheard_s=None) == life(0, 5)
    assert feed.beat(9) == life(9, 9), "what happened meanwhile nobody has told"


def test_of_a_feed_that_is_stalled_nothing_is_certain() -> None:
    feed = Beating()
    feed.beat(0)
    assert feed.beat(31, stalled=True) is None
    assert feed.beat(32, stalled=True) is None
    assert feed.beat(40) == life(40, 40)


def test_of_the_feeder_before_nothing_is_certain() -> None:
    feed = Beating()
    feed.beat(0)
    feed.board.begin(2, NOON)
    assert feed.board.life is None


class Quiet:
    """A feed with one price of each symbol, and then none."""

    kind = "quiet"

    def __init__(self) -> None:
        self.connected = True
        self.told_lost = False

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        yield [tick("AAPL"), tick("MSFT")]
        while True:
            await asyncio.sleep(0.01)
            yield ()

    def market_time(self) -> datetime | None:
        return NOON

    def unheard_s(self) -> float | None:
        self.told_lost = not self.connected
        return 0.0 if self.connected else None

    def move_to(self, market_time: datetime) -> None:
        pass

    def place(self) -> str:
        return ""


@pytest.mark.parametrize("hops", [1, 2])
async def test_whoever_follows_knows_a_quiet_symbols_price_as_current_until_the_feed_is_lost(
    hops: int, catalogue: Catalogue, pool: Pool, market_database: Database, *, tls: Tls
) -> None:
    now, quiet, board, second = [NOON], Quiet(), Board(), Board()
    cache = QuoteCache(lambda: now[0])

    async def make(state: FeedState) -> Quiet:
        return quiet

    for each in (board, second):
        await refresh(each, catalogue=catalogue, clock=lambda: NOON, market_hours="24x7")
        each.loaded.set()
    feeder = Feeder(
        kind="quiet",
        make_feed=make,
        board=board,
        feeding=Feeding(pool),
        bars=Bars(pool),
        clock=lambda: now[0],
    )

    async def feed() -> None:
        with suppress(BaseExceptionGroup):
            await feeder.run(market_database.runtime.url, market_database.runtime.password)

    def age_s() -> float | None:
        quote = cache.quote("AAPL")
        return None if quote is None else cache.age_s(quote)

    async with (
        served(board, tls, "market-data") as to_feeder,
        served(board if hops == 1 else second, tls, "order") as to_last,
        running(feed(), FeederClient(to_feeder, second).follow(), cache.follow(to_last)),
    ):
        await eventually(lambda: age_s() == 0)
        now[0] = NOON + 60 * SECOND
        await eventually(lambda: age_s() == 0)
        quiet.connected = False
        await eventually(lambda: quiet.told_lost)
        now[0] = NOON + 75 * SECOND
        assert age_s() == 15
        quote = cache.quote("AAPL")
        assert cache.fresh(quote, 15)
        assert not cache.fresh(quote, 10)
        quiet.connected = True
        await eventually(lambda: age_s() == 75)  # what happened meanwhile nobody has told
