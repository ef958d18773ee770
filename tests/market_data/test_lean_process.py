"""The lean feed as it is run: `python -m hub_market_data` migrates and serves, and whoever follows it by gRPC
has the prices and bars of the files.

HUB_TEST_LEAN_DATA names a folder in LEAN's layout to play; without it, a small one is made. A day of ticks
takes a minute and a half, a thousand times as fast as it was.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from grpc import aio

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_local.ports import HOST, free_ports
from hub_market_client import QuoteCache
from hub_market_data.mapping.times import timestamp
from hub_rpc import Server, connect
from hub_runtime import Address
from tests.libs.identity.auth import SERVICE, Auth, Key
from tests.market_data.lean_data import DAYS, OPENS_MS, SYMBOLS, Minutes, minutes_of, pack, place
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login
from tests.support.tls import Tls


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two symbols, three minutes of a day: a trade every second and a half, quotes around it."""
    given = os.environ.get("HUB_TEST_LEAN_DATA")
    if given:
        return Path(given)
    for start, symbol in enumerate(SYMBOLS):
        times = range(OPENS_MS + 250 * start, OPENS_MS + 180_000, 1500)
        prices = {ms: 1_000_000 + 100 * (7919 * ms % 300) for ms in times}
        trades = [f"{ms},{price},{100 + ms % 7},N,1,0" for ms, price in prices.items()]
        quotes = [f"{ms + 1},{price - 200},300,{price + 200},400,N,1,0" for ms, price in prices.items()]
        pack(place(tmp_path, "tick", symbol, DAYS[0], "trade"), trades)
        pack(place(tmp_path, "tick", symbol, DAYS[0], "quote"), quotes)
    return tmp_path


def environment(database: Login, redis: Login, tls: Tls, **more: str) -> dict[str, str]:
    files = tls.files("market-data")
    return {
        "PATH": os.environ["PATH"],
        "HUB_DATABASE_URL": database.url,
        "HUB_DATABASE_PASSWORD_FILE": str(database.password_file),
        "HUB_REDIS_URL": redis.url,
        "HUB_REDIS_PASSWORD_FILE": str(redis.password_file),
        "HUB_TLS_CA": str(files.ca),
        "HUB_TLS_CERT": str(files.cert),
        "HUB_TLS_KEY": str(files.key),
        "HUB_FEED": "lean",
        "HUB_FEED_SPEED": "1000",
        **more,
    }


async def ended(*words: str, environment: Mapping[str, str]) -> None:
    process = await program(*words, environment=environment)
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def program(*words: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    command = (sys.executable, "-m", "hub_market_data", *words)
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=out, env=dict(environment))


@asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[None]:
    process = await program(environment=environment)
    told = asyncio.create_task(process.communicate())
    try:
        yield
        assert process.returncode is None, (await told)[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await told


async def bars(channel: aio.Channel, symbol: str, expected: Minutes) -> dict[datetime, tuple[Decimal, ...]]:
    found, token = dict[datetime, tuple[Decimal, ...]](), ""
    stub = market_data_pb2_grpc.MarketDataServiceStub(channel)
    while True:
        request = pb.ListBarsRequest(
            symbol=symbol,
            timeframe=pb.TIMEFRAME_1MIN,
            page_size=1000,
            page_token=token,
            end=timestamp(max(expected) + timedelta(minutes=1)),
        )
        page = await stub.ListBars(request, wait_for_ready=True, timeout=30)
        for bar in page.bars:
            numbers = bar.open, bar.high, bar.low, bar.close, bar.volume
            found[bar.starts_at.ToDatetime(tzinfo=UTC)] = tuple(map(Decimal, numbers))
        if not (token := page.next_page_token):
            return found


@pytest.mark.timeout(300)
async def test_who_follows_the_process_has_the_last_prices_and_the_bars_of_the_files(
    data: Path, market_database: Database, redis: Login, tls: Tls
) -> None:
    symbols = [each.name.upper() for each in sorted((data / "equity/usa/tick").iterdir())]
    expected = {each: minutes_of(data, "tick", each.lower(), hours_only=False) for each in symbols}
    closes = {symbol: minutes[max(minutes)][3] for symbol, minutes in expected.items()}
    grpc_port, admin_port = free_ports(2)
    trust = [Auth(Key("a")).register]
    callers = {SERVICE: {"*": frozenset({"market-data"})}}
    async with Server(Address(HOST, 0), tls.files("auth"), callers, trust, drain_s=0, grace_s=0.5) as auth:
        ports = {
            "HUB_GRPC_ADDRESS": f"{HOST}:{grpc_port}",
            "HUB_ADMIN_ADDRESS": f"{HOST}:{admin_port}",
            "HUB_AUTH_TARGET": f"{HOST}:{auth.port}",
            "HUB_FEED_DATA": str(data),
        }
        await ended("migrate", environment=environment(market_database.owner, redis, tls, **ports))
        cache = QuoteCache()
        async with (
            serving(environment(market_database.runtime, redis, tls, **ports)),
            connect(f"{HOST}:{grpc_port}", tls.files("order"), "market-data") as following,
            connect(f"{HOST}:{grpc_port}", tls.files("gateway"), "market-data") as asking,
            running(cache.follow(following)),
        ):

            def told() -> dict[str, Decimal]:
                return {symbol: quote.last for symbol in symbols if (quote := cache.quote(symbol))}

            async def saved() -> bool:
                """With the last bar as it is at the end: no event comes after that."""
                found = {symbol: await bars(asking, symbol, expected[symbol]) for symbol in symbols}
                return all(found[each].get(max(expected[each])) for each in symbols) and found == expected

            await eventually(lambda: told() == closes, limit_s=250)
            await eventually(saved)
            market_day = (cache.market_time() - timedelta(hours=4)).date()
            assert market_day == max(max(minutes) for minutes in expected.values()).date()
