"""What clients see when something around them goes wrong: a client that is stuck, a quote-stream that dies,
everybody coming back at once, and an order that is executed in the very moment somebody begins to look."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pytest
from grpc import aio
from websockets.exceptions import ConnectionClosed

from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2
from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_gateway.session import Session
from hub_gateway.wire import HIGH_WATER
from hub_quote_stream import rpc
from hub_quote_stream.__main__ import CALL_TABLE
from hub_quote_stream.frames import Frames
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_rpc import Server
from hub_runtime import Address, uuid7
from tests.gateway.canned import canned
from tests.gateway.test_stream import (
    QUICK,
    SYMBOLS,
    Upstream,
    dial,
    gateway,
    hear,
    say,
    streaming,
    streaming_many,
    until,
    upstream,
)
from tests.gateway.world import LOCAL, Gateway, running_gateway
from tests.load.sockets_clients import Clients
from tests.quote_stream.quotes import Follower, loaded
from tests.support.servers import Login
from tests.support.tls import Tls

__all__ = ["gateway", "upstream"]


def state(upstream: Upstream, symbols: list[str]) -> dict[str, Any]:
    return {name: loaded(upstream.frames._newest[name].quote_json) for name in symbols}


async def test_a_stuck_client_holds_a_bounded_memory_and_the_others_lose_nothing(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    limits = replace(QUICK, frame_s=0.001, slow_s=60, drop_s=60)
    many = [f"S{number}" for number in range(50)]
    upstream.tick(*many)
    async with streaming_many(tls, redis_server, upstream, limits, len(many)) as gateway:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        small.setblocking(False)
        quick = Follower()
        async with (
            dial(gateway, gateway.bearer(), sock=small, max_queue=1, close_timeout=0.1) as stuck,
            dial(gateway, gateway.bearer(), max_size=None) as client,
        ):
            await say(stuck, type="subscribe", symbols=many)
            await say(client, type="subscribe", symbols=many)
            while quick.snapshots < len(many):
                quick.take(json.loads(await client.recv()))
            held = _session(gateway, stuck)
            waiting = 0
            async with asyncio.timeout(60):
                for _ in range(40):
                    upstream.tick(*many)
                    while quick.place[many[-1]][1] < upstream.seq:
                        quick.take(json.loads(await client.recv()))
                    waiting = max(waiting, held.wire.waiting)
            assert held.blocked_at is not None  # it is stuck indeed
            assert waiting < HIGH_WATER + 500_000  # one message of all symbols, and what may wait
            assert quick.document["quotes"] == state(upstream, many)


def _session(gateway: Gateway, client: Any) -> Session:
    """The first that came."""
    return next(iter(gateway.sockets._sessions))


async def test_a_quote_stream_that_dies_is_found_again_and_the_values_are_right(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    follower = Follower()
    upstream.tick()
    port = _free_port()
    async with running_gateway(
        tls, redis_server.dsn, targets={"quote-stream": f"127.0.0.1:{port}"}, limits=QUICK
    ) as gateway:
        async with at(port, tls, upstream.frames):
            await until(lambda: gateway.frames.connected)
            client = await dial(gateway, gateway.bearer())
            await say(client, type="subscribe", symbols=SYMBOLS)
            while follower.snapshots < 2:
                follower.take(json.loads(await client.recv()))
        await until(lambda: not gateway.frames.connected)
        reborn = Upstream(Frames(most_updates=100), epoch=2)
        reborn.tick()
        async with at(port, tls, reborn.frames):
            resyncs = []
            async with asyncio.timeout(30):
                while set(follower.place.values()) != {(2, reborn.seq)}:
                    message = json.loads(await client.recv())
                    resyncs += [message["reason"]] if message["type"] == "resync" else []
                    follower.take(message)
            assert resyncs == ["epoch"]
            assert follower.document["quotes"] == state(reborn, SYMBOLS)
            late = Upstream(reborn.frames, seq=90, epoch=1)
            late.tick()  # a feeder of the epoch before
            reborn.tick()
            while set(follower.place.values()) != {(2, reborn.seq)}:
                follower.take(json.loads(await client.recv()))
            assert follower.document["quotes"] == state(reborn, SYMBOLS)
        await client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def at(port: int, tls: Tls, frames: Frames) -> AsyncIterator[None]:
    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(frames))
    address = Address("127.0.0.1", port)
    async with Server(address, tls.files("quote-stream"), CALL_TABLE, [register], drain_s=0, grace_s=0):
        yield


async def test_everybody_comes_back_at_once_and_is_served(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    count = 300
    async with streaming(tls, redis_server, upstream, replace(QUICK, per_account=count)) as gateway:
        port, tokens = int(gateway.url.rpartition(":")[2]), [gateway.signer.token()]

        def storm(clients: Clients) -> int:
            clients.close()
            clients.snapshots = 0
            clients.connect(count, tokens)
            clients.say({"type": "subscribe", "symbols": SYMBOLS})
            clients.read(_soon(30), enough=lambda: clients.snapshots >= count * len(SYMBOLS))
            return clients.snapshots

        clients = Clients(port, "/api/v1/stream")
        for _ in range(2):
            assert await asyncio.to_thread(storm, clients) == count * len(SYMBOLS)
        await until(lambda: gateway.sockets.sessions == count)
        clients.messages = 0
        upstream.tick()
        await asyncio.to_thread(clients.read, _soon(0.5))
        assert clients.messages == count
        clients.close()
        await until(lambda: gateway.sockets.sessions == 0)
        assert not gateway.sockets._house.fanout._groups
        assert not gateway.sockets._house.fanout._readers


def _soon(seconds: float) -> float:
    import time

    return time.monotonic() + seconds


class Hesitant(QuoteStreamRpc):
    """Obeys only when it may."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames)
        self.may_obey = asyncio.Event()


@pytest.fixture
def hesitant(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Hesitant:
    service, obey = Hesitant(upstream.frames), rpc._obey

    async def later(requests: AsyncIterator[Any], stream: Any) -> None:
        first = await anext(requests)
        stream.watch(first.watch_accounts)
        await service.may_obey.wait()
        await obey(requests, stream)

    monkeypatch.setattr(rpc, "_obey", later)
    return service


class Hanging(QuoteStreamRpc):
    """Begins well, and then stands still, but its connections do not end; a second try is served."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames)
        self.streams = 0

    async def FollowFrames(  # noqa: N802 - the name is that of the proto
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[Any]:
        self.streams += 1
        hangs = self.streams == 1
        async for response in super().FollowFrames(request_iterator, context):
            yield response
            if hangs and response.obeyed:
                await asyncio.Event().wait()


async def test_a_quote_stream_that_stands_still_is_left(
    tls: Tls, redis_server: Login, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_gateway.interest.PAUSE_S", 0.1)
    monkeypatch.setattr("hub_gateway.upstream.SILENCE_S", 0.5)
    service, follower = Hanging(upstream.frames), Follower()
    upstream.tick()
    register = partial(add_QuoteStreamServiceServicer_to_server, service)
    async with (
        _following(tls, redis_server, [register], {}) as gateway,
        dial(gateway, gateway.bearer()) as client,
    ):
        await say(client, type="subscribe", symbols=SYMBOLS)
        while follower.snapshots < 2:
            follower.take(json.loads(await client.recv()))
        upstream.tick()
        async with asyncio.timeout(30):
            while set(follower.place.values()) != {(1, upstream.seq)}:
                follower.take(json.loads(await client.recv()))
        assert follower.document["quotes"] == state(upstream, SYMBOLS)
        assert service.streams > 1


class Piecemeal(QuoteStreamRpc):
    """Has told of one symbol, and has not come to the others yet."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames)
        self.may_go_on = asyncio.Event()

    async def FollowFrames(  # noqa: N802 - the name is that of the proto
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[Any]:
        first = [self._frames._newest["AAPL"]]
        yield quote_stream_pb2.FollowFramesResponse(frames=first, obeyed=1, more=True)
        await self.may_go_on.wait()
        async for response in super().FollowFrames(request_iterator, context):
            yield response


async def test_who_comes_while_a_gateway_begins_is_not_told_that_symbols_are_unknown(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    upstream.tick()
    service = Piecemeal(upstream.frames)
    register = partial(add_QuoteStreamServiceServicer_to_server, service)
    async with (
        _following(tls, redis_server, [register], {}) as gateway,
        dial(gateway, gateway.bearer()) as client,
    ):
        await say(client, type="subscribe", symbols=SYMBOLS)
        answer = await hear(client, "subscribed")
        assert (answer["symbols"], answer.get("unknown")) == (SYMBOLS, None)
        await hear(client, "quotes_snapshot", symbol="AAPL")
        service.may_go_on.set()
        await hear(client, "quotes_snapshot", symbol="MSFT")
        await say(client, type="subscribe", symbols=["NOPE"])
        assert (await hear(client, "subscribed"))["unknown"] == ["NOPE"]


def owners(open_orders: int) -> dict[str, Any]:
    orders = [order_pb2.Order(order_id=f"o-{number}") for number in range(open_orders)]
    for order in orders:
        order.side, order.type = order_pb2.SIDE_BUY, order_pb2.ORDER_TYPE_MARKET
        order.time_in_force, order.status = order_pb2.TIME_IN_FORCE_DAY, order_pb2.ORDER_STATUS_PENDING
    return {
        "ListOrders": order_pb2.ListOrdersResponse(orders=orders),
        "GetBalance": position_pb2.GetBalanceResponse(
            account_id=str(uuid7()),
            currency="USD",
            cash="10",
            settled="10",
            unsettled="0",
            held="0",
            buying_power="10",
            withdrawable="10",
        ),
    }


async def test_what_happens_before_quote_stream_obeys_is_in_the_owners_answer(
    tls: Tls, redis_server: Login, upstream: Upstream, hesitant: Hesitant
) -> None:
    register = partial(add_QuoteStreamServiceServicer_to_server, hesitant)
    account = str(uuid7())
    async with canned(tls) as peers, _following(tls, redis_server, [register], peers.targets) as gateway:
        peers.answers |= owners(0)
        async with dial(gateway, gateway.bearer(account_id=account)) as client:
            await say(client, type="subscribe", orders=True)
            await hear(client, "subscribed")
            upstream.update(account, version=1)  # nobody watches yet: it is lost, and the owner knows of it
            peers.answers |= owners(1)
            assert "ListOrders" not in peers.asked
            hesitant.may_obey.set()
            snapshot = await hear(client, "orders_snapshot")
            assert [order["order_id"] for order in snapshot["orders"]] == ["o-0"]
            upstream.update(account, version=2)
            assert (await hear(client, "order_update"))["version"] == 2
            async with dial(gateway, gateway.bearer(account_id=account)) as other:
                await say(other, type="subscribe", orders=True)
                await hear(other, "orders_snapshot")
                upstream.update(account, version=3)
                assert (await hear(other, "order_update"))["version"] == 3
            assert (await hear(client, "order_update"))["version"] == 3
        await until(lambda: not upstream.frames.wanted(account))


async def test_a_stream_that_ends_is_told_of_the_accounts_again_and_the_owners_are_asked(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    from hub_errors import Unavailable

    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(upstream.frames))
    account = str(uuid7())
    async with canned(tls) as peers, _following(tls, redis_server, [register], peers.targets) as gateway:
        peers.answers |= owners(0)
        async with dial(gateway, gateway.bearer(account_id=account)) as client:
            await say(client, type="subscribe", orders=True)
            await hear(client, "orders_snapshot")
            peers.answers |= owners(1)
            upstream.frames.end_streams(Unavailable("Updates may have been missed.", code="updates_missed"))
            assert len((await hear(client, "orders_snapshot"))["orders"]) == 1
            upstream.update(account, version=2)
            assert (await hear(client, "order_update"))["version"] == 2


@asynccontextmanager
async def _following(
    tls: Tls, redis: Login, registrations: list[Any], targets: dict[str, str]
) -> AsyncIterator[Gateway]:
    files = tls.files("quote-stream")
    async with Server(LOCAL, files, CALL_TABLE, registrations, drain_s=0) as server:
        every = {**targets, "quote-stream": f"127.0.0.1:{server.port}"}
        async with running_gateway(tls, redis.dsn, targets=every, limits=QUICK) as gateway:
            await until(lambda: gateway.frames.connected)
            yield gateway


async def test_a_quote_stream_of_the_release_before_sends_everything(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    service = QuoteStreamRpc(upstream.frames)

    def register(server: aio.Server) -> None:
        """As it was: it had one RPC."""
        stream = grpc.unary_stream_rpc_method_handler(
            service.StreamFrames,
            request_deserializer=quote_stream_pb2.StreamFramesRequest.FromString,
            response_serializer=quote_stream_pb2.StreamFramesResponse.SerializeToString,
        )
        name = "hub.quote_stream.v1.QuoteStreamService"
        server.add_registered_method_handlers(name, {"StreamFrames": stream})

    account = str(uuid7())
    async with canned(tls) as peers, _following(tls, redis_server, [register], peers.targets) as gateway:
        peers.answers |= owners(0)
        async with dial(gateway, gateway.bearer(account_id=account)) as client:
            await say(client, type="subscribe", orders=True)
            await hear(client, "orders_snapshot")
            upstream.update(account, version=7)
            assert (await hear(client, "order_update"))["version"] == 7
            with suppress(ConnectionClosed):
                await client.close()
