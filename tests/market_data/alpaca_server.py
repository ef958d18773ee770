"""A server that speaks Alpaca's protocol of market data over a real socket, as a test tells it to."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

KEY, SECRET = "AKTEST", "very-secret-indeed"
NOTHING: dict[str, list[str]] = {name: [] for name in ("updatedBars", "statuses", "lulds", "corrections")}


class AlpacaServer:
    """`refusal`: what the next log-in is answered with, in place of being let in."""

    def __init__(self) -> None:
        self.port = 0
        self.refusal: tuple[int, str] | None = None
        self.subscriptions: list[dict[str, Any]] = []
        self.log_ins: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self._sockets: set[ServerConnection] = set()
        self.snapshots: dict[str, Any] = {}
        self.snapshot_status = 200
        self.asked: list[Request] = []

    @property
    def data_url(self) -> str:
        """Where it answers snapshots."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        """What is no WebSocket asks for snapshots."""
        if "Upgrade" in request.headers:
            return None
        self.asked.append(request)
        response = socket.respond(self.snapshot_status, json.dumps(self.snapshots, default=_text))
        if self.snapshot_status == HTTPStatus.FOUND:
            response.headers["Location"] = f"{self.data_url}/elsewhere"
        return response

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v2/iex"

    @property
    def connected(self) -> int:
        return len(self._sockets)

    async def say(self, *messages: Any) -> None:
        """In one frame, to everybody who has subscribed."""
        for socket in list(self._sockets):
            await _send(socket, list(messages))

    async def say_raw(self, frame: str | bytes) -> None:
        for socket in list(self._sockets):
            await socket.send(frame)

    async def drop(self) -> None:
        """As a network does: without a word."""
        dropped = list(self._sockets)
        for socket in dropped:
            socket.transport.abort()
        await asyncio.gather(*(socket.wait_closed() for socket in dropped))
        self._sockets.difference_update(dropped)

    def stand_still(self) -> None:
        """Hears nothing any more, pings neither."""
        for socket in self._sockets:
            socket.transport.pause_reading()

    def go_on(self) -> None:
        for socket in self._sockets:
            socket.transport.resume_reading()

    async def refuse(self, code: int, text: str) -> None:
        """In the middle, as a slow client is."""
        await self.say({"T": "error", "code": code, "msg": text})
        for socket in list(self._sockets):
            await socket.close()

    async def handle(self, socket: ServerConnection) -> None:
        try:
            await self._welcome(socket)
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)

    async def _welcome(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.content_types.append(socket.request.headers.get("Content-Type"))
        await _send(socket, [{"T": "success", "msg": "connected"}])
        said = _read(await socket.recv())
        self.log_ins.append(said)
        if refusal := self._refusal(said):
            code, text = refusal
            await _send(socket, [{"T": "error", "code": code, "msg": text}])
            return
        await _send(socket, [{"T": "success", "msg": "authenticated"}])
        wanted = _read(await socket.recv())
        assert wanted.pop("action") == "subscribe"
        self.subscriptions.append(wanted)
        await _send(socket, [{"T": "subscription", **NOTHING, **wanted}])
        self._sockets.add(socket)
        await socket.wait_closed()

    def _refusal(self, said: dict[str, Any]) -> tuple[int, str] | None:
        if said != {"action": "auth", "key": KEY, "secret": SECRET}:
            return 402, "auth failed"
        refusal, self.refusal = self.refusal, None
        return refusal


def _binary(socket: ServerConnection) -> bool:
    assert socket.request is not None
    return socket.request.headers.get("Content-Type") == "application/msgpack"


async def _send(socket: ServerConnection, messages: list[Any]) -> None:
    """Times are datetimes: the timestamp extension in msgpack, nanoseconds of RFC 3339 in JSON."""
    if _binary(socket):
        await socket.send(msgspec.msgpack.encode(messages))
    else:
        await socket.send(json.dumps(messages, default=_text))


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}789Z"


def _read(frame: str | bytes) -> dict[str, Any]:
    decode: Callable[[Any], Any] = msgspec.msgpack.decode if isinstance(frame, bytes) else json.loads
    found: dict[str, Any] = decode(frame)
    return found


@asynccontextmanager
async def alpaca_server() -> AsyncIterator[AlpacaServer]:
    made = AlpacaServer()
    quiet = logging.getLogger("tests.alpaca_server")  # what it reads is a secret
    quiet.setLevel(logging.INFO)
    async with serve(made.handle, "127.0.0.1", 0, logger=quiet, process_request=made.answer) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made
