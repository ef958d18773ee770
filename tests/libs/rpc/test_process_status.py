"""Every server tells the gateway what it depends on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from grpc import aio

from hub.status.v1 import status_pb2 as pb
from hub.status.v1 import status_pb2_grpc
from hub_errors import Denied, HubError
from hub_rpc import Breaker, Server, connect, peer_state
from hub_rpc.process_status import service_of
from hub_runtime import Address
from tests.libs.rpc.echo import TABLE, Echo, calling, serving
from tests.support.jobs import eventually
from tests.support.tls import Tls


async def status(channel: aio.Channel) -> pb.GetStatusResponse:
    return await status_pb2_grpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=5)


async def test_checks_decide_readiness_and_information_is_only_told(tls: Tls) -> None:
    states = {"database": "ok", "broker": "away"}
    server = Server(
        Address("127.0.0.1", 0),
        tls.files("order"),
        TABLE,
        [Echo().register],
        checks={"database": lambda: states["database"]},
        information={"broker": lambda: states["broker"]},
    )
    async with server, calling(tls, server.port) as client:
        told = await status(client.channel)
        assert told.ready
        assert {each.name: each.state for each in told.dependencies} == states
        assert datetime.now(UTC) - told.started_at.ToDatetime(tzinfo=UTC) < timedelta(minutes=1)
        assert await client.one(b"works", timeout=5) == b"works"


async def test_a_process_that_is_not_well_still_tells_why(tls: Tls) -> None:
    state = "schema is behind"
    async with (
        serving(tls, Echo(), checks={"database": lambda: state}) as server,
        calling(tls, server.port, healthy_only=False) as client,
    ):
        told = await status(client.channel)
        assert not told.ready
        assert [(each.name, each.state) for each in told.dependencies] == [("database", state)]


async def test_only_the_gateway_may_ask(tls: Tls) -> None:
    async with serving(tls, Echo()) as server:
        target = f"127.0.0.1:{server.port}"
        async with connect(target, tls.files("portfolio"), "order") as channel:
            with pytest.raises(Denied):
                await status(channel)


@pytest.mark.parametrize(
    ("name", "service"),
    [("hub.market_data.v1.MarketDataService", "market-data"), ("hub.auth.v1.AuthService", "auth")],
)
def test_the_service_is_known_by_its_call_table(name: str, service: str) -> None:
    assert service_of({name: {}}) == service


async def test_a_peer_is_ok_until_it_cannot_be_reached_or_its_breaker_opens(tls: Tls) -> None:
    breaker = Breaker("order", failures=1, open_s=60)
    async with serving(tls, Echo()) as server:
        target = f"127.0.0.1:{server.port}"
        async with connect(target, tls.files("gateway"), "order", breaker=breaker) as channel:
            state = peer_state(channel, breaker)
            assert state() == "ok"
            await status(channel)
            assert state() == "ok"
            await server.__aexit__(None, None, None)
            with pytest.raises(HubError):
                await status(channel)
            await eventually(lambda: state() == "the breaker is open")
            assert peer_state(channel)() != "ok"
