"""One WebSocket: what its client wants, what it still has to be sent, and when it has to go.

Quotes are conflated: of each symbol only the newest frame waits, so a slow client costs no memory and misses
no value that still holds. Updates of the account are queued, up to a bound; beyond it its owners are asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from starlette.types import Receive, Send

from hub_errors import Exhausted, HubError, Invalid, Unauthenticated
from hub_gateway.account import Account
from hub_gateway.codec import Schema
from hub_gateway.frames import Frame, Frames, Update
from hub_gateway.gate import Caller
from hub_gateway.market_data import symbol as checked_symbol
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_identity import Trust
from hub_runtime.backoff import Backoff

NORMAL: Final = 1000
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
INTERNAL: Final = 1011
RESTART: Final = 1012
UNAUTHENTICATED: Final = 4401
TOO_SLOW: Final = 4408


class Authenticate(msgspec.Struct, tag="auth", forbid_unknown_fields=True, frozen=True):
    token: str


class Subscribe(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    symbols: list[str] = []
    orders: bool = False


class Unsubscribe(msgspec.Struct, tag="unsubscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    symbols: list[str] = []
    orders: bool = False


Message = Authenticate | Subscribe | Unsubscribe
_MESSAGE: Final[Schema[Message]] = Schema(Message)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a socket is closed."""

    code: int
    reason: str


class Session:
    """Lives from the accepted handshake to the close. `run` answers how it ended."""

    def __init__(
        self,
        *,
        receive: Receive,
        send: Send,
        frames: Frames,
        trust: Trust,
        account: Account,
        limits: SocketLimits,
        roster: Roster,
    ) -> None:
        self._receive = receive
        self._send = send
        self._frames = frames
        self._trust = trust
        self._account = account
        self._limits = limits
        self._roster = roster
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()
        self._refresh = asyncio.Event()
        self._caller: Caller | None = None
        self._symbols: set[str] = set()
        self._epochs: dict[str, int] = {}
        self._changed: dict[str, Frame] = {}
        self._replies: deque[str] = deque()
        self._updates: deque[str] = deque()
        self._orders = False
        self._holding = False
        self._lags = 0
        self._messages = 0

    # What the fan-out calls; nothing here waits.

    def on_frame(self, frame: Frame) -> None:
        self._changed[frame.symbol] = frame
        self._wake.set()

    def on_update(self, update: Update) -> None:
        if len(self._updates) >= self._limits.updates:
            self._updates.clear()
            self._lag("updates")
            self.on_gap()
        self._updates.append(update.text)
        self._wake.set()

    def on_gap(self) -> None:
        if self._orders:
            self._holding = True
            self._refresh.set()

    @property
    def account_id(self) -> str:
        return self._caller.principal.account_id if self._caller else ""

    def admit(self, caller: Caller) -> None:
        """The socket belongs to this account from now on, and never to another; a newer token prolongs it."""
        if self._caller is None:
            self._roster.join(caller.principal.account_id)
        elif self._caller.principal.account_id != caller.principal.account_id:
            raise Unauthenticated("The socket belongs to another account.", code="token_invalid")
        self._caller = caller

    def end(self, code: int, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(Ending(code, reason))

    def end_unless_trusted(self) -> None:
        """Called once a second: an expired or revoked token ends the socket."""
        if self._caller is None:
            return
        try:
            self._trust.verify(self._caller.token)
        except HubError as error:
            self.end(UNAUTHENTICATED, error.code)

    async def run(self) -> Ending:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._read(), name="socket read"),
                group.create_task(self._write(), name="socket write"),
                group.create_task(self._refresh_account(), name="socket refresh"),
                group.create_task(self._expect_auth(), name="socket auth"),
            ]
            ending = await self._ended
            for task in tasks:
                task.cancel()
        return ending

    def leave(self) -> None:
        """To be called once, when it has ended or never came to run."""
        for name in self._symbols:
            self._frames.leave_symbol(self, name)
        if self._caller:
            self._frames.leave_account(self, self.account_id)
            self._roster.leave(self.account_id)

    async def _expect_auth(self) -> None:
        await asyncio.sleep(self._limits.auth_s)
        if self._caller is None:
            self.end(UNAUTHENTICATED, "token_missing")

    # Reading.

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.end(NORMAL, "")
                return
            text = message.get("text")
            if text is None:
                self.end(UNSUPPORTED, "text_only")
                return
            self._messages += 1
            if self._messages > self._limits.messages or len(self._replies) > self._limits.replies:
                self.end(POLICY, "too_many_messages")
                return
            try:
                self._handle(text)
            except HubError as error:
                self._reply(type="error", code=error.code, detail=error.message, field=error.field or None)
                if self._caller is None:
                    self.end(POLICY if isinstance(error, Exhausted) else UNAUTHENTICATED, error.code)

    def calm(self) -> None:
        """Called once a second: messages are counted by the second."""
        self._messages = 0

    def _handle(self, text: str) -> None:
        message = _MESSAGE.read(text)
        if isinstance(message, Authenticate):
            self.admit(Caller(self._trust.verify(message.token), message.token))
            self._reply(type="authenticated", account_id=self.account_id)
            return
        if self._caller is None:
            raise Unauthenticated("The first message must be auth.", code="token_missing")
        names = [checked_symbol(name, field="symbols") for name in message.symbols]
        if isinstance(message, Subscribe):
            self._subscribe(names, orders=message.orders)
        else:
            self._unsubscribe(names, orders=message.orders)

    def _subscribe(self, names: list[str], *, orders: bool) -> None:
        if len(self._symbols | set(names)) > self._limits.symbols:
            sentence = f"A socket may follow {self._limits.symbols} symbols."
            raise Invalid(sentence, code="too_many_symbols", field="symbols")
        unknown = [name for name in names if self._frames.newest and name not in self._frames.newest]
        if unknown:
            raise Invalid(f"There is no instrument {unknown[0]}.", code="unknown_symbol", field="symbols")
        self._follow(names)
        self._reply(type="subscribed", symbols=sorted(self._symbols), orders=orders or self._orders)
        if orders:
            self._orders = True
            self._frames.read_account(self, self.account_id)
            self.on_gap()

    def _follow(self, names: Iterable[str]) -> None:
        for name in names:
            self._symbols.add(name)
            self._frames.read_symbol(self, name)
            self._epochs.pop(name, None)  # a snapshot comes first, also when it is asked for again
            if name in self._frames.newest:
                self.on_frame(self._frames.newest[name])

    def _unsubscribe(self, names: list[str], *, orders: bool) -> None:
        for name in names:
            self._symbols.discard(name)
            self._epochs.pop(name, None)
            self._changed.pop(name, None)
            self._frames.leave_symbol(self, name)
        if orders:
            self._orders = self._holding = False
            self._updates.clear()
            self._frames.leave_account(self, self.account_id)
        self._reply(type="subscribed", symbols=sorted(self._symbols), orders=self._orders)

    def _reply(self, **document: object) -> None:
        self._replies.append(
            msgspec.json.encode({k: v for k, v in document.items() if v is not None}).decode()
        )
        self._wake.set()

    # The account, from its owners, whenever updates may have been missed. Updates wait until it was sent.

    async def _refresh_account(self) -> None:
        backoff = Backoff(0.5, 10.0)
        while True:
            await self._refresh.wait()
            self._refresh.clear()
            if self._caller is None or not self._orders:
                continue
            try:
                document = await self._account.snapshot(self._caller)
            except HubError as error:
                self._reply(type="error", code=error.code, detail=error.message)
                await backoff.wait()
                self._refresh.set()
                continue
            backoff.reset()
            if not self._refresh.is_set():
                self._updates.appendleft(document)
                self._holding = False
                self._wake.set()

    # Writing.

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._limits.heartbeat_s):
                    await self._wake.wait()
            except TimeoutError:
                self._reply(type="heartbeat")
            self._wake.clear()
            started = loop.time()
            for text in self._due():
                await self._write_one(text)
            took = loop.time() - started
            if took > self._limits.slow_s:
                self._lag("slow")
                self._resync("slow")
            await asyncio.sleep(self._limits.frame_s - took)

    async def _write_one(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._limits.drop_s):
                await self._send({"type": "websocket.send", "text": text})
        except TimeoutError:
            self.end(TOO_SLOW, "too_slow")
        except (OSError, RuntimeError):  # it is gone, or, in uvicorn's words, a message after the close
            self.end(NORMAL, "")

    def _lag(self, reason: Literal["slow", "updates"]) -> None:
        self._lags += 1
        if self._lags > self._limits.lags:
            self.end(TOO_SLOW, f"too_slow_{reason}")

    def _resync(self, reason: str) -> None:
        """The next frames come as snapshots again."""
        self._replies.append(f'{{"type":"resync","reason":"{reason}"}}')
        self._epochs.clear()
        for name in self._symbols:
            if name in self._frames.newest:
                self.on_frame(self._frames.newest[name])
        self._wake.set()

    def _due(self) -> Iterator[str]:
        """Everything that waits, in the order a client wants it."""
        changed, self._changed = self._changed, {}
        if any(self._epochs.get(name, frame.epoch) != frame.epoch for name, frame in changed.items()):
            self._resync("epoch")
            changed, self._changed = {**changed, **self._changed}, {}
        while self._replies:
            yield self._replies.popleft()
        patches = []
        for name, frame in changed.items():
            if name not in self._symbols:
                continue
            if name not in self._epochs:
                self._epochs[name] = frame.epoch
                yield frame.snapshot
            else:
                patches.append(frame.patch)
        if patches:
            yield f'{{"type":"quotes_patch","patches":[{",".join(patches)}]}}'
        while self._updates and not self._holding:
            yield self._updates.popleft()
