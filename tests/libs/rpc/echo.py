"""A service of four methods, one per arity, whose behaviour a test chooses; and its server and channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from hub_rpc import CallTable, Server, connect
from hub_runtime import Address
from tests.support.tls import Tls

SERVICE = "test.Echo"
TABLE: CallTable = {SERVICE: {"*": frozenset({"gateway"})}}
ANYWHERE = Address("127.0.0.1", 0)

Unary = Callable[[bytes], Awaitable[bytes]]


async def echo(request: bytes) -> bytes:
    return request


class Echo:
    """`answer` decides what the unary methods say; `calls` counts how often they were asked."""

    def __init__(self, answer: Unary = echo) -> None:
        self.answer = answer
        self.calls = 0

    async def one(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        return await self.answer(request)

    async def out(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        self.calls += 1
        for _ in range(3):
            yield await self.answer(request)

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        self.calls += 1
        return await self.answer(b"".join([request async for request in requests]))

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.calls += 1
        async for request in requests:
            yield await self.answer(request)

    def register(self, server: aio.Server) -> None:
        handlers: dict[str, Any] = {
            "One": grpc.unary_unary_rpc_method_handler(self.one),
            "Out": grpc.unary_stream_rpc_method_handler(self.out),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        server.add_registered_method_handlers(SERVICE, handlers)


class Client:
    """The other end."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.one: Any = channel.unary_unary(f"/{SERVICE}/One")
        self.out: Any = channel.unary_stream(f"/{SERVICE}/Out")
        self.collect: Any = channel.stream_unary(f"/{SERVICE}/Collect")
        self.both: Any = channel.stream_stream(f"/{SERVICE}/Both")


@asynccontextmanager
async def serving(tls: Tls, service: Echo, **options: Any) -> AsyncIterator[Server]:
    settings: dict[str, Any] = {"call_table": TABLE, "drain_s": 0.0, "grace_s": 0.5} | options
    table = settings.pop("call_table")
    async with Server(ANYWHERE, tls.files("order"), table, [service.register], **settings) as server:
        yield server


@asynccontextmanager
async def calling(tls: Tls, port: int, *, name: str = "gateway", **options: Any) -> AsyncIterator[Client]:
    async with connect(f"127.0.0.1:{port}", tls.files(name), "order", **options) as channel:
        yield Client(channel)


@asynccontextmanager
async def talking(tls: Tls, service: Echo, **options: Any) -> AsyncIterator[Client]:
    async with serving(tls, service) as server, calling(tls, server.port, **options) as client:
        yield client
