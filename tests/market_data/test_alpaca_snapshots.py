"""What the alpaca feed asks for beside the stream: the close of the day before, and where symbols stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hub_market_data.alpaca import Access, Alpaca
from hub_market_data.alpaca_rest import snapshots_of
from hub_market_data.alpaca_standing import AGAIN_S
from hub_market_data.domain.ticks import Tick
from hub_runtime import Backoff
from tests.market_data.alpaca_server import KEY, SECRET, AlpacaServer, alpaca_server
from tests.market_data.test_alpaca import NOW, faults, numbers, quote, trade
from tests.support.jobs import eventually, running

MIDNIGHT = datetime(2026, 3, 2, 5, tzinfo=UTC)  # in New York
DAY = timedelta(days=1)


def bar(close: float, at: datetime = MIDNIGHT) -> dict[str, Any]:
    prices = {"o": close - 2, "h": close + 1, "l": close - 3, "c": close}
    return {"t": at, **prices, "v": 5000, "n": 10, "vw": close}


def snapshot(last: float, close: float, *, at: datetime = NOW - timedelta(minutes=1)) -> dict[str, Any]:
    """Of a symbol that has traded today, and closed at `close` the day before."""
    return {
        "latestTrade": {"t": at, "x": "V", "p": last, "s": 100, "c": ["@"], "i": 7, "z": "C"},
        "latestQuote": {
            "t": at,
            "ax": "V",
            "ap": last + 0.25,
            "as": 4,
            "bx": "V",
            "bp": last - 0.25,
            "bs": 3,
        },
        "minuteBar": bar(last, at),
        "dailyBar": bar(last),
        "prevDailyBar": bar(close, MIDNIGHT - DAY),
    }


class Asking:
    """A feed, what it has told, and the clocks it reads."""

    def __init__(self, server: AlpacaServer) -> None:
        self.now, self.clock = 0.0, NOW
        self.ticks: list[Tick] = []
        access = Access(url=server.url, data_url=server.data_url, key_id=KEY, secret=lambda: SECRET)
        backoff = Backoff(0.01, 0.05)
        self.feed = Alpaca(
            access, ["AAPL", "MSFT"], clock=lambda: self.clock, backoff=backoff, now=lambda: self.now
        )

    async def listen(self) -> None:
        async for group in self.feed.ticks():
            self.ticks += group

    async def told(self, symbol: str = "AAPL", count: int = 1) -> Tick:
        await eventually(lambda: sum(tick.symbol == symbol for tick in self.ticks) >= count)
        return [tick for tick in self.ticks if tick.symbol == symbol][-1]


@pytest.fixture
async def server() -> AsyncIterator[AlpacaServer]:
    async with alpaca_server() as made:
        yield made


@asynccontextmanager
async def asking(server: AlpacaServer) -> AsyncIterator[Asking]:
    made = Asking(server)
    async with running(made.listen()):
        await eventually(lambda: server.connected == 1)
        yield made


async def test_a_symbol_stands_where_it_is_before_anything_happens(server: AlpacaServer) -> None:
    server.snapshots = {"AAPL": snapshot(432.5, 400), "MSFT": None, "OTHER": snapshot(100, 100)}
    async with asking(server) as feed:
        tick = await feed.told()
        [asked] = server.asked
        assert {each.symbol for each in feed.ticks} == {"AAPL"}
    assert numbers(tick, "last", "bid", "ask", "bid_size", "ask_size") == [432.5, 432.25, 432.75, 3, 4]
    assert numbers(tick, "previous_close", "open", "high", "low") == [400, 430.5, 433.5, 429.5]
    assert numbers(tick, "volume", "traded") == [5000, 0], "nothing was traded just now"
    assert tick.market_time == NOW - timedelta(minutes=1)
    place = urlsplit(asked.path)
    assert (place.path, parse_qs(place.query)) == (
        "/v2/stocks/snapshots",
        {"feed": ["iex"], "symbols": ["AAPL,MSFT"]},
    )
    assert asked.headers["APCA-API-KEY-ID"] == KEY
    assert asked.headers["APCA-API-SECRET-KEY"] == SECRET


async def test_the_close_of_the_day_before_outlives_the_days_first_trade(server: AlpacaServer) -> None:
    server.snapshots = {"AAPL": snapshot(432.5, 400)}
    async with asking(server) as feed:
        await feed.told()
        await server.say(trade(440, 150))
        tick = await feed.told(count=2)
    assert numbers(tick, "last", "previous_close", "high", "volume") == [440, 400, 440, 5150]


async def test_before_the_days_first_trade_the_daily_bar_is_the_day_before(server: AlpacaServer) -> None:
    evening = MIDNIGHT - timedelta(hours=6)
    server.snapshots = {
        "AAPL": {
            **snapshot(410, 0, at=evening),
            "dailyBar": bar(408, MIDNIGHT - DAY),
            "prevDailyBar": bar(400, MIDNIGHT - 2 * DAY),
        }
    }
    async with asking(server) as feed:
        tick = await feed.told()
        await server.say(trade(415, 10))
        after = await feed.told(count=2)
    assert numbers(tick, "last", "previous_close", "volume") == [410, 408, 0]
    assert numbers(after, "last", "previous_close", "open", "volume") == [415, 408, 415, 10]


async def test_what_the_stream_has_told_and_is_newer_stays(server: AlpacaServer) -> None:
    server.snapshots = {"AAPL": snapshot(432.5, 400)}
    async with asking(server) as feed:
        await feed.told()
        await server.say(trade(440, 1), quote(439, 441))
        await feed.told(count=3)
        await server.drop()
        await eventually(lambda: len(server.asked) == 2)
        tick = await feed.told(count=4)
    assert numbers(tick, "last", "bid", "ask", "previous_close") == [440, 439, 441, 400]


async def test_after_a_break_it_is_told_what_it_has_missed(server: AlpacaServer) -> None:
    server.snapshots = {"AAPL": snapshot(432.5, 400)}
    async with asking(server) as feed:
        await feed.told()
        server.snapshots = {"AAPL": snapshot(450, 400, at=NOW)}
        await server.drop()
        tick = await feed.told(count=2)
    assert numbers(tick, "last", "bid", "previous_close") == [450, 449.75, 400]


async def test_a_new_day_has_a_new_day_before(server: AlpacaServer) -> None:
    server.snapshots = {"AAPL": snapshot(432.5, 400)}
    async with asking(server) as feed:
        await feed.told()
        server.snapshots = {"AAPL": {"dailyBar": bar(431), "prevDailyBar": bar(400, MIDNIGHT - DAY)}}
        feed.clock = NOW + DAY
        tick = await feed.told(count=2)
    assert numbers(tick, "last", "previous_close") == [432.5, 431]


@pytest.mark.parametrize("status", [403, 429, 500, 302])
async def test_a_request_that_fails_is_made_again_and_the_stream_goes_on(
    server: AlpacaServer, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server.snapshot_status, server.snapshots = status, {"AAPL": snapshot(432.5, 400)}
    before = faults("snapshot")
    async with asking(server) as feed:
        await eventually(lambda: faults("snapshot") == before + 1)
        await server.say(trade(440, 1))
        assert numbers(await feed.told(), "last", "previous_close") == [440, 440], "nobody knows it yet"
        assert [urlsplit(each.path).path for each in server.asked] == ["/v2/stocks/snapshots"]
        server.snapshot_status = 200
        feed.now = AGAIN_S
        tick = await feed.told(count=2)
    assert numbers(tick, "last", "previous_close") == [440, 400]
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "answer",
    [
        ["AAPL"],
        {"AAPL": {"prevDailyBar": {"t": MIDNIGHT, "c": "much"}}},
        {"AAPL": {"dailyBar": {"c": 4}}},
        {"AAPL": 4},
    ],
)
async def test_an_answer_that_is_not_as_it_should_be_is_counted(server: AlpacaServer, answer: Any) -> None:
    server.snapshots = answer
    before = faults("snapshot")
    async with asking(server) as feed:
        await eventually(lambda: faults("snapshot") == before + 1)
        await server.say(trade(440, 1))
        assert numbers(await feed.told(), "last") == [440]


async def test_a_symbol_whose_snapshot_is_wrong_takes_no_other_with_it(server: AlpacaServer) -> None:
    server.snapshots = {"MSFT": {"dailyBar": {"c": "much"}}, "AAPL": snapshot(432.5, 400)}
    before = faults("snapshot")
    async with asking(server) as feed:
        assert numbers(await feed.told(), "previous_close") == [400]
    assert faults("snapshot") == before + 1


@pytest.mark.parametrize(
    ("stream", "data", "expected"),
    [
        (
            "wss://stream.data.alpaca.markets/v2/sip",
            "",
            "https://data.alpaca.markets/v2/stocks/snapshots?feed=sip",
        ),
        (
            "wss://stream.data.sandbox.alpaca.markets/v2/iex",
            "",
            "https://data.sandbox.alpaca.markets/v2/stocks/snapshots?feed=iex",
        ),
        ("wss://stream.data.alpaca.markets/v2/test", "", ""),
        ("ws://127.0.0.1:9/v2/iex", "", ""),
        (
            "ws://127.0.0.1:9/v2/iex",
            "https://prices.example/alpaca/",
            "https://prices.example/alpaca/v2/stocks/snapshots?feed=iex",
        ),
    ],
)
def test_snapshots_are_of_the_same_prices_as_the_stream(stream: str, data: str, expected: str) -> None:
    assert snapshots_of(stream, data) == expected


async def test_without_a_place_to_ask_nothing_is_asked(server: AlpacaServer) -> None:
    access = Access(url=server.url, key_id=KEY, secret=lambda: SECRET)
    assert access.snapshots is None
    ticks: list[Tick] = []
    feed = Alpaca(access, ["AAPL"], clock=lambda: NOW)

    async def listen() -> None:
        async for group in feed.ticks():
            ticks.extend(group)

    async with running(listen()):
        await eventually(lambda: server.connected == 1)
        await server.say(trade(440, 1))
        async with asyncio.timeout(10):
            await eventually(lambda: len(ticks) == 1)
    assert server.asked == []
