"""Every service tells what it needs, and an administrator is there from the start."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from hub.status.v1 import status_pb2 as pb
from hub.status.v1 import status_pb2_grpc
from hub_local.layout import SERVICES, Service
from hub_local.stack import Stack
from hub_rpc import connect
from hub_runtime import TlsFiles
from tests.system.places import grpc_target
from tests.system.user import User, until


def needs(service: Service) -> set[str]:
    """What it has to know the state of, by the process table."""
    named = {"auth": "trust", "market-data": "market"}
    found = {named.get(peer, peer) for peer in service.peers}
    stores = {"database": service.database, "broker": service.amqp, "redis": service.redis}
    return found | {name for name, needed in stores.items() if needed}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"gateway"}))
async def test_a_service_tells_the_state_of_everything_it_needs(stack: Stack, name: str) -> None:
    folder = stack.layout.certificates
    tls = TlsFiles(ca=folder / "ca.pem", cert=folder / "gateway.pem", key=folder / "gateway.key")
    async with connect(grpc_target(stack, name), tls, name) as channel:
        stub = status_pb2_grpc.StatusServiceStub(channel)

        async def ask() -> pb.GetStatusResponse:
            answer: pb.GetStatusResponse = await stub.GetStatus(pb.GetStatusRequest(), timeout=5)
            return answer

        def well(answer: pb.GetStatusResponse) -> bool:
            return answer.ready and all(each.state == "ok" for each in answer.dependencies)

        told = await until(ask, well)
    assert (told.service, told.version) == (name, version(f"hub-{name}"))
    assert needs(SERVICES[name]) <= {each.name for each in told.dependencies}


async def test_the_local_stack_has_an_administrator(admin: User) -> None:
    me = await admin.get("/api/v1/me")
    assert me["roles"] == ["user", "admin"]
