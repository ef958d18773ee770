"""The cache: fast when Redis is there, slower when it is not, and never wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.market_data.v1 import market_data_pb2 as pb
from hub_local.servers import Binaries
from hub_market_data.cache import PAUSE_S, Cache
from hub_market_data.domain.instruments import Statistics
from hub_postgres import Pool
from tests.market_data.conftest import NewHouse
from tests.market_data.house import House
from tests.support.jobs import eventually
from tests.support.servers import Login

FEW = Statistics(high_52_weeks=Decimal("12.50"), average_volume=Decimal(7))


class Server:
    """A Redis of the test's own, which can be stopped."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dsn = f"redis://127.0.0.1:{port}/0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [str(Binaries.find().redis), "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        await eventually(self._answers)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def _answers(self) -> bool:
        try:
            async with Redis.from_url(self.dsn) as client:
                return bool(await client.ping())
        except RedisError:  # not yet
            return False


@pytest.fixture
async def own_redis(free_port: Callable[[], int]) -> AsyncIterator[Server]:
    server = Server(free_port())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(redis: Login) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.dsn) as made:
        yield made


async def ibm(house: House) -> pb.GetInstrumentResponse:
    return await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol="IBM"))


async def test_what_is_written_is_read_with_its_life_spread_around_five_minutes(client: Redis) -> None:
    cache = Cache(client)
    symbols = [f"S{n}" for n in range(40)]
    assert await cache.write({**dict.fromkeys(symbols, FEW), "NONE": None})
    assert await cache.read(["S1", "NONE", "S2", "OTHER"]) == {"S1": FEW, "NONE": None, "S2": FEW}
    lives = [await client.ttl(f"market_data:{symbol}") for symbol in symbols]
    assert all(269 <= life <= 330 for life in lives)
    assert len(set(lives)) > 3
    assert 28 <= await client.ttl("market_data:NONE") <= 30
    assert cache.state() == "ok"


async def test_a_value_that_is_not_of_this_symbol_is_a_miss(house: House, client: Redis) -> None:
    for value in (
        json.dumps({"symbol": "OTHER", "statistics": {"high_52_weeks": "1"}}),
        json.dumps({"symbol": "IBM", "statistics": {"high_52_weeks": "x"}}),
        json.dumps({"symbol": "IBM", "statistics": {"of_another_release": "1"}}),
        json.dumps({"symbol": "IBM"}),
        json.dumps([]),
        "not json",
        "",
    ):
        await client.set("market_data:IBM", value)
        assert await house.cache.read(["IBM"]) == {}
        answer = await ibm(house)
        assert Decimal(answer.high_52_weeks) > 100
        assert await house.cache.read(["IBM"]) != {}, "the right value has taken its place"


async def test_the_second_time_the_database_is_not_asked(house: House, pool: Pool) -> None:
    first = await ibm(house)
    await pool.execute("DELETE FROM day_bars WHERE symbol = 'IBM'")
    await pool.execute("DELETE FROM corporate_actions WHERE symbol = 'IBM'")
    assert await ibm(house) == first
    await house.cache.forget(["IBM"])
    assert (await ibm(house)).high_52_weeks == ""
    assert await house.cache.read(["IBM"]) == {"IBM": None}, "that there is nothing is remembered too"


async def test_what_many_ask_at_once_is_read_once(house: House) -> None:
    read: list[str] = []
    reading = house.market.reading
    load = reading._load

    async def counted(symbols: list[str]) -> object:
        read.extend(symbols)
        return await load(symbols)

    reading._load = counted  # type: ignore[method-assign, assignment]
    answers = await asyncio.gather(*(ibm(house) for _ in range(50)))
    assert len({answer.high_52_weeks for answer in answers}) == 1
    assert read == ["IBM"]


async def test_without_redis_it_is_slower_and_right(new_house: NewHouse, own_redis: Server) -> None:
    async with new_house(redis_dsn=own_redis.dsn) as house:
        before = await ibm(house)
        assert house.cache.state() == "ok"
        await own_redis.stop()
        for _ in range(5):
            assert await ibm(house) == before
        assert house.cache.state() == "away"
        await own_redis.start()

        async def cached() -> bool:
            return await ibm(house) == before and house.cache.state() == "ok"

        await eventually(cached)


async def test_a_redis_that_says_nothing_is_left_alone_for_a_second() -> None:
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    now = 0.0
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Redis.from_url(f"redis://127.0.0.1:{port}/0") as client:
            cache = Cache(client, now=lambda: now)
            for _ in range(5):
                assert await cache.read(["IBM"]) == {}
                assert not await cache.write({"IBM": None})
            assert asked == 1
            now += PAUSE_S
            assert await cache.read(["IBM"]) == {}
            assert asked == 2
            assert cache.state() == "away"


async def test_redis_that_goes_and_comes_under_load_is_no_error_and_no_wrong_answer(
    new_house: NewHouse, own_redis: Server
) -> None:
    symbols = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    async with new_house(redis_dsn=own_redis.dsn) as house:
        right = {
            each: await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol=each)) for each in symbols
        }
        ended, answered = asyncio.Event(), 0

        async def ask(symbol: str) -> None:
            """Again and again; any error ends the test."""
            nonlocal answered
            while not ended.is_set():
                answer = await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol=symbol))
                assert answer == right[symbol]
                answered += 1

        async with asyncio.TaskGroup() as group:
            for each in symbols * 4:
                group.create_task(ask(each))
            for _ in range(2):
                await _more(lambda: answered)
                await own_redis.stop()
                await eventually(lambda: house.cache.state() == "away")
                await _more(lambda: answered)
                await own_redis.start()
                await eventually(lambda: house.cache.state() == "ok")
                await _more(lambda: _looked_up("hit"))
            ended.set()
        assert _looked_up("away") > 0


async def _more(count: Callable[[], float]) -> None:
    before = count()
    await eventually(lambda: count() > before + 50)


def _looked_up(result: str) -> float:
    return REGISTRY.get_sample_value("hub_market_cache_total", {"result": result}) or 0.0
