"""/stream: lets sockets in, watches over them, and sends them away when the process stops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from opentelemetry.trace import SpanKind
from starlette.types import Receive, Scope, Send

from hub.market_data.v1.market_data_pb2_grpc import MarketDataServiceStub
from hub_errors import Exhausted, HubError, Unavailable
from hub_gateway import codes, legacy_socket, problems
from hub_gateway.account import Account
from hub_gateway.exchange import Request, Response
from hub_gateway.frames import Frames
from hub_gateway.gate import Caller, bearer
from hub_gateway.legacy_socket import LegacySession
from hub_gateway.middleware import SECURITY_HEADERS
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.problems import HttpError
from hub_gateway.session import INTERNAL, NORMAL, RESTART, UNAUTHENTICATED, Ending, Session
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_identity import Trust
from hub_runtime.log import get_logger
from hub_runtime.metrics import counter, gauge
from hub_runtime.tracing import current_traceparent, span

log = get_logger("sockets")

PATH: Final = "/api/v1/stream"
WATCH_S: Final = 1.0
CLOSE_S: Final = 1.0


async def upgrade_required(_: Request) -> Response:
    raise HttpError(
        HTTPStatus.UPGRADE_REQUIRED,
        "This path speaks WebSocket.",
        code="upgrade_required",
        headers=[(b"upgrade", b"websocket")],
    )


STREAM: Final = Operation(
    handler=upgrade_required,
    summary="Live quotes and your own updates (WebSocket)",
    tag="stream",
    description=(Path(__file__).parent / "explorer/stream.md").read_text(encoding="utf-8"),
    access=Access.EVERYBODY,
    asks_peers=False,
    answers={101: None},
    problems={401: codes.USER[401], 426: ("upgrade_required",)},
)


LEGACY_STREAM: Final = Operation(
    handler=upgrade_required,
    summary="Live quotes as the predecessor sent them (WebSocket)",
    tag="legacy",
    deprecated=True,
    description="The symbols, and the token where no Authorization header can be sent, stand in the address: "
    "`?symbols=AAPL,MSFT&token=...`.",
    access=Access.EVERYBODY,
    asks_peers=False,
    answers={101: None},
    problems={400: ("no_symbols",), 401: codes.USER[401], 426: ("upgrade_required",)},
)


class Quotes:
    """The open sockets of this process. An instance is the ASGI application of the WebSocket route."""

    def __init__(
        self,
        *,
        frames: Frames,
        trust: Trust,
        account: Account,
        market_data: MarketDataServiceStub,
        limits: SocketLimits,
    ) -> None:
        self._frames = frames
        self._assets = legacy_socket.Assets(market_data)
        self._trust = trust
        self._account = account
        self._limits = limits
        self._roster = Roster(limits.per_account)
        self._sessions: set[Session] = set()
        self._draining = False
        self._open = gauge("hub_gateway_sockets", "Open WebSocket sessions.")
        self._closed = counter("hub_gateway_sockets_closed_total", "WebSocket sessions ended.", ("code",))

    def resources(self) -> Sequence[Resource]:
        return [Resource(PATH, GET=STREAM), Resource(legacy_socket.PATH, GET=LEGACY_STREAM)]

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            session = await self._admitted(scope, receive, send)
        except HubError as error:
            await reject(send, error)
            return
        self._sessions.add(session)
        self._open.set(len(self._sessions))
        try:
            await send({"type": "websocket.accept"})
            ending = await session.run()
        except* OSError:  # it was gone before it was let in
            ending = Ending(NORMAL, "")
        except* Exception as errors:
            log.error("socket_failed", exc_info=errors)
            ending = Ending(INTERNAL, "internal")
        finally:
            session.leave()
            self._sessions.discard(session)
            self._open.set(len(self._sessions))
        self._closed.labels(str(ending.code)).inc()
        await _close(send, ending)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> Session:
        """Nothing waits between the look at the room there is and the answer."""
        legacy = scope["path"] == legacy_socket.PATH
        session = (LegacySession if legacy else Session)(
            receive=receive,
            send=send,
            frames=self._frames,
            trust=self._trust,
            account=self._account,
            limits=self._limits,
            roster=self._roster,
        )
        if not isinstance(session, LegacySession):
            headers = [value for name, value in scope["headers"] if name == b"authorization"]
            self._require_room()
            if headers:
                session.admit(self._caller(headers[0].decode("latin-1")))
            return session
        caller = self._caller(legacy_socket.take_token(scope))
        known = await self._assets.known()
        symbols = legacy_socket.symbols_of(scope, known, most=self._limits.symbols)
        self._require_room()
        session.admit(caller)
        session.follow(symbols, known)
        return session

    def _caller(self, header: str | None) -> Caller:
        token = bearer(header)
        return Caller(self._trust.verify(token), token)

    def _require_room(self) -> None:
        if self._draining:
            raise Unavailable("The service is stopping.", code="stopping")
        if len(self._sessions) >= self._limits.sockets:
            raise Exhausted("Too many sockets are open.", code="too_many_sockets", retry_after_s=10)

    async def watch(self) -> None:
        """For ever: once a second nobody stays whose token is no longer good."""
        while True:
            await asyncio.sleep(WATCH_S)
            for session in list(self._sessions):
                session.calm()
                session.end_unless_trusted()

    async def drain(self, stopping: asyncio.Event, spread_s: float) -> None:
        """When the process stops, sockets go one after the other, so that they do not come back at once."""
        await stopping.wait()
        self._draining = True
        loop = asyncio.get_running_loop()
        for session in self._sessions:
            loop.call_later(random.uniform(0, spread_s), session.end, RESTART, "restart")  # noqa: S311


async def reject(send: Send, error: HubError) -> None:
    """Answers the handshake with a problem document."""
    with span(f"GET {PATH}", kind=SpanKind.SERVER):
        trace_id = current_traceparent().split("-")[1]
    body = problems.problem(error, trace_id=trace_id)
    headers = [*problems.headers(error), *SECURITY_HEADERS, (b"content-length", str(len(body)).encode())]
    start = {"type": "websocket.http.response.start", "status": problems.status_of(error), "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


async def _close(send: Send, ending: Ending) -> None:
    """Says why, if the client still listens."""
    with suppress(OSError, TimeoutError, RuntimeError):
        async with asyncio.timeout(CLOSE_S):
            if ending.code == UNAUTHENTICATED:
                text = msgspec.json.encode({"type": "error", "code": ending.reason}).decode()
                await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.close", "code": ending.code, "reason": ending.reason})
