"""One WebSocket: what its client wants, what it still has to be sent, and when it has to go. It has no task
and no timer of its own: the fan-out, the wire and the watch over all sockets call it.

Quotes are conflated, so a slow client costs no memory and misses no value that still holds. Updates of the
account are queued, up to a bound; beyond it its owners are asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import uuid4

import msgspec

from hub_errors import Exhausted, HubError, Invalid, Unauthenticated
from hub_gateway.fanout import Fanout
from hub_gateway.follower import Follower
from hub_gateway.frames import Frames, Update
from hub_gateway.gate import Caller
from hub_gateway.market_data import symbol as checked_symbol
from hub_gateway.refreshes import Refreshes
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_gateway.stream_messages import MESSAGE, Authenticate, Subscribe
from hub_gateway.wire import NORMAL, PING, RESTART, Wire, framed
from hub_identity import Trust
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger

UNSUPPORTED: Final = 1003
POLICY: Final = 1008
INTERNAL: Final = 1011
TRY_LATER: Final = 1013
UNAUTHENTICATED: Final = 4401
TOO_SLOW: Final = 4408

HEARTBEAT: Final = framed(b'{"type":"heartbeat"}')

log = get_logger("sockets")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a socket is closed."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the sockets of a process share."""

    frames: Frames
    fanout: Fanout
    trust: Trust
    refreshes: Refreshes
    limits: SocketLimits
    roster: Roster
    on_end: Callable[[Session, Ending], None]


class Session(Follower):
    """Lives from the handshake to the close; `open` hands it the wire."""

    __slots__ = (
        "_caller",
        "_heard_at",
        "_house",
        "_lags",
        "_messages",
        "_opened_at",
        "_orders",
        "_pinged",
        "_replies",
        "_round_seen",
        "_window",
        "backoff",
    )

    def __init__(self, house: House) -> None:
        super().__init__(house.fanout)
        self._house = house
        self._caller: Caller | None = None
        self._orders = False
        self._lags = 0
        self._replies = 0
        self._messages = 0
        self._window = self._opened_at = self._heard_at = self.silent_since
        self._round_seen = 0
        self._pinged = False
        self.backoff = Backoff(0.5, 10.0)

    @property
    def account_id(self) -> str:
        return self._caller.principal.account_id if self._caller else ""

    def admit(self, caller: Caller) -> None:
        """The socket belongs to this account from now on, and never to another; a newer token prolongs it."""
        if self._caller is None:
            self._house.roster.join(caller.principal.account_id)
        elif self._caller.principal.account_id != caller.principal.account_id:
            raise Unauthenticated("The socket belongs to another account.", code="token_invalid")
        self._caller = caller

    def open(self, wire: Wire) -> None:
        self.wire = wire
        self.opened = True
        if self.ended:  # the process has begun to stop
            wire.close(RESTART, "restart")
            return
        self._house.fanout.wake(self)
        self.hurry()
        wire.listen(self)

    def end(self, code: int, reason: str) -> None:
        if not self.ended:
            last = []
            if code == UNAUTHENTICATED:
                last = [framed(msgspec.json.encode({"type": "error", "code": reason}))]
            self._leave(Ending(code, reason))
            if self.opened:
                self.wire.close(code, reason, last)

    def _leave(self, ending: Ending) -> None:
        self.ended = True
        self._house.fanout.forget(self)
        self._house.refreshes.forget(self)
        if self._caller:
            self._house.frames.leave_account(self, self.account_id)
            self._house.roster.leave(self.account_id)
        self._house.on_end(self, ending)

    def never_opened(self) -> None:
        if not self.ended:
            self._leave(Ending(NORMAL, ""))

    # What the wire calls.

    def on_closed(self) -> None:
        if not self.ended:
            self._leave(Ending(NORMAL, ""))

    def on_binary(self) -> None:
        self.end(UNSUPPORTED, "text_only")

    def on_text(self, text: str) -> None:
        if self.ended:
            return
        now = asyncio.get_running_loop().time()
        if now - self._window >= 1.0:
            self._window, self._messages = now, 0
        self._messages += 1
        if self._messages > self._house.limits.messages or self._replies > self._house.limits.replies:
            self.end(POLICY, "too_many_messages")
            return
        try:
            self._handle(text)
        except HubError as error:
            self._reply(type="error", code=error.code, detail=error.message, field=error.field or None)
            if self._caller is None:
                self.end(TRY_LATER if isinstance(error, Exhausted) else UNAUTHENTICATED, error.code)
        except Exception as error:
            log.error("socket_failed", error_id=uuid4().hex[:12], exc_info=error)
            self.end(INTERNAL, "internal")

    def on_blocked(self) -> None:
        if self.blocked_at is None:
            self.blocked_at = asyncio.get_running_loop().time()
        self.plain = False

    def on_writable(self) -> None:
        if self.blocked_at is None or self.ended:
            return
        took = asyncio.get_running_loop().time() - self.blocked_at
        self.blocked_at, self._replies = None, 0
        if took > self._house.limits.slow_s:
            self._lag("slow")
            self.resync("slow")
        self._house.fanout.wake(self)

    # What its client says.

    def _handle(self, text: str) -> None:
        message = MESSAGE.read(text)
        if isinstance(message, Authenticate):
            self.admit(Caller(self._house.trust.verify(message.token), message.token))
            self._reply(type="authenticated", account_id=self.account_id)
            return
        if self._caller is None:
            raise Unauthenticated("The first message must be auth.", code="token_missing")
        most = self._house.limits.symbols
        names = [checked_symbol(name, field="symbols") for name in message.symbols]
        if isinstance(message, Subscribe):
            if len(self.symbols | set(names)) > most:
                sentence = f"A socket may follow {most} symbols."
                raise Invalid(sentence, code="too_many_symbols", field="symbols")
            self._subscribe(names, orders=message.orders)
        else:
            self._unsubscribe(names, orders=message.orders)

    def _subscribe(self, names: Sequence[str], *, orders: bool) -> None:
        unknown = self._house.frames.unknown(dict.fromkeys(names))
        self.follow(set(names).difference(unknown))
        self._orders = self._orders or orders
        self._subscribed(unknown)
        self.hurry()
        if orders:
            self.held = True
            self._house.frames.read_account(self, self.account_id)

    def _unsubscribe(self, names: Sequence[str], *, orders: bool) -> None:
        self.unfollow(names)
        if orders:
            self._orders = self.held = False
            self.updates.clear()
            self._house.frames.leave_account(self, self.account_id)
        self._subscribed([])

    def _subscribed(self, unknown: Sequence[str]) -> None:
        symbols = sorted(self.symbols)
        self._reply(type="subscribed", symbols=symbols, orders=self._orders, unknown=unknown or None)

    def _reply(self, **document: object) -> None:
        if not self.ended:
            self._replies += self.blocked_at is not None
            self.write(framed(msgspec.json.encode({k: v for k, v in document.items() if v is not None})))

    # The account, from its owners, whenever updates may have been missed. Updates wait until it was sent.

    def on_update(self, update: Update) -> None:
        if len(self.updates) >= self._house.limits.updates:
            self.updates.clear()
            self._lag("updates")
            self.on_gap()
        if not self.ended:
            self.updates.append(update.text)
            self._house.fanout.wake(self)

    def on_gap(self) -> None:
        if self._orders and not self.ended:
            self.held = True
            self._house.refreshes.ask(self)

    @property
    def asking(self) -> Caller | None:
        return self._caller if self._orders and not self.ended else None

    def on_account(self, document: bytes) -> None:
        if self.asking is not None:
            self.updates.appendleft(document)
            self.held = False
            self._house.fanout.wake(self)

    def on_account_error(self, error: HubError) -> None:
        self._reply(type="error", code=error.code, detail=error.message)

    def _lag(self, reason: Literal["slow", "updates"]) -> None:
        self._lags += 1
        if self._lags > self._house.limits.lags:
            self.end(TOO_SLOW, f"too_slow_{reason}")

    # What the watch over all sockets calls, about once a second.

    def look_after(self, now: float) -> None:
        limits = self._house.limits
        if self._caller is None:
            if now - self._opened_at >= limits.auth_s:
                self.end(UNAUTHENTICATED, "token_missing")
        else:
            self._end_unless_trusted(self._caller)
        if self.blocked_at is not None:
            if now - self.blocked_at >= limits.drop_s:
                self.end(TOO_SLOW, "too_slow")
        elif not self.ended:
            self._keep_alive(now)

    def _end_unless_trusted(self, caller: Caller) -> None:
        try:
            self._house.trust.verify(caller.token)
        except HubError as error:
            self.end(UNAUTHENTICATED, error.code)

    def _keep_alive(self, now: float) -> None:
        """The client hears something now and then, and so do we: or nobody is there any more."""
        limits = self._house.limits
        if self._round_seen != self.round:
            self._round_seen, self.silent_since = self.round, now
        elif now - self.silent_since >= limits.heartbeat_s:
            self._beat()
        if self.wire.heard:
            self.wire.heard, self._heard_at, self._pinged = False, now, False
        elif self._pinged and now - self._heard_at >= limits.ping_s + limits.pong_s:
            self._leave(Ending(INTERNAL, "keepalive ping timeout"))
            self.wire.abort()
        elif not self._pinged and now - self._heard_at >= limits.ping_s:
            self._pinged = True
            self.wire.send(PING)

    def _beat(self) -> None:
        self.write(HEARTBEAT)
