"""A tiny HTTP endpoint for probes and scrapes: /livez, /readyz, /metrics. Small limits, no secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from types import TracebackType

from hub_runtime.metrics import exposition
from hub_runtime.settings import Address

REQUEST_LIMIT = 8 * 1024
REQUEST_TIMEOUT_S = 5.0
MOST_CONNECTIONS = 32
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class AdminServer:
    """`readiness` answers a reason for each check, "ok" where all is well."""

    def __init__(self, address: Address, readiness: Callable[[], Mapping[str, str]]) -> None:
        self._address = address
        self._readiness = readiness
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = address.port

    async def __aenter__(self) -> AdminServer:
        self._server = await asyncio.start_server(
            self._serve, self._address.host, self._address.port, limit=REQUEST_LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass  # not a request, or nobody waits for the answer
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3:
            return _response(400, "text/plain", b"bad request\n")
        method, target = words[0], words[1].split(b"?", 1)[0]
        if method not in (b"GET", b"HEAD"):
            return _response(405, "text/plain", b"only GET\n")
        if target == b"/livez":
            response = _response(200, "text/plain", b"ok\n")
        elif target == b"/readyz":
            checks = dict(self._readiness())
            ready = all(state == "ok" for state in checks.values())
            body = json.dumps({"ready": ready, "checks": checks}).encode()
            response = _response(200 if ready else 503, "application/json", body)
        elif target == b"/metrics":
            response = _response(200, *exposition())
        else:
            response = _response(404, "text/plain", b"not found\n")
        return response if method == b"GET" else response.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"


def _response(status: int, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
