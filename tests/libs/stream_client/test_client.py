"""The Python client against a real gateway: it has what the server has, also after everything was cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_gateway.wire import RESTART
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_runtime import uuid7
from hub_stream_client import Document, StreamClient, StreamEndedError
from tests.gateway.canned import canned
from tests.gateway.test_stream import SYMBOLS, Upstream, gateway, until, upstream
from tests.gateway.test_stream_adversity import _following, owners, state
from tests.gateway.world import Gateway, running
from tests.support.servers import Login
from tests.support.tls import Tls

__all__ = ["gateway", "upstream"]


def client_of(gateway: Gateway, token: str | None = None) -> StreamClient:
    token = token or gateway.signer.token()
    return StreamClient(gateway.stream_url, token=lambda: token, min_wait_s=0.01, max_wait_s=0.1)


@asynccontextmanager
async def following(client: StreamClient) -> AsyncIterator[dict[str, list[Any]]]:
    """What it was told, by event."""
    told: dict[str, list[Any]] = {}
    for event in ("quotes", "orders", "order", "unknown", "error", "state"):
        client.on(event, told.setdefault(event, []).append)
    async with running(client.run()):
        yield told


async def test_it_has_what_the_server_has(gateway: Gateway, upstream: Upstream) -> None:
    client = client_of(gateway)
    client.subscribe([*SYMBOLS, "NOPE"])  # before it runs
    async with following(client) as told:
        for _ in range(20):
            upstream.tick()
            await until(lambda: client.document.quotes == state(upstream, SYMBOLS))
        client.unsubscribe(["MSFT"])
        await until(lambda: set(client.document.quotes) == {"AAPL"})
        upstream.tick()
        await until(lambda: client.document.quotes == state(upstream, ["AAPL"]))
    assert told["unknown"] == [["NOPE"]]
    assert told["error"] == []
    assert told["state"] == ["connecting", "open"]


async def test_it_comes_back_with_what_it_followed(gateway: Gateway, upstream: Upstream) -> None:
    client = client_of(gateway)
    async with following(client) as told:
        await until(lambda: "open" in told["state"])
        client.subscribe(SYMBOLS)
        for round_number in range(3):
            upstream.tick()
            await until(lambda: client.document.quotes == state(upstream, SYMBOLS))
            for session in list(gateway.sockets._sessions):
                session.end(RESTART, "restart")
            upstream.epoch += round_number % 2
            upstream.tick()
        await until(lambda: client.document.quotes == state(upstream, SYMBOLS))
        assert told["state"].count("open") >= 3


async def test_it_asks_for_a_token_at_every_connection(gateway: Gateway) -> None:
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return "not a token" if asked == 1 else gateway.signer.token()

    client = StreamClient(gateway.stream_url, token=token, min_wait_s=0.01)
    async with following(client) as told:
        await until(lambda: "open" in told["state"])
    assert asked == 2
    assert told["error"][0]["code"] == "token_malformed"


async def test_what_will_not_be_taken_is_not_said_again_and_again(gateway: Gateway) -> None:
    client = client_of(gateway)
    client.on("state", lambda state: client.subscribe(["X" * 20_000]) if state == "open" else None)
    with pytest.raises(StreamEndedError) as ended:
        await asyncio.wait_for(client.run(), 10)
    assert ended.value.code == 1009


async def test_updates_of_the_account_come_once_and_in_their_order(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    account = str(uuid7())
    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(upstream.frames))
    async with canned(tls) as peers, _following(tls, redis_server, [register], peers.targets) as gateway:
        peers.answers |= owners(1)
        client = client_of(gateway, gateway.signer.token(account_id=account))
        client.subscribe([], orders=True)
        async with following(client) as told:
            await until(lambda: len(told["orders"]) == 1)
            for version in (1, 3, 2, 4):
                upstream.update(account, version)
            await until(lambda: len(told["order"]) == 3)


def test_a_patch_needs_a_base_of_its_epoch_and_an_operation_that_is_known() -> None:
    document = Document()
    patch = {
        "symbol": "A",
        "epoch": 1,
        "seq": 2,
        "ops": [{"op": "replace", "path": "/quotes/A/bid", "value": "2"}],
    }
    assert document.patch([patch]) == ([], ["A"])
    document.snapshot({"symbol": "A", "epoch": 1, "seq": 1, "quote": {"symbol": "A", "bid": "1"}})
    assert document.patch([patch]) == (["A"], [])
    assert document.patch([patch]) == ([], [])  # it is old
    assert document.quotes == {"A": {"symbol": "A", "bid": "2"}}
    assert document.patch([{**patch, "epoch": 2}]) == ([], ["A"])
    for bad in (
        {"op": "add", "path": "/quotes/A/bid", "value": "3"},
        {"op": "replace", "path": "/quotes/A/new", "value": "3"},
        {"op": "replace", "path": "/other/A/bid", "value": "3"},
    ):
        with pytest.raises(ValueError, match="/"):
            document.patch([{**patch, "seq": 9, "ops": [bad]}])
