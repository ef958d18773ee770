"""StatusService: what a process needs, and whether it has it. Every server of ours has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import grpc
from grpc import aio

from hub.status.v1 import status_pb2 as pb
from hub.status.v1 import status_pb2_grpc
from hub_rpc.breaker import Breaker

STATUS_SERVICE: Final = "hub.status.v1.StatusService"
CALLERS: Final = frozenset({"gateway"})

Check = Callable[[], str]
"""ok, or why not."""


class ProcessStatus(status_pb2_grpc.StatusServiceServicer):
    """`checks` decide whether the process takes calls; `information` is told, and decides nothing."""

    def __init__(self, service: str, checks: Mapping[str, Check], information: Mapping[str, Check]) -> None:
        self._service = service
        self._checks = checks
        self._dependencies = {**information, **checks}
        self._started_at = datetime.now(UTC)

    async def GetStatus(  # noqa: N802 - the name is that of the proto
        self,
        request: pb.GetStatusRequest,  # noqa: ARG002
        context: aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> pb.GetStatusResponse:
        states = {name: check() for name, check in sorted(self._dependencies.items())}
        answer = pb.GetStatusResponse(
            service=self._service,
            version=_version_of(self._service),
            ready=all(states[name] == "ok" for name in self._checks),
            dependencies=[pb.Dependency(name=name, state=state) for name, state in states.items()],
        )
        answer.started_at.FromDatetime(self._started_at)
        return answer


def service_of(table: Mapping[str, object]) -> str:
    """The service whose call table it is: hub.market_data.v1.MarketDataService is of market-data."""
    package = next(iter(table), "nobody").split(".")
    return package[1].replace("_", "-") if len(package) > 1 else package[0]


def peer_state(channel: aio.Channel, breaker: Breaker | None = None) -> Check:
    """Whether a peer can be called, for `information`. A channel that nothing has used yet is fine."""

    def state() -> str:
        if breaker is not None and breaker.state != "closed":
            return f"the breaker is {breaker.state}"
        connectivity = channel.get_state()
        return "ok" if connectivity in _FINE else connectivity.name.lower().replace("_", " ")

    return state


_FINE: Final = frozenset({grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.READY})


def _version_of(service: str) -> str:
    try:
        return version(f"hub-{service}")
    except PackageNotFoundError:
        return ""
