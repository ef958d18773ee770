"""Who gets in: certificates first, then the call table."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub_errors import Denied, Unavailable
from hub_rpc import Server, bearer_token, caller, calling_as
from hub_rpc.call_table import may_call
from tests.libs.rpc.echo import ANYWHERE, SERVICE, TABLE, Client, Echo, calling, serving, talking
from tests.support.tls import Tls


async def whoami(_: bytes) -> bytes:
    return f"{caller()} {bearer_token()}".strip().encode()


async def test_a_listed_peer_is_known_by_its_certificate(tls: Tls) -> None:
    async with talking(tls, Echo(whoami)) as client:
        assert await client.one(b"") == b"gateway"


async def test_a_peer_that_is_not_listed_is_denied(tls: Tls) -> None:
    service = Echo()
    async with talking(tls, service, name="portfolio") as client:
        with pytest.raises(Denied) as raised:
            await client.one(b"")
        assert raised.value.code == "caller_not_allowed"
        with pytest.raises(Denied):
            _ = [message async for message in client.out(b"")]
    assert service.calls == 0


async def test_a_method_of_its_own_entry_is_not_for_the_callers_of_all_others(tls: Tls) -> None:
    table = {SERVICE: {"*": frozenset({"gateway"}), "Out": frozenset({"portfolio"})}}
    async with (
        serving(tls, Echo(), call_table=table) as server,
        calling(tls, server.port) as gateway,
        calling(tls, server.port, name="portfolio") as other,
    ):
        assert await gateway.one(b"x") == b"x"
        assert [message async for message in other.out(b"x")] == [b"x"] * 3
        with pytest.raises(Denied):
            _ = [message async for message in gateway.out(b"x")]


async def test_a_foreign_authority_does_not_get_past_tls(tls: Tls, foreign_tls: Tls) -> None:
    service = Echo()
    async with serving(tls, service) as server:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=tls.ca.read_bytes(),
            private_key=foreign_tls.files("gateway").key.read_bytes(),
            certificate_chain=foreign_tls.files("gateway").cert.read_bytes(),
        )
        await refused_by_tls(server.port, credentials)
    assert service.calls == 0


async def test_no_certificate_does_not_get_past_tls(tls: Tls) -> None:
    service = Echo()
    async with serving(tls, service) as server:
        credentials = grpc.ssl_channel_credentials(root_certificates=tls.ca.read_bytes())
        await refused_by_tls(server.port, credentials)
        async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            with pytest.raises(aio.AioRpcError) as raised:
                await Client(channel).one(b"", timeout=5)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert service.calls == 0


async def refused_by_tls(port: int, credentials: grpc.ChannelCredentials) -> None:
    options = [("grpc.ssl_target_name_override", "order"), ("grpc.use_local_subchannel_pool", 1)]
    async with aio.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        with pytest.raises(aio.AioRpcError) as raised:
            await Client(channel).one(b"", timeout=5)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_client_does_not_talk_to_a_server_of_another_name(tls: Tls) -> None:
    service = Echo()
    async with (
        Server(ANYWHERE, tls.files("position"), TABLE, [service.register], drain_s=0) as server,
        calling(tls, server.port) as client,
    ):
        with pytest.raises(Unavailable):
            await client.one(b"")
    assert service.calls == 0


async def test_any_peer_with_a_certificate_may_ask_for_health(tls: Tls) -> None:
    async with serving(tls, Echo()) as server, calling(tls, server.port, name="portfolio") as client:
        stub: Any = health_pb2_grpc.HealthStub(client.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_token_goes_along_only_where_the_caller_says_so(tls: Tls) -> None:
    async with talking(tls, Echo(whoami)) as client:
        with calling_as("a.b.c"):
            assert await client.one(b"") == b"gateway a.b.c"
        assert await client.one(b"") == b"gateway"


async def test_a_token_that_came_in_is_not_passed_on_by_itself(tls: Tls) -> None:
    async with talking(tls, Echo(whoami)) as inner:

        async def ask_inner(_: bytes) -> bytes:
            return bytes(await inner.one(b""))

        async with talking(tls, Echo(ask_inner)) as outer:
            with calling_as("a.b.c"):
                assert await outer.one(b"") == b"gateway"


@pytest.mark.parametrize(
    "table",
    [
        {},
        {SERVICE: {"Onne": frozenset({"gateway"})}},
        {SERVICE: {"*": frozenset({"gateway"})}, "test.Other": {"*": frozenset({"gateway"})}},
    ],
)
async def test_a_table_that_does_not_match_the_services_keeps_the_server_from_starting(
    tls: Tls, table: dict[str, dict[str, frozenset[str]]]
) -> None:
    with pytest.raises(ValueError, match="the call table"):
        async with serving(tls, Echo(), call_table=table):
            pass


def test_what_is_not_in_the_table_is_for_nobody() -> None:
    assert may_call({}, "/test.Echo/One") == frozenset()
    assert may_call({SERVICE: {"Out": frozenset({"gateway"})}}, "/test.Echo/One") == frozenset()
