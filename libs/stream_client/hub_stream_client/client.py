"""A connection that is made again whenever it ends, with the same subscriptions.

client = StreamClient("wss://hub.example.com/api/v1/stream", token=lambda: access_token)
client.on("quotes", lambda symbols: print(symbols, client.document.quotes))
client.subscribe(["AAPL", "MSFT"])
await client.run()
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from hub_stream_client.document import Document, Message

FATAL: Final = frozenset({1003, 1007, 1008, 1009})
"""We have said something that will not be taken the next time either."""

Token = Callable[[], str | Awaitable[str]]
_UPDATES: Final = {
    "order_update": ("order", "order_id"),
    "position_update": ("position", "symbol"),
    "account_update": ("account", "account_id"),
}


class StreamEndedError(Exception):
    """The server will not have us again."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class StreamClient:
    """Events: quotes (the symbols that have changed), order, position, account (an update), orders (open
    orders and the balance), unknown (symbols that there are not), error (of the server's), state
    ("connecting", "open" or "waiting"). Handlers must not wait."""

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        silence_s: float = 45.0,
        min_wait_s: float = 0.25,
        max_wait_s: float = 15.0,
    ) -> None:
        """`token` is asked at every connection. After `silence_s` without a message a connection is given up:
        the server says something at least every 15 s."""
        self._url = url
        self._token = token
        self._silence_s = silence_s
        self._min_wait_s, self._max_wait_s = min_wait_s, max_wait_s
        self._handlers: dict[str, list[Callable[[Any], None]]] = {}
        self._symbols: dict[str, None] = {}
        self._orders = False
        self._versions: dict[tuple[str, str], int] = {}
        self._to_say: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ready = False
        self._tries = 0
        self.document = Document()

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        self._handlers.setdefault(event, []).append(handler)

    def subscribe(self, symbols: Iterable[str], *, orders: bool = False) -> None:
        names = list(symbols)
        self._symbols |= dict.fromkeys(names)
        self._orders = self._orders or orders
        self._say(type="subscribe", symbols=names, orders=orders)

    def unsubscribe(self, symbols: Iterable[str], *, orders: bool = False) -> None:
        names = list(symbols)
        for name in names:
            self._symbols.pop(name, None)
        self._orders = self._orders and not orders
        self._say(type="unsubscribe", symbols=names, orders=orders)

    async def renew(self) -> None:
        """A newer token of the same account, before the old one expires."""
        self._say(type="auth", token=await self._new_token())

    async def run(self) -> None:
        """Until it is cancelled; raises StreamEndedError where coming back would not help."""
        while True:
            self._tell("state", "connecting")
            try:
                await self._once()
            except (WebSocketException, InvalidHandshake, OSError, TimeoutError):
                pass  # it is away, or went
            finally:
                self._ready = False
            self._tell("state", "waiting")
            most = min(self._max_wait_s, self._min_wait_s * 2**self._tries)
            self._tries += 1
            # Somewhere below the most: after a restart of the server not everybody comes back at once.
            await asyncio.sleep(most * random.random())  # noqa: S311 - spreads load

    async def _once(self) -> None:
        async with connect(self._url, compression=None, max_size=None) as connection:
            await connection.send(json.dumps({"type": "auth", "token": await self._new_token()}))
            writing = asyncio.create_task(self._write(connection), name="stream write")
            try:
                await self._read(connection)
            except ConnectionClosed:
                pass  # its code is looked at below
            finally:
                writing.cancel()
        if connection.close_code in FATAL:
            raise StreamEndedError(connection.close_code or 0, connection.close_reason or "")

    async def _read(self, connection: ClientConnection) -> None:
        """Until the server closes."""
        messages = aiter(connection)
        while True:
            async with asyncio.timeout(self._silence_s):
                text = await anext(messages, None)
            if text is None:
                return
            self._take(json.loads(text))

    async def _write(self, connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # whoever reads finds out
            while True:
                await connection.send(json.dumps(await self._to_say.get()))

    async def _new_token(self) -> str:
        token = self._token()
        return await token if isawaitable(token) else token

    def _say(self, **message: Any) -> None:
        """What is said while nobody listens is part of what is asked for at the next connection."""
        if self._ready:
            self._to_say.put_nowait(message)

    def _tell(self, event: str, about: Any) -> None:
        for handler in self._handlers.get(event, ()):
            handler(about)

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "authenticated":
            self._open()
        elif kind == "subscribed":
            self.document.keep_only(message["symbols"])
            if message.get("unknown"):
                self._tell("unknown", message["unknown"])
        elif kind == "quotes_snapshot":
            self.document.snapshot(message)
            self._tell("quotes", [message["symbol"]])
        elif kind == "quotes_patch":
            self._patch(message)
        elif kind == "orders_snapshot":
            self._versions.clear()
            self._tell("orders", message)
        elif kind in _UPDATES:
            self._update(message)
        elif kind == "error":
            self._tell("error", message)
        # heartbeat and resync ask for nothing; what is not known yet is passed over

    def _open(self) -> None:
        if self._ready:  # a newer token
            return
        self._ready, self._tries = True, 0
        while not self._to_say.empty():  # said to the connection before
            self._to_say.get_nowait()
        self._tell("state", "open")
        if self._symbols or self._orders:
            self._say(type="subscribe", symbols=list(self._symbols), orders=self._orders)

    def _patch(self, message: Message) -> None:
        changed, missing = self.document.patch(message["patches"])
        if missing:
            self._say(type="subscribe", symbols=missing)
        if changed:
            self._tell("quotes", changed)

    def _update(self, message: Message) -> None:
        kind, name = _UPDATES[message["type"]]
        key, version = (kind, message[name]), message["version"]
        if self._versions.get(key, -1) < version:
            self._versions[key] = version
            self._tell(kind, message[kind])
