"""Feeders as processes: a standby takes over from one that is killed or paused, and whoever follows them
never sees the market go back, also when the first one wakes up again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest

from hub_market_client import Quote, QuoteCache
from hub_market_data.store import Feeding
from hub_postgres import Pool
from hub_rpc import connect
from tests.market_data.test_feeder import saved
from tests.support.jobs import eventually, running
from tests.support.servers import Database
from tests.support.talking import Talking, talking
from tests.support.tls import Tls


@asynccontextmanager
async def feeders(database: Database, tls: Tls) -> AsyncIterator[tuple[Talking, Talking]]:
    """Two processes; the first one feeds."""
    tls.files("market-data")
    environment = {
        "DATABASE": database.runtime.url,
        "PASSWORD": database.runtime.password,
        "TLS": str(tls.folder),
    }
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(talking("tests.market_data.feeding_process", **environment))
        await first.says("feeding 1")
        second = await stack.enter_async_context(talking("tests.market_data.feeding_process", **environment))
        await port(second)
        yield first, second


async def port(process: Talking) -> int:
    await eventually(lambda: any(line.startswith("serving") for line in process.said))
    (line,) = [line for line in process.said if line.startswith("serving")]
    return int(line.split()[1])


class Follower:
    """A cache that follows both processes, as a reader may who is handed from one to the other."""

    def __init__(self) -> None:
        self.cache = QuoteCache()
        self.seen: dict[str, list[Quote]] = {}

    async def look(self) -> None:
        async with aclosing(self.cache.updates()) as updates:
            async for quote in updates:
                self.seen.setdefault(quote.symbol, []).append(quote)

    def epochs(self) -> set[int]:
        """The newest of each symbol."""
        return {quotes[-1].epoch for quotes in self.seen.values()}

    def count(self) -> int:
        return sum(map(len, self.seen.values()))

    def assert_never_went_back(self) -> None:
        for quotes in self.seen.values():
            positions = [quote.position for quote in quotes]
            assert positions == sorted(set(positions))
            times = [quote.market_time for quote in quotes]
            assert times == sorted(times)


@asynccontextmanager
async def following(tls: Tls, *processes: Talking) -> AsyncIterator[Follower]:
    made = Follower()
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                connect(f"127.0.0.1:{await port(each)}", tls.files("order"), "market-data")
            )
            for each in processes
        ]
        await stack.enter_async_context(
            running(made.look(), *(made.cache.follow(channel) for channel in channels))
        )
        await eventually(lambda: made.count() > 20 and made.epochs() == {1})
        yield made


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_a_standby_takes_over_and_nobody_sees_the_market_go_back(
    how: str, market_database: Database, feeding: Feeding, pool: Pool, tls: Tls
) -> None:
    """Fails where the database waits for a paused feeder's session, and where a feeder that wakes up tells
    what it had to tell before it looks whether it still feeds."""
    async with feeders(market_database, tls) as (first, second), following(tls, first, second) as follower:
        await saved(feeding, 1)
        if how == "killed":
            await first.kill()
        else:
            await first.pause()
        await second.says("feeding 2")
        await eventually(lambda: follower.epochs() == {2})
        handed_over = {symbol: len(quotes) for symbol, quotes in follower.seen.items()}
        if how == "paused":
            first.go_on()
            await eventually(lambda: any(line.startswith("ended") for line in first.said))
            (line,) = [line for line in first.said if line.startswith("ended")]
            assert "FeederReplacedError" in line
            await first.process.wait()
        told = follower.count()
        await eventually(lambda: follower.count() > told + 100)
        follower.assert_never_went_back()
        for symbol, quotes in follower.seen.items():
            assert {quote.epoch for quote in quotes[handed_over[symbol] :]} == {2}
            first_of_second = next(quote for quote in quotes if quote.epoch == 2)
            before = next(quote for quote in reversed(quotes) if quote.epoch == 1)
            gap = (first_of_second.received_at - before.received_at).total_seconds()
            assert 0 <= gap < 30, "seconds, and not as long as somebody needs to look"
        await saved(feeding, 2)
        assert await pool.fetchval("SELECT epoch FROM feed_state") == 2
        assert await pool.fetchval("SELECT max(epoch) FROM quotes_latest") == 2
