"""uvicorn as a part of our process: it leaves signals alone, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from hub_gateway.problems import HttpError, raw_response
from hub_gateway.wire import TAKEOVER, Wire
from hub_runtime.settings import Address

HEADER_TIME_S: Final = 10.0
HEADER_SIZE: Final = 65_536
REFUSED_S: Final = 1.0
LINGER_S: Final = 5.0
STOP_S: Final = 3
SEND_BUFFER: Final = 128 * 1024
MESSAGE_SIZE: Final = 16_384


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose next request does not get as far as the end of its headers in time, or in
    `HEADER_SIZE` bytes: whoever sends them is not known yet."""

    _patience: asyncio.TimerHandle | None = None
    _begun = False
    _unfinished = 0
    _refused = False
    _too_large = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # read and thrown away, so that the answer arrives
        super().data_received(data)
        if self._begun:  # most requests come whole, and need no clock
            self._start_waiting()
        # A part that completes its headers has stopped the wait; what follows is the body's own limit.
        self._unfinished = self._unfinished + len(data) if self._patience is not None else 0
        if self._unfinished > HEADER_SIZE and not self.transport.is_closing():
            self._refuse()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words are no client's business
        if self._too_large:
            self._refuse()
            return
        error = HttpError(
            HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.", code="malformed_request"
        )
        self.transport.write(raw_response(error))
        self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """What is no handshake (another method, a body, headers without measure) would never be answered."""
        super().handle_websocket_upgrade()
        socket = self.transport.get_protocol()
        if isinstance(socket, ImpatientSocket) and not socket.handshake_initiated:
            self.send_400_response("no handshake")

    def _refuse(self) -> None:
        self._refused = True
        self._stop_waiting()
        error = HttpError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The headers of a request must not exceed {HEADER_SIZE} bytes.",
            code="headers_too_large",
        )
        self.transport.write(raw_response(error))
        self._patience = self.loop.call_later(REFUSED_S, self.transport.abort)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_waiting()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEADER_SIZE:
            self._too_large = True
            raise ValueError  # all of it came at once; the parser ends here, with send_400_response
        super().on_headers_complete()
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """An idle connection; where its last answer was not read, closing politely would wait for ever."""
        self.transport.abort()

    def _start_waiting(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEADER_TIME_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._begun = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class ImpatientSocket(WebSocketsSansIOProtocol):
    """The handshake of a WebSocket. Once it is let in, the connection is taken over (`hub.wire` among the
    scope's extensions), and nothing of this is left. Drops what a client that no longer reads leaves behind:
    closing politely would wait for it for ever."""

    _patience: asyncio.TimerHandle | None = None
    _taken = False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[TAKEOVER] = self._take_over

    def _take_over(self) -> Wire:
        """After the handshake was answered, in the same breath."""
        self._taken = True
        self.scope["extensions"] = {}  # which refers to this
        self.connections.discard(self)
        if self.read_paused:  # it spoke before it was let in, which is not allowed: that is passed over
            self.transport.resume_reading()
        # At the end of its task uvicorn closes a transport for which no timer waits to close it.
        self.close_timer = self.loop.call_later(0, _nothing)
        return Wire(self.transport, self.conn, cast(set[Any], self.connections))

    async def send(self, message: Any) -> None:
        """A refusal is an answer too; uvicorn would log an error for each."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    def shutdown(self) -> None:
        if self.handshake_initiated:
            super().shutdown()
        else:
            self.transport.close()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self._taken:
            self._patience = self.loop.call_later(LINGER_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)


def _nothing() -> None:
    """For a timer that is only there to be seen."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has its own handlers."""
        yield


class HttpServer:
    """Serves while entered. Leaving it stops accepting, then waits for what is under way, but not long."""

    def __init__(
        self, app: ASGIApp, address: Address, *, trusted_proxies: Sequence[str] = (), **options: Any
    ) -> None:
        self._address = address
        config = uvicorn.Config(
            app,
            **{
                "http": ImpatientProtocol,
                "ws": ImpatientSocket,
                "ws_max_size": MESSAGE_SIZE,
                "ws_per_message_deflate": False,
                "ws_ping_interval": None,  # one watch pings all (quotes.py)
                "lifespan": "off",
                "log_config": None,
                "access_log": False,
                "server_header": False,
                "proxy_headers": bool(trusted_proxies),
                "forwarded_allow_ips": list(trusted_proxies),
                "timeout_keep_alive": 60,
                "timeout_graceful_shutdown": STOP_S,
                # A connection's tasks must not inherit the trace of whatever opened the server.
                "reset_contextvars": True,
                **options,
            },
        )
        self._server = _Server(config)
        self._group = asyncio.TaskGroup()
        self.port = address.port

    async def __aenter__(self) -> HttpServer:
        listening = _listen(self._address)
        self.port = listening.getsockname()[1]
        await self._group.__aenter__()
        self._group.create_task(self._server.serve(sockets=[listening]), name="http")
        await self._server.up.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._group.__aexit__(None, None, None)


def allow_many_connections() -> None:
    """As many descriptors as the system lets this process have: each socket is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: what a client does not read is not to fill the system's memory, and quotes
        # that wait there grow old.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listening.setblocking(False)
        listening.bind((address.host, address.port))
        listening.listen(4096)
    except OSError:
        listening.close()
        raise
    return listening
