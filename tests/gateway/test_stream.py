"""The WebSocket, end to end: quote-stream in this process, the gateway, and clients that behave or do not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_errors import Unavailable
from hub_gateway.socket_limits import SocketLimits
from hub_quote_stream.__main__ import CALL_TABLE
from hub_quote_stream.frames import Frames
from hub_quote_stream.patch import frame
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_rpc import Server
from hub_runtime import uuid7
from tests.gateway.world import LOCAL, Gateway, running_gateway
from tests.quote_stream.quotes import Follower, loaded, quote
from tests.support.servers import Login
from tests.support.tls import Tls

QUICK = SocketLimits(frame_s=0.01, auth_s=0.5, per_account=3)
SYMBOLS = ["AAPL", "MSFT"]


@dataclass
class Upstream:
    """quote-stream, as its own process would be."""

    frames: Frames
    seq: int = 0
    epoch: int = 1

    def tick(self, *symbols: str) -> None:
        self.seq += 1
        for symbol in symbols or SYMBOLS:
            self.frames.publish(
                frame(quote(symbol, self.seq, epoch=self.epoch, bid=str(100 + self.seq % 50)))
            )

    def update(self, account_id: str, version: int = 1) -> None:
        message = quote_stream_pb2.AccountUpdate(
            account_id=account_id,
            event_id=str(uuid7()),
            kind="order",
            subject_id="o-1",
            version=version,
            update_json=b'{"order_id":"o-1"}',
        )
        self.frames.update(message)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream(Frames(most_updates=10_000))


@asynccontextmanager
async def serving(tls: Tls, upstream: Upstream) -> AsyncIterator[str]:
    registration = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(upstream.frames))
    async with Server(LOCAL, tls.files("quote-stream"), CALL_TABLE, [registration], drain_s=0) as server:
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def streaming(
    tls: Tls, redis: Login, upstream: Upstream, limits: SocketLimits = QUICK
) -> AsyncIterator[Gateway]:
    upstream.tick()
    async with (
        serving(tls, upstream) as target,
        running_gateway(tls, redis.dsn, targets={"quote-stream": target}, limits=limits) as gateway,
    ):
        await until(lambda: set(gateway.frames.newest) == set(SYMBOLS))
        yield gateway


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, upstream: Upstream) -> AsyncIterator[Gateway]:
    async with streaming(tls, redis_server, upstream) as gateway:
        yield gateway


def dial(gateway: Gateway, headers: dict[str, str] | None = None, **options: Any) -> connect:
    return connect(
        gateway.stream_url, additional_headers=headers or {}, compression=None, proxy=None, **options
    )


async def say(client: ClientConnection, **message: Any) -> None:
    await client.send(json.dumps(message))


async def hear(client: ClientConnection, kind: str, **wanted: Any) -> dict[str, Any]:
    """The next message of a kind; others are skipped."""
    async with asyncio.timeout(10):
        async for text in client:
            message: dict[str, Any] = json.loads(text)
            if message["type"] == kind and all(message.get(k) == v for k, v in wanted.items()):
                return message
    raise AssertionError(f"closed before {kind}")


async def closed(client: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closes the socket; a client that never read may find the connection gone instead."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            async for _ in client:
                pass
    return client.close_code, client.close_reason


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is told by nothing
            await asyncio.sleep(0.01)


async def test_a_snapshot_comes_first_and_patches_follow(gateway: Gateway, upstream: Upstream) -> None:
    follower = Follower()
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=SYMBOLS)
        while follower.snapshots < 2:
            follower.take(json.loads(await client.recv()))
        upstream.tick()
        while follower.patches < 2:
            follower.take(json.loads(await client.recv()))
    for symbol in SYMBOLS:
        assert follower.document["quotes"][symbol]["bid_size"] == str(upstream.seq * 10)


async def test_all_clients_of_a_gateway_share_one_stream(gateway: Gateway, upstream: Upstream) -> None:
    async with dial(gateway, gateway.bearer()) as one, dial(gateway, gateway.bearer()) as other:
        for client in (one, other):
            await say(client, type="subscribe", symbols=["AAPL"])
            await hear(client, "quotes_snapshot")
        upstream.tick()
        patches = [await hear(client, "quotes_patch") for client in (one, other)]
    assert patches[0] == patches[1]
    assert len(upstream.frames._streams) == 1


async def test_the_frames_a_slow_client_gets_give_the_servers_state(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    limits = replace(QUICK, frame_s=0.05)
    follower = Follower()
    async with (
        streaming(tls, redis_server, upstream, limits) as gateway,
        dial(gateway, gateway.bearer()) as client,
    ):
        await say(client, type="subscribe", symbols=SYMBOLS)
        await hear(client, "subscribed")
        for _ in range(500):
            upstream.tick()
            await asyncio.sleep(0)
        while [place[1] for place in follower.place.values()] != [upstream.seq] * 2:
            follower.take(json.loads(await asyncio.wait_for(client.recv(), 10)))
    newest = upstream.frames._newest
    assert follower.document["quotes"] == {s: loaded(newest[s].quote_json) for s in SYMBOLS}
    assert follower.patches < 200  # most were left out


async def test_a_new_epoch_means_resync_and_snapshots(gateway: Gateway, upstream: Upstream) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=SYMBOLS)
        await hear(client, "quotes_snapshot", symbol="MSFT")
        upstream.epoch, upstream.seq = 2, 0
        upstream.tick()
        assert (await hear(client, "resync"))["reason"] == "epoch"
        snapshot = await hear(client, "quotes_snapshot")
        assert (snapshot["epoch"], snapshot["seq"]) == (2, 1)


async def test_after_unsubscribing_nothing_comes_any_more(gateway: Gateway, upstream: Upstream) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=SYMBOLS)
        await say(client, type="unsubscribe", symbols=["AAPL"])
        await hear(client, "subscribed", symbols=["MSFT"])
        upstream.tick("AAPL")
        upstream.tick("MSFT")
        while True:
            message = await hear(client, "quotes_patch")
            assert {patch["symbol"] for patch in message["patches"]} == {"MSFT"}
            if message["patches"][0]["seq"] == upstream.seq:
                break


async def test_the_first_message_may_be_the_token(gateway: Gateway) -> None:
    account_id = str(uuid7())
    async with dial(gateway) as client:
        await say(client, type="auth", token=gateway.signer.token(account_id=account_id))
        assert (await hear(client, "authenticated"))["account_id"] == account_id
        await say(client, type="subscribe", symbols=["AAPL"])
        await hear(client, "quotes_snapshot", symbol="AAPL")


async def test_without_a_token_the_socket_is_closed(gateway: Gateway) -> None:
    async with dial(gateway) as silent:
        assert await closed(silent) == (4401, "token_missing")
    async with dial(gateway) as rash:
        await say(rash, type="subscribe", symbols=["AAPL"])
        assert await closed(rash) == (4401, "token_missing")
    async with dial(gateway) as liar:
        await say(liar, type="auth", token="a.b.c")
        code, _ = await closed(liar)
        assert code == 4401


@pytest.mark.parametrize("header", ["Bearer a.b.c", "Basic YTpi", "Bearer"])
async def test_a_bad_header_is_refused_in_the_handshake(gateway: Gateway, header: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(gateway, {"authorization": header})
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["content-type"] == "application/problem+json"
    assert json.loads(refused.value.response.body)["code"] in {"token_malformed", "token_invalid"}


async def test_a_socket_on_another_path_is_refused(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.stream_url + "s", proxy=None)
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == "unknown_path"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed_json"),
        ("{", "malformed_json"),
        ("[]", "wrong_type"),
        ("{}", "missing_field"),
        ('{"type":"dance"}', "invalid_value"),
        ('{"type":"subscribe","symbols":"AAPL"}', "wrong_type"),
        ('{"type":"subscribe","symbols":["aapl"]}', "invalid_symbol"),
        ('{"type":"subscribe","colour":1}', "unknown_field"),
        (json.dumps({"type": "subscribe", "symbols": [f"S{n}" for n in range(600)]}), "too_many_symbols"),
    ],
)
async def test_a_message_that_makes_no_sense_is_answered_and_the_socket_stays(
    gateway: Gateway, text: str, code: str
) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await client.send(text)
        assert (await hear(client, "error"))["code"] == code
        await say(client, type="subscribe", symbols=["AAPL"])
        await hear(client, "quotes_snapshot")


async def test_unknown_symbols_are_named_and_the_rest_is_followed(
    gateway: Gateway, upstream: Upstream
) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=["NOPE", "AAPL", "NADA", "NOPE"])
        answer = await hear(client, "subscribed")
        assert (answer["symbols"], answer["unknown"]) == (["AAPL"], ["NOPE", "NADA"])
        await hear(client, "quotes_snapshot", symbol="AAPL")
        await say(client, type="subscribe", symbols=["MSFT"])
        answer = await hear(client, "subscribed")
        assert (answer["symbols"], answer.get("unknown")) == (SYMBOLS, None)


async def test_a_message_that_is_too_large_or_binary_closes_the_socket(gateway: Gateway) -> None:
    async with dial(gateway, gateway.bearer()) as large:
        await large.send("x" * 20_000)
        assert (await closed(large))[0] == 1009
    async with dial(gateway, gateway.bearer()) as binary:
        await binary.send(b"{}")
        assert await closed(binary) == (1003, "text_only")


async def test_a_client_that_talks_too_much_is_closed(gateway: Gateway) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        for _ in range(QUICK.messages + 1):
            await say(client, type="unsubscribe")
        assert await closed(client) == (1008, "too_many_messages")


async def test_an_expired_token_closes_the_socket(gateway: Gateway) -> None:
    async with dial(gateway, gateway.bearer(expires_in=timedelta(seconds=1.5))) as client:
        assert await closed(client) == (4401, "token_expired")


async def test_a_newer_token_prolongs_the_socket_but_only_for_the_same_account(gateway: Gateway) -> None:
    account_id = str(uuid7())
    token = gateway.signer.token(account_id=account_id, session_id="old", expires_in=timedelta(minutes=1))
    async with dial(gateway, {"authorization": f"Bearer {token}"}) as client:
        await say(client, type="auth", token=gateway.signer.token(account_id=account_id, session_id="new"))
        await hear(client, "authenticated")
        gateway.trust.apply(gateway.signer.trusted("old"))
        await say(client, type="auth", token=gateway.signer.token())
        assert (await hear(client, "error"))["code"] == "token_invalid"
        gateway.trust.apply(gateway.signer.trusted("old", "new"))
        assert await closed(client) == (4401, "token_revoked")


async def test_a_revoked_session_closes_its_sockets_and_no_other(gateway: Gateway) -> None:
    async with (
        dial(gateway, gateway.bearer(session_id="s-1")) as revoked,
        dial(gateway, gateway.bearer(session_id="s-2")) as other,
    ):
        gateway.trust.apply(gateway.signer.trusted("s-1"))
        assert await closed(revoked) == (4401, "token_revoked")
        await say(other, type="subscribe", symbols=["AAPL"])
        await hear(other, "quotes_snapshot")


async def test_owners_that_are_away_are_told_of_and_asked_again(gateway: Gateway) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=["AAPL"], orders=True)
        await hear(client, "quotes_snapshot")  # quotes do not wait for the orders
        for _ in range(2):
            assert (await hear(client, "error"))["code"] == "peer_unavailable"


async def test_an_account_has_a_limited_number_of_sockets(gateway: Gateway) -> None:
    headers = gateway.bearer(account_id=str(uuid7()))
    async with dial(gateway, headers), dial(gateway, headers), dial(gateway, headers) as third:
        with pytest.raises(InvalidStatus) as refused:
            await dial(gateway, headers)
        assert refused.value.response.status_code == 429
        await third.close()
        await until(lambda: gateway.sockets.sessions == 2)
        async with dial(gateway, headers) as fourth:
            await say(fourth, type="subscribe", symbols=["AAPL"])
            await hear(fourth, "quotes_snapshot")


async def test_a_silent_socket_hears_a_heartbeat(tls: Tls, redis_server: Login, upstream: Upstream) -> None:
    limits = replace(QUICK, heartbeat_s=0.1)
    async with (
        streaming(tls, redis_server, upstream, limits) as gateway,
        dial(gateway, gateway.bearer()) as client,
    ):
        await hear(client, "heartbeat")
        await hear(client, "heartbeat")


async def test_when_the_process_stops_clients_are_told_to_come_back(gateway: Gateway) -> None:
    async with dial(gateway, gateway.bearer()) as one, dial(gateway, gateway.bearer()) as other:
        gateway.stopping.set()
        assert {await closed(one), await closed(other)} == {(1012, "restart")}
        with pytest.raises(InvalidStatus) as refused:
            await dial(gateway, gateway.bearer())
        assert refused.value.response.status_code == 503


async def test_a_client_that_does_not_read_is_dropped_and_harms_nobody(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    limits = replace(QUICK, frame_s=0.001, slow_s=0.2, drop_s=0.5)
    many = [f"S{number}" for number in range(200)]
    upstream.tick(*many)
    async with streaming_many(tls, redis_server, upstream, limits, len(many)) as gateway:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        small.setblocking(False)
        async with (
            dial(gateway, gateway.bearer(), sock=small, max_queue=1) as stuck,
            dial(gateway, gateway.bearer()) as quick,
        ):
            await say(stuck, type="subscribe", symbols=many)
            await say(quick, type="subscribe", symbols=many[:1])
            async with asyncio.timeout(30):
                while gateway.sockets.sessions == 2:
                    upstream.tick(*many)
                    await hear(quick, "quotes_patch")
            assert gateway.sockets.sessions == 1
            code, reason = await closed(stuck)
            assert (code, reason) in {(4408, "too_slow"), (1006, "")}


@asynccontextmanager
async def streaming_many(
    tls: Tls, redis: Login, upstream: Upstream, limits: SocketLimits, symbols: int
) -> AsyncIterator[Gateway]:
    async with (
        serving(tls, upstream) as target,
        running_gateway(tls, redis.dsn, targets={"quote-stream": target}, limits=limits) as gateway,
    ):
        await until(lambda: len(gateway.frames.newest) == symbols)
        yield gateway


async def test_a_stream_that_ends_is_opened_again(gateway: Gateway, upstream: Upstream) -> None:
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=["AAPL"])
        await hear(client, "quotes_snapshot")
        upstream.frames.end_streams(Unavailable("Updates may have been missed.", code="updates_missed"))
        await until(lambda: not gateway.frames.connected)
        upstream.tick()
        await until(lambda: gateway.frames.connected)
        patch = (await hear(client, "quotes_patch"))["patches"][0]
        assert patch["seq"] == upstream.seq
