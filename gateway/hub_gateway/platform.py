"""/admin/status: how the gateway and every service behind it are, with everything they depend on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final

from grpc import aio

from hub.status.v1 import status_pb2, status_pb2_grpc
from hub_errors import HubError
from hub_gateway import render
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.types.status import Dependency, PlatformStatus, ServiceStatus

ASKING_S: Final = 1.0

Check = Callable[[], str]


class Platform:
    """`channels` reach also services that are not well. `checks` are the gateway's own dependencies; those of
    `readiness` decide whether it is ready."""

    def __init__(
        self,
        *,
        gate: Gate,
        channels: Mapping[str, aio.Channel],
        readiness: Mapping[str, Check],
        information: Mapping[str, Check],
        redis: Callable[[], Awaitable[str]],
        started_at: datetime,
    ) -> None:
        self._gate = gate
        self._stubs = {
            service: status_pb2_grpc.StatusServiceStub(channel) for service, channel in channels.items()
        }
        self._readiness = readiness
        self._information = information
        self._redis = redis
        self._started_at = started_at

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/admin/status",
                GET=Operation(
                    handler=self.status,
                    summary="Every service and what it depends on",
                    tag="admin",
                    description="Each service answers for one of its replicas.",
                    access=Access.ADMIN,
                    answers={200: PlatformStatus},
                ),
            )
        ]

    async def status(self, request: Request) -> Response:
        request.query()
        await self._gate.admin(request)
        services = await asyncio.gather(self._own(), *(self._ask(service) for service in self._stubs))
        return answer(
            PlatformStatus(ready=all(service.ready for service in services), services=list(services))
        )

    async def _own(self) -> ServiceStatus:
        states = {name: check() for name, check in {**self._information, **self._readiness}.items()}
        states["redis"] = await self._redis()
        return ServiceStatus(
            service="gateway",
            version=version("hub-gateway"),
            started_at=render.moment(self._started_at),
            ready=all(states[name] == "ok" for name in self._readiness),
            reason=None,
            dependencies=[Dependency(name=name, state=states[name]) for name in sorted(states)],
        )

    async def _ask(self, service: str) -> ServiceStatus:
        try:
            told = await self._stubs[service].GetStatus(status_pb2.GetStatusRequest(), timeout=ASKING_S)
        except HubError as error:
            return ServiceStatus(
                service=service,
                version=None,
                started_at=None,
                ready=False,
                reason=error.code,
                dependencies=[],
            )
        return ServiceStatus(
            service=told.service,
            version=told.version or None,
            started_at=render.when(told.started_at),
            ready=told.ready,
            reason=None,
            dependencies=[Dependency(name=each.name, state=each.state) for each in told.dependencies],
        )
