"""Follows the live stream: keeps quotes by applying patches, and what it is told about orders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hub_local.demo.client import DemoError


@dataclass
class Live:
    document: dict[str, Any] = field(default_factory=lambda: {"quotes": {}})
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshots: dict[str, int] = field(default_factory=dict)
    patches: dict[str, int] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    failure: str = ""

    def quote(self, symbol: str) -> dict[str, str]:
        found: dict[str, str] = self.document["quotes"][symbol]
        return found

    def ask(self, symbol: str) -> Decimal:
        return Decimal(self.quote(symbol)["ask"])

    async def until(self, enough: Callable[[], bool], *, what: str, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s), self.changed:
                await self.changed.wait_for(lambda: bool(self.failure) or enough())
        except TimeoutError:
            raise DemoError(f"{what}: not within {within_s:.0f} s") from None
        if self.failure:
            raise DemoError(f"the stream: {self.failure}")

    async def follow(self, url: str, authorization: str, symbols: list[str]) -> None:
        """For ever; connects again when the gateway is restarted."""
        headers = {"Authorization": authorization}
        subscribe = json.dumps({"type": "subscribe", "symbols": symbols, "orders": True})
        try:
            async for socket in connect(url, additional_headers=headers, compression=None, proxy=None):
                try:
                    await socket.send(subscribe)
                    async for text in socket:
                        await self._take(json.loads(text))
                except ConnectionClosed:
                    continue
        except OSError as error:
            await self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - the story tells it
            await self._fail(f"{type(error).__name__} {error}")

    async def _fail(self, why: str) -> None:
        async with self.changed:
            self.failure = why
            self.changed.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        async with self.changed:
            self._apply(message)
            self.changed.notify_all()

    def _apply(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "quotes_snapshot":
            symbol = message["symbol"]
            self.document["quotes"][symbol] = message["quote"]
            self.snapshots[symbol] = self.snapshots.get(symbol, 0) + 1
        elif kind == "quotes_patch":
            for patch in message["patches"]:
                self._patch(patch)
        elif kind == "order_update":
            self._order(message["order"])
        elif kind == "orders_snapshot":
            for order in message["orders"]:
                self._order(order)
        elif kind == "error":
            self.failure = f"{message['code']}: {message.get('detail', '')}"

    def _patch(self, patch: dict[str, Any]) -> None:
        """RFC 6902; the operations are all of the kind `replace`."""
        for operation in patch["ops"]:
            *parents, last = operation["path"].strip("/").split("/")
            target = self.document
            for name in parents:
                target = target[name]
            target[last] = operation["value"]
        self.patches[patch["symbol"]] = self.patches.get(patch["symbol"], 0) + 1

    def _order(self, order: dict[str, Any]) -> None:
        known = self.orders.get(order["order_id"])
        if known is None or order["version"] > known["version"]:
            self.orders[order["order_id"]] = order


@asynccontextmanager
async def following(url: str, authorization: str, symbols: list[str]) -> AsyncIterator[Live]:
    live = Live()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(live.follow(url, authorization, symbols))
        try:
            yield live
        finally:
            task.cancel()
