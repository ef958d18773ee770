"""The alpaca feed against a server that speaks the protocol over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from hub_market_data.alpaca import Access, Alpaca
from hub_market_data.domain.ticks import Tick
from hub_runtime import Backoff
from tests.market_data.alpaca_server import KEY, SECRET, AlpacaServer, alpaca_server
from tests.support.jobs import eventually, running

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # ten o'clock in New York


class Listening:
    """A feed and what it has told."""

    def __init__(self, server: AlpacaServer, codec: str = "json", secret: str = SECRET) -> None:
        self.secret = secret
        self.ticks: list[Tick] = []
        self.beats = 0
        self.now = 0.0
        access = Access(url=server.url, key_id=KEY, secret=lambda: self.secret, codec=codec)  # type: ignore[arg-type]
        self.feed = Alpaca(
            access, ["AAPL", "MSFT"], clock=lambda: NOW, backoff=Backoff(0.01, 0.05), now=lambda: self.now
        )

    async def listen(self) -> None:
        async for group in self.feed.ticks():
            assert len({tick.symbol for tick in group}) == len(group)
            self.beats += not group
            self.ticks += group

    async def heard(self, count: int) -> list[Tick]:
        await eventually(lambda: len(self.ticks) >= count)
        return self.ticks


@pytest.fixture
async def server() -> AsyncIterator[AlpacaServer]:
    async with alpaca_server() as made:
        yield made


@asynccontextmanager
async def listening(server: AlpacaServer, **more: str) -> AsyncIterator[Listening]:
    made = Listening(server, **more)
    async with running(made.listen()):
        yield made


@asynccontextmanager
async def subscribed(server: AlpacaServer, **more: str) -> AsyncIterator[Listening]:
    async with listening(server, **more) as made:
        await eventually(lambda: server.connected == 1)
        yield made


def trade(price: float, size: int = 100, *, symbol: str = "AAPL", ms: int = 0, **more: Any) -> dict[str, Any]:
    at = NOW + timedelta(milliseconds=ms)
    return {
        "T": "t",
        "S": symbol,
        "i": 1,
        "x": "V",
        "p": price,
        "s": size,
        "c": ["@"],
        "z": "C",
        "t": at,
        **more,
    }


def quote(bid: float, ask: float, *, symbol: str = "AAPL", ms: int = 0, **more: Any) -> dict[str, Any]:
    at = NOW + timedelta(milliseconds=ms)
    sides = {"bx": "V", "bp": bid, "bs": 3, "ax": "V", "ap": ask, "as": 4}
    return {"T": "q", "S": symbol, **sides, "c": ["R"], "z": "C", "t": at, **more}


def numbers(tick: Tick, *names: str) -> list[float]:
    return [float(getattr(tick, name)) for name in names]


def faults(kind: str) -> float:
    return REGISTRY.get_sample_value("hub_market_feed_faults_total", {"kind": kind}) or 0.0


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_it_logs_in_subscribes_and_makes_ticks_of_trades_and_quotes(
    server: AlpacaServer, codec: str
) -> None:
    async with subscribed(server, codec=codec) as client:
        await server.say(quote(432.69, 432.71), trade(432.7, 150), {"T": "b", "S": "AAPL", "o": 1})
        await server.say(
            {"T": "d", "S": "AAPL", "o": 430.1, "h": 440, "l": 429.5, "c": 1, "v": 5000, "t": NOW},
            quote(432.6, 432.65, ms=5),
            trade(10, symbol="OTHER"),
        )
        ticks = await client.heard(2)
    first, second = ticks
    assert (str(first.bid), str(first.ask), str(first.last)) == (
        "432.69000000",
        "432.71000000",
        "432.70000000",
    )
    assert numbers(first, "bid_size", "ask_size", "volume", "traded") == [3, 4, 150, 150]
    assert (first.market_time, second.market_time) == (NOW, NOW + timedelta(milliseconds=5))
    assert numbers(second, "bid", "last", "traded") == [432.6, 432.7, 0]
    assert numbers(second, "open", "high", "low", "volume") == [430.1, 440, 429.5, 5000]
    assert server.content_types == [None if codec == "json" else "application/msgpack"]
    assert server.subscriptions == [
        {"trades": ["AAPL", "MSFT"], "quotes": ["AAPL", "MSFT"], "dailyBars": ["AAPL", "MSFT"]}
    ]


async def test_after_a_break_it_connects_again_and_subscribes_to_everything(server: AlpacaServer) -> None:
    async with subscribed(server) as client:
        await server.say(quote(99, 101), trade(100))
        await client.heard(1)
        await server.drop()
        await eventually(lambda: server.connected == 1)
        await server.say(trade(102, ms=10))
        ticks = await client.heard(2)
    assert numbers(ticks[1], "last", "bid", "volume") == [102, 99, 200], "what was known is known still"
    assert server.subscriptions[0] == server.subscriptions[1]


@pytest.mark.parametrize(
    "refusal", [(406, "connection limit exceeded"), (404, "auth timeout"), (500, "oops")]
)
async def test_a_refusal_that_may_pass_is_tried_again(
    server: AlpacaServer, refusal: tuple[int, str], capfd: pytest.CaptureFixture[str]
) -> None:
    server.refusal = refusal
    before = faults("refused")
    async with subscribed(server) as client:
        await server.say(quote(99, 101), trade(100))
        await client.heard(1)
    assert len(server.log_ins) == 2
    assert faults("refused") == before + 1


async def test_a_slow_client_is_told_so_and_comes_back(server: AlpacaServer) -> None:
    async with subscribed(server) as client:
        await server.refuse(407, "slow client")
        await eventually(lambda: len(server.subscriptions) == 2 and server.connected == 1)
        await server.say(quote(99, 101), trade(100))
        await client.heard(1)


async def test_a_bad_key_is_told_and_a_new_one_is_taken_without_a_restart(
    server: AlpacaServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    before = faults("refused")
    async with listening(server, secret="an-old-secret") as client:
        await eventually(lambda: faults("refused") >= before + 2)
        assert client.beats > 0, "market time goes on"
        assert client.feed.market_time() == NOW
        client.secret = SECRET
        await eventually(lambda: server.connected == 1)
        await server.say(quote(99, 101), trade(100))
        await client.heard(1)
    printed = capfd.readouterr()
    for told in (printed.out, printed.err, caplog.text):
        assert "an-old-secret" not in told
        assert SECRET not in told


async def test_what_is_not_as_it_should_be_is_counted_and_left_out(server: AlpacaServer) -> None:
    before = faults("message")
    async with subscribed(server) as client:
        await server.say_raw("{not json")
        await server.say_raw(b"\xc1")
        await server.say_raw('{"T": "t"}')
        wrong = [
            trade(-1),
            trade(0),
            trade(100, 0),
            {**trade(100), "p": "100"},
            {**trade(100), "t": "yesterday"},
            {**trade(100), "t": "2026-03-02T15:00:00"},
            {**trade(100), "S": 7},
            {"T": "t", "S": "AAPL"},
            {"no": "T"},
            trade(100, ms=120_000),  # two minutes ahead
            {**quote(1, 2), "as": True},
        ]
        await server.say(*wrong, {"T": "something new"}, trade(100), quote(99, 101))
        ticks = await client.heard(2)
    assert len(ticks) == 2
    assert faults("message") == before + 3 + len(wrong)


async def test_what_comes_late_is_not_shown(server: AlpacaServer) -> None:
    before = faults("late")
    async with subscribed(server) as client:
        await server.say(trade(100, ms=0), quote(99, 101, ms=0), trade(105, ms=-500), quote(1, 2, ms=-500))
        await server.say(trade(101, ms=0), trade(103, symbol="MSFT", ms=-500))
        ticks = await client.heard(4)
    assert [(tick.symbol, int(tick.last)) for tick in ticks] == [
        ("AAPL", 100),
        ("AAPL", 100),
        ("AAPL", 101),
        ("MSFT", 103),
    ]
    assert faults("late") == before + 2


async def test_nobody_there_is_no_end(free_port: Any) -> None:
    server = AlpacaServer()
    server.port = free_port()
    before = faults("connection")
    async with listening(server) as client:
        await eventually(lambda: faults("connection") >= before + 3)
        assert client.feed.market_time() == NOW
    assert client.feed.place() == ""


async def test_a_market_clock_that_was_moved_stays_ahead(server: AlpacaServer) -> None:
    async with subscribed(server) as client:
        client.feed.move_to(NOW + timedelta(days=3))
        await eventually(lambda: client.feed.market_time() == NOW + timedelta(days=3))
        await asyncio.sleep(0)


async def test_while_nothing_happens_the_other_end_is_asked_whether_it_lives(server: AlpacaServer) -> None:
    async with subscribed(server) as feed:
        for feed.now in (100.0, 200.0):
            await eventually(lambda: feed.feed.unheard_s() == 0)
        assert feed.ticks == []


async def test_a_server_that_stands_still_is_not_heard_of(server: AlpacaServer) -> None:
    async with subscribed(server) as feed:
        server.stand_still()

        def unheard() -> bool:
            """An answer that was on its way still counts."""
            feed.now += 1
            silence = feed.feed.unheard_s()
            return silence is not None and silence > 20

        await eventually(unheard)
        server.go_on()


async def test_without_a_subscription_nothing_is_certain(server: AlpacaServer) -> None:
    async with subscribed(server) as feed:
        await eventually(lambda: feed.feed.unheard_s() == 0)
        feed.secret = "another"
        await server.drop()
        await eventually(lambda: feed.feed.unheard_s() is None)
        feed.secret = SECRET
        await eventually(lambda: feed.feed.unheard_s() == 0)
