"""The HTTP server itself: it ends when told, and connections that do nothing end too."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from hub_errors import HubError, Timeout
from hub_gateway import server as http_server
from hub_gateway.app import application, nothing_here
from hub_gateway.exchange import Handler, Request, Response, answer
from hub_gateway.operation import Operation, Resource
from hub_gateway.server import HttpServer
from tests.gateway.world import LOCAL


def doing(handler: Handler) -> Operation:
    return Operation(handler=handler, summary="", tag="", answers={})


def serve(**paths: Any) -> HttpServer:
    resources = [
        Resource(f"/{name}", GET=doing(handler), POST=doing(handler)) for name, handler in paths.items()
    ]
    return HttpServer(application(resources, sockets=nothing_here, request_timeout_s=0.2), LOCAL)


async def ask(port: int, text: str) -> bytes:
    """Sends this and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.replace("\n", "\r\n").encode())
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return received


async def test_a_handler_that_takes_too_long_is_answered_for() -> None:
    async def sleeps(_: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serve(slow=sleeps) as server:
        received = await ask(server.port, "GET /slow HTTP/1.1\nHost: x\nConnection: close\n\n")
    assert received.startswith(b"HTTP/1.1 504 ")
    assert b'"code":"deadline_exceeded"' in received


async def test_an_error_nobody_expected_shows_an_id_and_no_text() -> None:
    async def crashes(_: Request) -> Response:
        raise ValueError("postgres://user:secret@host")

    async with serve(crash=crashes) as server:
        received = await ask(server.port, "GET /crash HTTP/1.1\nHost: x\nConnection: close\n\n")
    assert received.startswith(b"HTTP/1.1 500 ")
    assert b'"code":"internal"' in received
    assert b"secret" not in received


@pytest.mark.parametrize("error", [HubError("Odd.", code="odd"), Timeout("Late.", code="late")])
async def test_every_kind_of_error_has_a_status(error: HubError) -> None:
    async def fails(_: Request) -> Response:
        raise error

    async with serve(fail=fails) as server:
        received = await ask(server.port, "GET /fail HTTP/1.1\nHost: x\nConnection: close\n\n")
    assert received.startswith(b"HTTP/1.1 5")
    assert f'"code":"{error.code}"'.encode() in received


@pytest.mark.parametrize("start", ["", "GET / HTTP/1.1\nHost: x\n", "GET /ok HT"])
async def test_a_request_that_does_not_come_is_not_waited_for(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEADER_TIME_S", 0.1)

    async def fine(_: Request) -> Response:
        return answer({})

    async with serve(ok=fine) as server:
        assert await ask(server.port, start) == b""


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def reads(request: Request) -> Response:
        return answer({"size": len(await request.json())})

    head = "POST /read HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 5\n"
    async with serve(read=reads) as server:
        received = await ask(server.port, head + "Connection: close\n\n{")
    assert received[9:12] in {b"408", b"504"}


@pytest.mark.parametrize("name", ["x-many-{}", "x-one"])
async def test_headers_without_end_are_refused_and_not_kept(name: str) -> None:
    async def fine(_: Request) -> Response:
        return answer({})

    async with serve(ok=fine) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /ok HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(100):
                writer.write(f"{name.format(number)}: ".encode() + b"a" * 50_000)
                writer.write(b"\r\n" if "{}" in name else b"")
                await writer.drain()
        async with asyncio.timeout(5):
            received = await reader.read()
        writer.close()
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in received


async def test_garbage_is_refused() -> None:
    async with serve() as server:
        received = await ask(server.port, "\x16\x03\x01 hello\n\n")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in received
    assert b'"code":"malformed_request"' in received


async def test_stopping_finishes_what_is_under_way_and_closes_idle_connections() -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def waits(_: Request) -> Response:
        started.set()
        await go.wait()
        return answer({"done": True})

    resources = [Resource("/wait", GET=doing(waits))]
    server = HttpServer(application(resources, sockets=nothing_here, request_timeout_s=10), LOCAL)
    async with asyncio.TaskGroup() as group:
        async with server:
            idle, writer = await asyncio.open_connection("127.0.0.1", server.port)
            asking = group.create_task(ask(server.port, "GET /wait HTTP/1.1\nHost: x\n\n"))
            await started.wait()
            asyncio.get_running_loop().call_soon(go.set)
        assert b'{"done":true}' in await asking
        assert await idle.read() == b""
        writer.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_two_servers_do_not_share_a_port() -> None:
    async with serve() as server:
        taken = HttpServer(application([], sockets=nothing_here, request_timeout_s=1), LOCAL)
        taken._address = type(LOCAL)("127.0.0.1", server.port)
        with pytest.raises(OSError, match="in use"):
            await taken.__aenter__()
