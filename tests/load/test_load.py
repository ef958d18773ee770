"""What the benchmark sends and how it counts, without a platform."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import pytest

from hub_gateway.follower import patches
from hub_gateway.frames import frame_of
from hub_gateway.wire import framed
from hub_quote_stream.patch import frame
from tests.load.client import connected, request
from tests.load.paced import pace, quantile
from tests.load.sockets_clients import Client, Clients
from tests.load.summary import ask
from tests.load.traders import STOCK, SYMBOLS, Trader, orders_of
from tests.load.usage import cpu_us, less
from tests.quote_stream.quotes import quote

TRADERS = [Trader(f"account-{number}", f"token-{number}", "") for number in range(20)]


@asynccontextmanager
async def serving(
    work: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """The port of a server whose connections are closed when the block ends."""
    at_work: set[asyncio.Task[None]] = set()

    async def until_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Debian's Python leaves the connection open when the callback fails.
        with closing(writer), suppress(asyncio.IncompleteReadError):
            await work(reader, writer)

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.create_task(until_the_end(reader, writer)))

    async with await asyncio.start_server(start, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*at_work)


def test_as_much_is_sold_as_bought_and_nobody_sells_more_than_there_was() -> None:
    owned: Counter[bytes] = Counter()
    least = 0
    for number in range(len(TRADERS) * len(SYMBOLS) * 8):
        sent = orders_of(TRADERS, number, "run")
        symbol = sent.split(b'"symbol":"')[1].split(b'"')[0]
        key = sent.split(b"Bearer ")[1].split(b"\r\n")[0] + symbol
        owned[key] += 1 if b'"BUY"' in sent else -1
        least = min(least, owned[key])
    assert len(owned) == len(TRADERS) * len(SYMBOLS)
    assert set(owned.values()) == {0}
    assert least >= -STOCK


def test_every_order_has_a_key_of_its_own() -> None:
    keys = {orders_of(TRADERS, number, "run").split(b"Idempotency-Key: ")[1][:20] for number in range(500)}
    assert len(keys) == 500


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(100), 0.99) == 99
    assert quantile([5], 0.99) == 5


def test_the_time_of_children_counts_as_their_parents() -> None:
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(20_000_000))']); input()"
    with subprocess.Popen(["python3", "-c", busy], stdin=subprocess.PIPE) as process:
        before = {"busy": 0.0}
        used = 0.0
        while used < 50_000:
            used = less(cpu_us({"busy": process.pid}), before)["busy"]
        process.communicate(b"\n")
    with pytest.raises(RuntimeError, match="ended"):
        cpu_us({"busy": process.pid})


async def test_orders_leave_when_they_are_due_whatever_the_answers_take() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            await asyncio.sleep(0.3)
            body = b'{"order_id":"1"}'
            writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:5])
            await writer.drain()
            writer.write(body[5:])

    async with serving(serve) as port, connected(port) as client:
        found = await pace(client, TRADERS, rate=50, seconds=1)
    assert len(found.accepted) == 50
    assert min(found.accept_ms) >= 290


def test_a_request_says_how_long_it_is() -> None:
    assert request("GET", "/x") == b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert request("POST", "/x", body={"a": 1}).endswith(b'Content-Length: 7\r\n\r\n{"a":1}')


async def test_everybody_asks_at_once_and_again_and_what_is_refused_is_told() -> None:
    waiting, all_ask = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        while head := await reader.readuntil(b"\r\n\r\n"):
            waiting += 1
            if waiting == 4:
                all_ask.set()
            await all_ask.wait()
            status = b"503 Away" if b"token-1\r\n" in head else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: 2\r\n\r\n{}" % status)

    async with serving(serve) as port, connected(port) as client:
        asked = await ask(client, TRADERS[:2], users=4, seconds=0.2)
    assert len(asked.took_ms) >= 4
    assert set(asked.refused) == {"503 {}"}
    assert 2 <= len(asked.refused) <= len(asked.took_ms) - 2


@pytest.mark.parametrize("step", [1, 7, 1000, 5000, 1_000_000])
def test_messages_are_counted_however_they_are_cut(step: int) -> None:
    large, small = ([frame_of(frame(quote(f"S{n}"))) for n in range(size)] for size in (100, 1))
    told = b"".join(
        [
            framed(b'{"type":"subscribed","symbols":[],"orders":false}'),
            framed(small[0].snapshot),
            *(framed(patches(each)) for each in (small, large, small, large)),
            framed(b'{"type":"heartbeat"}'),
        ]
    )
    clients, client = Clients(0, "/"), Client(socket.socket())
    for at in range(0, len(told), step):
        part = told[at : at + step]
        for begin in range(0, len(part), len(clients._buffer)):
            piece = part[begin : begin + len(clients._buffer)]
            clients._buffer[: len(piece)] = piece
            clients._take(client, len(piece))
    client.sock.close()
    assert (clients.messages, clients.snapshots, client.left, client.head) == (4, 1, 0, b"")
