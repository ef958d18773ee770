"""A gRPC server: mTLS, the call table, health, reflection where wanted, and a stop that loses no call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from hub.status.v1 import status_pb2_grpc
from hub_rpc.call_table import CallTable, check_table
from hub_rpc.process_status import CALLERS, STATUS_SERVICE, ProcessStatus, service_of
from hub_rpc.server_interceptor import ServerInterceptor
from hub_rpc.tls import server_credentials
from hub_runtime.common_settings import TlsFiles
from hub_runtime.settings import Address

Registration = Callable[[aio.Server], None]
"""Adds a servicer to a server: `partial(add_OrderServiceServicer_to_server, OrderRpc(...))`."""

MESSAGE_LIMIT = 4 * 1024 * 1024
_LOOK_S = 0.25
_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.so_reuseport", 0),  # a second server on the port is to fail, not to share it silently
    ("grpc.max_connection_age_ms", 60_000),  # so that clients look for new replicas
    ("grpc.max_connection_age_grace_ms", 600_000),  # long-lived streams come back within this
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),  # clients ping every 60 s
    ("grpc.server.max_pending_requests", 20_000),  # a stampede is queued, not cancelled
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
)


class Server:
    """`async with Server(...)` serves. `checks` answer "ok" or why not, like readiness checks; `information`
    is told beside them and keeps no calls away. StatusService has both."""

    def __init__(
        self,
        address: Address,
        tls: TlsFiles,
        call_table: CallTable,
        registrations: Sequence[Registration],
        *,
        reflection: bool = False,
        checks: Mapping[str, Callable[[], str]] | None = None,
        information: Mapping[str, Callable[[], str]] | None = None,
        drain_s: float = 0.3,
        grace_s: float = 3.0,
        most_calls: int = 20_000,
    ) -> None:
        self._address = address
        self._tls = tls
        self._table: CallTable = {**call_table, STATUS_SERVICE: {"*": CALLERS}}
        self._registrations = registrations
        self._reflection = reflection
        self._checks = dict(checks or {})
        self._drain_s = drain_s
        self._grace_s = grace_s
        self._most_calls = most_calls
        self._health = HealthServicer()
        self._status = ProcessStatus(service_of(call_table), self._checks, information or {})
        self._interceptor = ServerInterceptor(self._table)
        self._server: aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self.port = address.port

    async def __aenter__(self) -> Server:
        server = _Recording(
            aio.server(
                interceptors=[self._interceptor],
                options=list(_OPTIONS),
                maximum_concurrent_rpcs=self._most_calls,
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)  # type: ignore[arg-type]
        status_pb2_grpc.add_StatusServiceServicer_to_server(self._status, server)  # type: ignore[arg-type]
        for register in self._registrations:
            register(server)  # type: ignore[arg-type]
        check_table(self._table, server.served)
        if self._reflection:
            names = [*server.served, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, server.server)
        self._server = server.server
        self.port = self._server.add_secure_port(str(self._address), server_credentials(self._tls))
        await self._look()
        await self._server.start()
        self._watch = asyncio.create_task(self._keep_looking(), name="rpc health")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Health down, a moment for clients to notice, then no new calls, and the running ones may end."""
        if self._server is None or self._watch is None:
            return
        self._watch.cancel()
        with suppress(asyncio.CancelledError):
            await self._watch
        await self._health.enter_graceful_shutdown()
        if kind is None:
            await asyncio.sleep(self._drain_s)
        stopping = asyncio.create_task(self._server.stop(self._grace_s), name="rpc stop")
        await asyncio.sleep(0)  # no new streams from here on
        self._interceptor.stop_streams()
        await stopping

    def state(self) -> str:
        """ok, or the first reason why the server tells its clients to go elsewhere."""
        for name, check in self._checks.items():
            if (state := check()) != "ok":
                return f"{name}: {state}"
        return "ok"

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._look()

    async def _look(self) -> None:
        serving = health_pb2.HealthCheckResponse.SERVING
        status = serving if self.state() == "ok" else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set("", status)


class _Recording:
    """Passes handlers on to the server and remembers which methods each service has."""

    def __init__(self, server: aio.Server) -> None:
        self.server = server
        self.served: dict[str, Iterable[str]] = {}

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        self.server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        self.served[service_name] = list(method_handlers)
        self.server.add_registered_method_handlers(service_name, method_handlers)
