"""What comes over a socket that no decent client sends: each is answered with its code, harms nobody, and
leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from hub_gateway.wire import framed
from hub_quote_stream.frames import Frames
from tests.gateway.test_session import texts_of
from tests.gateway.test_stream import Upstream, closed, dial, hear, say, streaming, until
from tests.gateway.world import Gateway
from tests.support.servers import Login
from tests.support.tls import Tls

Raw = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
async def gateway(tls: Tls, redis_server: Login) -> AsyncIterator[Gateway]:
    """One for all: that it goes on is a part of what is tested."""
    async with streaming(tls, redis_server, Upstream(Frames(most_updates=100))) as gateway:
        yield gateway


@asynccontextmanager
async def raw(gateway: Gateway) -> AsyncIterator[Raw]:
    """A connection after its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = (
        "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: {gateway.bearer()['authorization']}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(10):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    writer.close()


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


async def message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame of the server: its opcode and what is in it."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)


async def close_code(reader: asyncio.StreamReader) -> int:
    while True:
        opcode, data = await message(reader)
        if opcode == Opcode.CLOSE:
            return int(struct.unpack("!H", data[:2])[0])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_read_as_it_was_written(size: int) -> None:
    text = b"x" * size
    assert list(texts_of(framed(text) + framed(b"next"))) == [text, b"next"]


@pytest.mark.parametrize("parts", [1, 2, 7])
async def test_a_message_may_come_in_fragments_with_pings_in_between(gateway: Gateway, parts: int) -> None:
    text = b'{"type":"subscribe","symbols":["AAPL"]}'
    step = -(-len(text) // parts)
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    async with raw(gateway) as (reader, writer):
        for number, piece in enumerate(pieces):
            opcode = Opcode.TEXT if number == 0 else Opcode.CONT
            writer.write(frame(piece, opcode, fin=number == len(pieces) - 1) + frame(b"?", Opcode.PING))
        pongs, types = 0, []
        while "quotes_snapshot" not in types:
            kind, data = await message(reader)
            pongs += kind == Opcode.PONG
            types += [json.loads(data)["type"]] if kind == Opcode.TEXT else []
        while pongs < len(pieces):
            pongs += (await message(reader))[0] == Opcode.PONG
    assert types == ["subscribed", "quotes_snapshot"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (framed(b'{"type":"subscribe"}'), 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # no such opcode
        (b"\xf1\x80\0\0\0\0", 1002),  # bits that nobody agreed on
        (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),  # a ping that is too long
        (frame(b"x", Opcode.CONT), 1002),  # goes on with nothing
        (frame(b"{", Opcode.TEXT, fin=False) + frame(b"}", Opcode.TEXT), 1002),  # begins anew in between
        (frame(b"\xff\xfe"), 1007),
        (frame(b"x" * 1_048_576), 1009),
        (b"\x81\xff" + (1 << 62).to_bytes(8, "big") + b"\0\0\0\0", 1009),  # says it is huge
        (frame(b"x" * 10_000, fin=False) + frame(b"x" * 10_000, Opcode.CONT), 1009),
        (frame(b"\0\1\2", Opcode.BINARY), 1003),
        (frame(b"\x03\xe8", Opcode.CLOSE), 1000),
    ],
    ids=[
        "unmasked",
        "opcode",
        "reserved",
        "long-ping",
        "continues-nothing",
        "begins-in-between",
        "not-utf8",
        "a-megabyte",
        "says-it-is-huge",
        "large-in-parts",
        "binary",
        "close",
    ],
)
async def test_what_breaks_the_protocol_closes_the_socket_with_its_code(
    gateway: Gateway, sent: bytes, code: int
) -> None:
    async with raw(gateway) as (reader, writer):
        writer.write(sent)
        assert await close_code(reader) == code
        if code in {1003, 1007}:  # we say so, and wait for the client to close
            writer.write(frame(code.to_bytes(2, "big"), Opcode.CLOSE))
        assert await reader.read() == b""
    await until(lambda: gateway.sockets.sessions == 0)


async def test_rubbish_never_harms_the_gateway(gateway: Gateway, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)
    async with dial(gateway, gateway.bearer()) as good:
        for _ in range(60):
            async with raw(gateway) as (reader, writer):
                writer.write(frame(b'{"type":"subscribe","symbols":["AAPL"]}')[: chance.randrange(60)])
                writer.write(chance.randbytes(chance.randrange(1, 200)))
                writer.write_eof()
                await reader.read()
        await until(lambda: gateway.sockets.sessions == 1)
        await say(good, type="subscribe", symbols=["AAPL"])
        await hear(good, "quotes_snapshot")
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_ten_thousand_and_one_symbols_are_too_many_however_they_come(gateway: Gateway) -> None:
    names = [f"A{number}" for number in range(10_001)]
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=names)
        assert (await closed(client))[0] == 1009  # that is more than a message may hold
    async with dial(gateway, gateway.bearer()) as client:
        await say(client, type="subscribe", symbols=names[:1000])
        assert (await hear(client, "error"))["code"] == "too_many_symbols"
        await say(client, type="subscribe", symbols=["AAPL"])
        assert (await hear(client, "subscribed"))["symbols"] == ["AAPL"]


async def test_a_client_that_just_goes_is_forgotten(gateway: Gateway) -> None:
    async with raw(gateway) as (_, writer):
        writer.write(frame(b'{"type":"subscribe","symbols":["AAPL"],"orders":true}'))
        await until(lambda: bool(gateway.frames._accounts))
        writer.transport.abort()
    await until(lambda: gateway.sockets.sessions == 0)
    assert not gateway.frames._accounts
    assert not gateway.sockets._house.roster._counts


async def test_a_close_is_answered_and_the_connection_ends(gateway: Gateway) -> None:
    client = await dial(gateway, gateway.bearer())
    await client.close(4000, "enough")
    assert (client.close_code, client.close_reason) == (4000, "enough")
    with pytest.raises(ConnectionClosed):
        await client.recv()
    await until(lambda: gateway.sockets.sessions == 0)
