"""What asks to become a WebSocket and cannot is answered and let go, also while the process stops."""

from __future__ import annotations

import asyncio

import pytest

from hub_gateway.app import application, nothing_here
from hub_gateway.server import HttpServer
from tests.gateway.world import LOCAL

UPGRADE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
MANY = "".join(f"X-{number}: a\r\n" for number in range(200))


def server() -> HttpServer:
    return HttpServer(application([], sockets=nothing_here, request_timeout_s=5), LOCAL)


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /ws/quotes?symbols={'A' * 9000} HTTP/1.1\r\n{UPGRADE}\r\n",
        f"GET /ws/quotes HTTP/1.1\r\n{UPGRADE}X-Long: {'a' * 9000}\r\n\r\n",
        f"GET /ws/quotes HTTP/1.1\r\n{UPGRADE}{MANY}\r\n",
        f"POST /ws/quotes HTTP/1.1\r\n{UPGRADE}\r\n",
        f"GET /ws/quotes HTTP/1.1\r\n{UPGRADE}Content-Length: 5\r\n\r\nhello",
    ],
    ids=["path", "header", "headers", "method", "body"],
)
async def test_what_is_no_handshake_is_answered_and_closed(request_text: str) -> None:
    async with server() as http, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(request_text.encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 4")


async def test_it_does_not_disturb_a_stop() -> None:
    async with server() as http, asyncio.timeout(10):
        connections = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(3)]
        for _, writer in connections:
            writer.write(f"GET /{'A' * 9000} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
            await writer.drain()
        # Leaving the block, which stops the server, raises nothing.
    for _, writer in connections:
        writer.close()
