"""The predecessor's socket: its operations; and it is bounded, drained and counted like the other one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from hub.market_data.v1 import market_data_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_errors import Unavailable
from hub_gateway import legacy_socket
from hub_gateway.socket_limits import SocketLimits
from hub_quote_stream.__main__ import CALL_TABLE
from hub_quote_stream.frames import Frames
from hub_quote_stream.patch import frame
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_rpc import Server
from hub_runtime import uuid7
from tests.gateway.canned import Peers, canned
from tests.gateway.test_stream import until
from tests.gateway.world import LOCAL, Gateway, running_gateway
from tests.quote_stream.quotes import quote
from tests.support.servers import Login
from tests.support.tls import Tls

LIMITS = SocketLimits(frame_s=0.01, heartbeat_s=0.05, sockets=3, per_account=2, symbols=2)


def instrument(symbol: str, name: str = "") -> market_data_pb2.Instrument:
    return market_data_pb2.Instrument(symbol=symbol, name=name, asset_class=market_data_pb2.ASSET_CLASS_STOCK)


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        listed = [instrument("AAPL", "Apple Inc."), instrument("IBM"), instrument("MSFT")]
        made.answers["ListInstruments"] = market_data_pb2.ListInstrumentsResponse(instruments=listed)
        yield made


@pytest.fixture
async def frames() -> Frames:
    frames = Frames(most_updates=100)
    frames.publish(frame(quote("AAPL", 1, epoch=1, bid="100")))
    return frames


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers, frames: Frames) -> AsyncIterator[Gateway]:
    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(frames))
    async with Server(LOCAL, tls.files("quote-stream"), CALL_TABLE, [register], drain_s=0) as server:
        targets = {**peers.targets, "quote-stream": f"127.0.0.1:{server.port}"}
        async with running_gateway(tls, redis_server.dsn, targets=targets, limits=LIMITS) as gateway:
            await until(lambda: "AAPL" in gateway.frames.newest)
            yield gateway


def dial(gateway: Gateway, query: str, **claims: Any) -> connect:
    url = gateway.stream_url.replace("/api/v1/stream", "/ws/quotes")
    return connect(f"{url}?{query}", additional_headers=gateway.bearer(**claims) if claims else None)


async def operations(client: ClientConnection) -> list[dict[str, Any]]:
    message = json.loads(await client.recv())
    assert message["type"] == "quotes_patch"
    found: list[dict[str, Any]] = message["operations"]
    return found


async def refused(dialled: connect) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refusal:
        await dialled.__aenter__()
    response = refusal.value.response
    return response.status_code, json.loads(response.body or b"{}")["code"]


async def test_it_adds_first_and_replaces_then(gateway: Gateway, frames: Frames) -> None:
    async with dial(gateway, f"symbols=aapl,NOPE&token={gateway.signer.token()}") as client:
        [added] = await operations(client)
        assert (added["op"], added["path"]) == ("add", "/quotes/AAPL")
        assert (added["value"]["name"], added["value"]["type"]) == ("Apple Inc.", "STOCK")
        assert isinstance(added["value"]["current_price"], int | float)
        await client.send("whatever this means")
        frames.publish(frame(quote("AAPL", 2, epoch=1, bid="101")))
        replaced = await operations(client)
        assert {operation["op"] for operation in replaced} == {"replace"}
        assert "/quotes/AAPL/current_price" in {operation["path"] for operation in replaced}


async def test_an_instrument_without_a_quote_is_added_when_it_has_one(
    gateway: Gateway, frames: Frames
) -> None:
    async with dial(gateway, "symbols=IBM", session_id=str(uuid7())) as client:
        frames.publish(frame(quote("IBM", 1, epoch=1, bid="200")))
        [added] = await operations(client)
        assert (added["op"], added["path"]) == ("add", "/quotes/IBM")


async def test_it_needs_a_token_and_some_symbols_but_not_too_many(gateway: Gateway) -> None:
    token = gateway.signer.token()
    for query, told in {
        "symbols=AAPL": (401, "token_missing"),
        "symbols=AAPL&token=x": (401, "token_malformed"),
        f"token={token}": (400, "no_symbols"),
        f"symbols=NOPE,%2F,&token={token}": (400, "no_symbols"),
        f"symbols=AAPL,IBM,MSFT&token={token}": (400, "too_many_symbols"),
    }.items():
        assert await refused(dial(gateway, query)) == told


async def test_other_parameters_mean_nothing_however_many(gateway: Gateway) -> None:
    async with dial(gateway, f"symbols=AAPL&token={gateway.signer.token()}" + "&x=%ff" * 100) as client:
        assert await operations(client)


async def test_no_log_has_the_token_of_the_address(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    token = gateway.signer.token()
    with caplog.at_level(logging.INFO):
        async with dial(gateway, f"symbols=AAPL&token={token}") as client:
            await operations(client)
        await refused(dial(gateway, f"symbols=NOPE&token={token}"))
        await refused(dial(gateway, "symbols=AAPL&token=not-a-token"))
    server = [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"]
    assert sum("/ws/quotes" in line for line in server) == 3
    assert not [line for line in server if token in line or "not-a-token" in line]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_instruments_are_not_asked_for_again_for_every_socket(
    gateway: Gateway, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def visit() -> None:
        async with dial(gateway, "symbols=AAPL", session_id=str(uuid7())) as client:
            await operations(client)

    await asyncio.gather(visit(), visit(), visit())
    assert len(peers.asked["ListInstruments"]) == 1
    monkeypatch.setattr(legacy_socket, "REMEMBERED_S", 0.0)
    peers.answers["ListInstruments"] = Unavailable("Not now.", code="market_data_unavailable")
    await visit()


async def test_without_ever_having_known_the_instruments_it_is_503(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListInstruments"] = Unavailable("Not now.", code="market_data_unavailable")
    told = await refused(dial(gateway, "symbols=AAPL", session_id=str(uuid7())))
    assert told == (503, "market_data_unavailable")


async def test_the_places_of_an_account_are_counted_and_given_back(gateway: Gateway) -> None:
    account = str(uuid7())
    for _ in range(2):
        async with (
            dial(gateway, "symbols=AAPL", account_id=account),
            dial(gateway, "symbols=IBM", account_id=account),
        ):
            third = dial(gateway, "symbols=AAPL", account_id=account)
            assert await refused(third) == (429, "too_many_sockets")
        await until(lambda: gateway.sockets.sessions == 0)


async def test_who_leaves_before_being_let_in_gives_the_place_back(gateway: Gateway, peers: Peers) -> None:
    account = str(uuid7())
    peers.may_answer.clear()
    for _ in range(LIMITS.per_account + 1):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dial(gateway, "symbols=AAPL", account_id=account).__aenter__(), 0.1)
    peers.may_answer.set()
    async with (
        dial(gateway, "symbols=AAPL", account_id=account) as client,
        dial(gateway, "symbols=AAPL", account_id=account),
    ):
        assert await operations(client)


async def test_who_still_waits_when_the_process_stops_is_sent_away(gateway: Gateway, peers: Peers) -> None:
    peers.may_answer.clear()
    waiting = asyncio.create_task(refused(dial(gateway, "symbols=AAPL", session_id=str(uuid7()))))
    await until(lambda: "ListInstruments" in peers.asked)
    gateway.stopping.set()
    other = dial(gateway, "symbols=AAPL", session_id=str(uuid7()))
    peers.may_answer.set()
    assert await waiting == (503, "stopping")
    assert await refused(other) == (503, "stopping")


async def test_a_binary_frame_ends_it_without_an_error_in_the_log(
    gateway: Gateway, frames: Frames, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        async with dial(gateway, "symbols=AAPL", session_id=str(uuid7())) as client:
            await operations(client)
            await client.send("text")
            frames.publish(frame(quote("AAPL", 10 + number, epoch=1, bid="101")))
            await client.send(b"binary")
            async with asyncio.timeout(5):
                await client.wait_closed()
            assert client.close_code == 1003
    assert "socket_failed" not in "".join(capfd.readouterr())
