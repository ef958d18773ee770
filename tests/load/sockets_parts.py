"""The processes that the sockets are measured on. Started by sockets.py: `python -m tests.load.sockets_parts
ROLE ...`; each prints one line of JSON when it serves, and ends when its standard input does.

feed: a market-data of its own: the real gRPC contract, and ticks of many symbols at the same moment.
quote-stream: the real one without its broker. gateway: the real one, whose other peers are away; one that is
started again takes the port and the tokens of the one before.
bare: picows, which sends everybody the bytes that the gateway would send.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import picows
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hub.market_data.v1 import market_data_pb2, market_data_pb2_grpc
from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_gateway.follower import patches
from hub_gateway.frames import frame_of
from hub_gateway.server import allow_many_connections
from hub_gateway.socket_limits import SocketLimits
from hub_market_client import QuoteCache
from hub_market_client.model import read_quote
from hub_quote_stream.frames import Frames
from hub_quote_stream.patch import frame
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_quote_stream.worker import publish_quotes
from hub_rpc import Server, connect
from hub_runtime.settings import Address
from tests.gateway.world import Signer, running, running_gateway
from tests.support.tls import Authority, Tls

LOCAL: Final = Address("127.0.0.1", 0)
SYMBOLS: Final = [f"SYM{number:03}" for number in range(500)]
TICKING: Final = 50  # of them, unless more are asked for
OLD: Final = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS: Final = 200

Told = Callable[[dict[str, Any]], None]


def quotes(seq: int, at: datetime, count: int = len(SYMBOLS)) -> list[market_data_pb2.Quote]:
    found = []
    for number, symbol in enumerate(SYMBOLS[:count]):
        price = f"{100 + number}.{seq % 100:02}"
        quote = market_data_pb2.Quote(symbol=symbol, epoch=1, seq=seq, bid=price, ask=price, last=price)
        quote.bid_size = quote.ask_size = quote.volume = str(1_000 + seq)
        quote.open = quote.high = quote.low = quote.previous_close = quote.low_ask = quote.high_bid = price
        quote.market_time.FromDatetime(at)
        quote.received_at.FromDatetime(at)
        found.append(quote)
    return found


class Feed(market_data_pb2_grpc.MarketDataServiceServicer):
    def __init__(self) -> None:
        self.rate = 0.0
        self.count = TICKING
        self._seq = 1
        self._ticked = asyncio.Condition()
        self._tick = market_data_pb2.StreamQuotesResponse()

    async def run(self) -> None:
        due = time.monotonic()
        while True:
            if not self.rate:
                await asyncio.sleep(0.05)
                due = time.monotonic()
                continue
            due += 1 / self.rate
            await asyncio.sleep(due - time.monotonic())
            self._seq += 1
            async with self._ticked:
                ticked = quotes(self._seq, datetime.now(UTC), self.count)
                self._tick = market_data_pb2.StreamQuotesResponse(quotes=ticked)
                self._ticked.notify_all()

    async def StreamQuotes(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        first = market_data_pb2.StreamQuotesResponse()
        first.snapshot.quotes.extend(quotes(self._seq, datetime.now(UTC)))
        yield first
        while True:
            async with self._ticked:
                await self._ticked.wait()
                tick = self._tick
            yield tick


async def orders(told: Told) -> None:
    """Every line of the standard input, until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        told(json.loads(line))
        print("{}", flush=True)


def serves(**figures: object) -> None:
    print(json.dumps(figures), flush=True)


async def feed(folder: Path) -> None:
    service = Feed()  # type: ignore[abstract]  # the quote cache asks for nothing else

    def told(order: dict[str, Any]) -> None:
        service.rate, service.count = order["rate"], order.get("symbols", TICKING)

    table = {"hub.market_data.v1.MarketDataService": {"*": frozenset({"quote-stream"})}}
    register = partial(market_data_pb2_grpc.add_MarketDataServiceServicer_to_server, service)
    async with (
        Server(LOCAL, _tls(folder).files("market-data"), table, [register], drain_s=0) as server,
        running(service.run()),
    ):
        serves(port=server.port)
        await orders(told)


async def quote_stream(folder: Path, market_data: str) -> None:
    cache, frames = QuoteCache(), Frames(most_updates=5_000)
    tls = _tls(folder).files("quote-stream")
    table = {"hub.quote_stream.v1.QuoteStreamService": {"*": frozenset({"gateway"})}}
    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(frames))
    async with (
        connect(f"127.0.0.1:{market_data}", tls, "market-data") as channel,
        running(cache.follow(channel), publish_quotes(cache, frames)),
        Server(LOCAL, tls, table, [register], drain_s=0) as server,
    ):
        serves(port=server.port)
        await orders(lambda _: None)


def signer_of(folder: Path) -> Signer:
    """The same after a restart, so that tokens stay good."""
    file = folder / "signer.pem"
    if not file.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Signer(key=key)


async def gateway(folder: Path, upstream: str, port: str) -> None:
    allow_many_connections()
    targets = {"quote-stream": f"127.0.0.1:{upstream}"}
    limits = SocketLimits(sockets=50_000, per_account=50_000)
    async with running_gateway(
        _tls(folder),
        "redis://127.0.0.1:1",
        targets=targets,
        limits=limits,
        address=Address("127.0.0.1", int(port)),
        signer=signer_of(folder),
    ) as running:
        _settle_memory()
        tokens = [running.signer.token(expires_in=timedelta(hours=1)) for _ in range(TOKENS)]
        serves(port=int(running.url.rpartition(":")[2]), tokens=tokens)
        await orders(lambda _: None)


class Bare:
    """Nothing but what must be done: the bytes, to everybody whose connection has room for them."""

    def __init__(self) -> None:
        self._open: dict[Listener, None] = {}
        self._text = b""
        self._rate = 0.0

    def told(self, order: dict[str, Any]) -> None:
        self._rate = order["rate"]
        some = quotes(1, OLD)[: order["symbols"]]
        self._text = patches([frame_of(frame(read_quote(quote))) for quote in some])

    async def run(self) -> None:
        old = _stamp(OLD)
        due = time.monotonic()
        while True:
            if not self._rate:
                await asyncio.sleep(0.05)
                due = time.monotonic()
                continue
            due += 1 / self._rate
            await asyncio.sleep(due - time.monotonic())
            text = self._text.replace(old, _stamp(datetime.now(UTC)))
            for listener in self._open:
                if not listener.paused:
                    listener.transport.send(picows.WSMsgType.TEXT, text)

    async def serve(self) -> None:
        allow_many_connections()
        server = await picows.ws_create_server(
            lambda _: Listener(self._open), "127.0.0.1", 0, backlog=4096, read_buffer_init_size=1024
        )
        _settle_memory()
        async with running(self.run()):
            serves(port=server.sockets[0].getsockname()[1], tokens=["-"])
            await orders(self.told)


class Listener(picows.WSListener):
    transport: picows.WSTransport
    paused = False

    def __init__(self, others: dict[Listener, None]) -> None:
        self._others = others

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self._others[self] = None

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._others.pop(self, None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False


def _stamp(at: datetime) -> bytes:
    return at.replace(tzinfo=None).isoformat(timespec="microseconds").encode()


def _tls(folder: Path) -> Tls:
    return Tls(folder, Authority.load(folder))


def _settle_memory() -> None:
    """As every process of ours does (hub_runtime)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def main() -> None:
    match sys.argv[1:]:
        case ["feed", folder]:
            work = feed(Path(folder))
        case ["quote-stream", folder, market_data]:
            work = quote_stream(Path(folder), market_data)
        case ["gateway", folder, upstream, port]:
            work = gateway(Path(folder), upstream, port)
        case ["bare"]:
            work = Bare().serve()
        case _:
            raise SystemExit(__doc__)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(KeyboardInterrupt):
        runner.run(work)


if __name__ == "__main__":
    main()
