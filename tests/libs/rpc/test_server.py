"""Starting, health, reflection, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hub_errors import HubError, Unavailable
from hub_rpc import Server, connect
from hub_runtime import Address
from tests.libs.rpc.echo import SERVICE, TABLE, Client, Echo, calling, serving
from tests.support.jobs import eventually
from tests.support.tls import Tls

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_second_server_on_the_same_port_fails_loudly(tls: Tls) -> None:
    async with serving(tls, Echo()) as server:
        second = Server(Address("127.0.0.1", server.port), tls.files("order"), TABLE, [Echo().register])
        with pytest.raises(RuntimeError):
            await second.__aenter__()


async def test_health_follows_the_checks(tls: Tls) -> None:
    state = "ok"
    async with (
        serving(tls, Echo(), checks={"database": lambda: state}) as server,
        calling(tls, server.port) as client,
        asyncio.timeout(10),
    ):
        stub: Any = health_pb2_grpc.HealthStub(client.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        messages = aiter(watch)
        assert (await anext(messages)).status == SERVING
        state = "away"
        assert (await anext(messages)).status == NOT_SERVING
        assert server.state() == "database: away"
        state = "ok"
        assert (await anext(messages)).status == SERVING
        watch.cancel()


async def test_a_server_that_is_not_well_gets_no_calls(tls: Tls) -> None:
    service = Echo()
    async with (
        serving(tls, service, checks={"database": lambda: "away"}) as server,
        calling(tls, server.port) as client,
    ):
        with pytest.raises(Unavailable):
            await client.one(b"", timeout=1)
    assert service.calls == 0


async def reflected(client: Client) -> set[str]:
    async def ask() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    make: Any = reflection_pb2_grpc.ServerReflectionStub
    stub = make(client.channel)
    answers = [answer async for answer in stub.ServerReflectionInfo(ask())]
    return {service.name for service in answers[0].list_services_response.service}


async def test_reflection_only_where_it_is_wanted(tls: Tls) -> None:
    async with serving(tls, Echo(), reflection=True) as server, calling(tls, server.port) as client:
        assert {SERVICE, "grpc.health.v1.Health"} <= await reflected(client)
    async with serving(tls, Echo()) as server, calling(tls, server.port) as client:
        with pytest.raises(HubError) as raised:
            await reflected(client)
        assert raised.value.code == "not_implemented"


async def test_a_stop_under_load_fails_no_call_that_was_taken(tls: Tls) -> None:
    """Two replicas; one stops; all calls go on."""

    async def slow(request: bytes) -> bytes:
        await asyncio.sleep(0.02)
        return request

    leaving, staying = Echo(slow), Echo(slow)
    async with serving(tls, staying) as second, serving(tls, leaving, drain_s=0.3, grace_s=3) as first:
        target = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        async with connect(target, tls.files("gateway"), "order") as channel:
            client = Client(channel)
            while not (leaving.calls and staying.calls):
                await client.one(b"")
            stopped = asyncio.Event()

            async def call() -> int:
                count = 0
                while not stopped.is_set():
                    assert await client.one(b"x") == b"x"
                    count += 1
                return count

            async with asyncio.TaskGroup() as group:
                loops = [group.create_task(call()) for _ in range(8)]
                await first.__aexit__(None, None, None)
                at_stop = leaving.calls
                await asyncio.gather(*(client.one(b"x") for _ in range(20)))
                stopped.set()
    assert leaving.calls == at_stop
    assert sum(loop.result() for loop in loops) > 0


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_stop_ends_streams_so_that_readers_go_elsewhere(tls: Tls, arrived: bool) -> None:
    async def hang(_: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    service = Echo(hang)
    async with (
        asyncio.timeout(20),
        serving(tls, service, grace_s=3600) as server,
        calling(tls, server.port) as client,
    ):
        await client.channel.channel_ready()
        reader = asyncio.create_task(anext(aiter(client.out(b""))))
        if arrived:
            await eventually(lambda: service.calls > 0)
        await server.__aexit__(None, None, None)
        with pytest.raises(Unavailable):
            await reader
