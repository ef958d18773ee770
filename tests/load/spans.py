"""Where the stack's spans go: received, counted by their calls, thrown away unread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass
class Sink:
    address: str = ""
    exports: int = 0
    size: int = 0

    async def export(self, request: bytes, context: Any) -> bytes:
        self.exports += 1
        self.size += len(request)
        return b""


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    there = Sink()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler: Any = grpc.unary_unary_rpc_method_handler(there.export)
    server.add_registered_method_handlers(SERVICE, {"Export": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    there.address = f"http://127.0.0.1:{port}"
    try:
        yield there
    finally:
        await server.stop(0.5)
