"""The admin endpoint against clients that are not nice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub_runtime import Address, AdminServer
from hub_runtime.admin import MOST_CONNECTIONS, REQUEST_LIMIT


@pytest.fixture
async def admin() -> AsyncIterator[AdminServer]:
    """Ready, on a free port."""
    async with AdminServer(Address("127.0.0.1", 0), lambda: {"database": "ok"}) as server:
        yield server


async def ask(admin: AdminServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /livez HTTP/1.1", b"200"),
        (b"GET /readyz?verbose HTTP/1.1", b"200"),
        (b"GET /metrics HTTP/1.0", b"200"),
        (b"GET /secrets HTTP/1.1", b"404"),
        (b"POST /livez HTTP/1.1", b"405"),
        (b"nonsense", b"400"),
    ],
)
async def test_each_request_has_its_status(admin: AdminServer, request_line: bytes, status: bytes) -> None:
    answer = await ask(admin, request_line + b"\r\nHost: x\r\n\r\n")
    assert answer.split(b" ")[1] == status


async def test_head_has_the_headers_only(admin: AdminServer) -> None:
    assert (await ask(admin, b"HEAD /livez HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


async def test_an_endless_request_is_cut_off(admin: AdminServer) -> None:
    assert await ask(admin, b"GET /" + b"x" * (4 * REQUEST_LIMIT)) == b""
    assert b"200" in await ask(admin, b"GET /livez HTTP/1.1\r\n\r\n")


async def test_silent_clients_cannot_fill_it_up_for_long(
    admin: AdminServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_runtime.admin.REQUEST_TIMEOUT_S", 0.2)
    silent = [await asyncio.open_connection("127.0.0.1", admin.port) for _ in range(MOST_CONNECTIONS)]
    for reader, _ in silent:
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert b"200" in await ask(admin, b"GET /livez HTTP/1.1\r\n\r\n")
    for _, writer in silent:
        writer.close()
