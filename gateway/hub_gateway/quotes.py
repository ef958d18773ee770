"""/stream: lets sockets in, watches over them, and sends them away when the process stops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from opentelemetry.trace import SpanKind
from starlette.types import Receive, Scope, Send

from hub.market_data.v1.market_data_pb2_grpc import MarketDataServiceStub
from hub_errors import Exhausted, HubError, Unavailable
from hub_gateway import codes, legacy_socket, problems
from hub_gateway.account import Account
from hub_gateway.exchange import Request, Response
from hub_gateway.fanout import Fanout
from hub_gateway.frames import Frames
from hub_gateway.gate import Caller, bearer
from hub_gateway.legacy_socket import LegacySession
from hub_gateway.middleware import SECURITY_HEADERS
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.problems import HttpError
from hub_gateway.refreshes import Refreshes
from hub_gateway.session import Ending, House, Session
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_gateway.wire import RESTART, TAKEOVER, Wire
from hub_identity import Trust
from hub_runtime.metrics import counter, gauge
from hub_runtime.tracing import current_traceparent, span

PATH: Final = "/api/v1/stream"
PARTS: Final = 20  # of a look after all sockets


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
        self._assets = legacy_socket.Assets(market_data)
        self._house = House(
            frames=frames,
            fanout=Fanout(frames, frame_s=limits.frame_s),
            trust=trust,
            refreshes=Refreshes(account),
            limits=limits,
            roster=Roster(limits.per_account),
            on_end=self._on_end,
        )
        self._trust = trust
        self._limits = limits
        self._sessions: dict[Session, None] = {}
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
            session = await self._admitted(scope)
        except HubError as error:
            await reject(send, error)
            return
        self._sessions[session] = None
        self._open.set(len(self._sessions))
        take_over: Callable[[], Wire] = scope["extensions"][TAKEOVER]
        try:
            await send({"type": "websocket.accept"})
        except OSError:  # it was gone before it was let in
            session.never_opened()
            return
        except BaseException:
            session.never_opened()
            raise
        session.open(take_over())

    def _on_end(self, session: Session, ending: Ending) -> None:
        self._sessions.pop(session, None)
        self._open.set(len(self._sessions))
        self._closed.labels(str(ending.code)).inc()

    async def _admitted(self, scope: Scope) -> Session:
        """Nothing waits between the look at the room there is and the answer."""
        if scope["path"] != legacy_socket.PATH:
            headers = [value for name, value in scope["headers"] if name == b"authorization"]
            self._require_room()
            session = Session(self._house)
            if headers:
                session.admit(self._caller(headers[0].decode("latin-1")))
            return session
        caller = self._caller(legacy_socket.take_token(scope))
        known = await self._assets.known()
        symbols = legacy_socket.symbols_of(scope, known, most=self._limits.symbols)
        self._require_room()
        legacy = LegacySession(self._house)
        legacy.admit(caller)
        legacy.follow_all(symbols, known)
        return legacy

    def _caller(self, header: str | None) -> Caller:
        token = bearer(header)
        return Caller(self._trust.verify(token), token)

    def _require_room(self) -> None:
        if self._draining:
            raise Unavailable("The service is stopping.", code="stopping")
        if not self._trust.loaded.is_set():
            # A good token in the first message could only be answered by a close that says it is not.
            raise Unavailable("Access tokens cannot be verified yet.", code="trust_not_loaded")
        if len(self._sessions) >= self._limits.sockets:
            raise Exhausted("Too many sockets are open.", code="too_many_sockets", retry_after_s=10)

    async def watch(self) -> None:
        """For ever: nobody stays whose token is no longer good, who reads nothing or who is not there; and
        who may have missed something is told what there is."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._house.refreshes.run(), name="socket refreshes")
            group.create_task(self._look_after_all(), name="socket watch")

    async def _look_after_all(self) -> None:
        """A part at a time, so that frames never wait for it."""
        loop = asyncio.get_running_loop()
        pause_s = self._limits.watch_s / PARTS
        while True:
            everybody = list(self._sessions)
            for part in range(PARTS):
                for session in everybody[part::PARTS]:
                    if session.opened and not session.ended:
                        session.look_after(loop.time())
                await asyncio.sleep(pause_s)

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
