"""Every server refuses whoever has no certificate, a foreign one, or no business with it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.auth.v1 import auth_pb2, auth_pb2_grpc
from hub.market_data.v1 import market_data_pb2, market_data_pb2_grpc
from hub.order.v1 import order_pb2, order_pb2_grpc
from hub.portfolio.v1 import portfolio_pb2, portfolio_pb2_grpc
from hub.position.v1 import position_pb2, position_pb2_grpc
from hub.quote_stream.v1 import quote_stream_pb2, quote_stream_pb2_grpc
from hub_local.stack import Stack
from tests.support.tls import Authority
from tests.system.places import ca_pem, certificate_pem, grpc_target

SERVERS = ["auth", "market-data", "order", "position", "portfolio", "quote-stream"]


def channel(stack: Stack, server: str, credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
    options = [("grpc.ssl_target_name_override", server)]
    return grpc.aio.secure_channel(grpc_target(stack, server), credentials, options=options)


async def health(channel: grpc.aio.Channel) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    return int(answer.status)


@pytest.mark.parametrize("server", SERVERS)
async def test_no_certificate_is_refused(stack: Stack, server: str) -> None:
    credentials = grpc.ssl_channel_credentials(root_certificates=ca_pem(stack))
    async with channel(stack, server, credentials) as peer:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health(peer)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("server", SERVERS)
async def test_a_certificate_of_another_authority_is_refused(
    stack: Stack, server: str, foreign_authority: Authority
) -> None:
    certificate, key = foreign_authority.issue_pem("gateway")
    credentials = grpc.ssl_channel_credentials(ca_pem(stack), key, certificate)
    async with channel(stack, server, credentials) as peer:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health(peer)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


UNLISTED = {
    "auth": ("order", auth_pb2_grpc.AuthServiceStub, "Login", auth_pb2.LoginRequest()),
    "market-data": (
        "position",
        market_data_pb2_grpc.MarketDataServiceStub,
        "GetQuotes",
        market_data_pb2.GetQuotesRequest(),
    ),
    "order": ("position", order_pb2_grpc.OrderServiceStub, "SubmitOrders", order_pb2.SubmitOrdersRequest()),
    "position": (
        "gateway",
        position_pb2_grpc.PositionServiceStub,
        "PlaceHolds",
        position_pb2.PlaceHoldsRequest(),
    ),
    "portfolio": (
        "order",
        portfolio_pb2_grpc.PortfolioServiceStub,
        "GetSummary",
        portfolio_pb2.GetSummaryRequest(),
    ),
}


@pytest.mark.parametrize("server", sorted(UNLISTED))
async def test_a_service_that_is_not_in_the_call_table_is_refused(stack: Stack, server: str) -> None:
    caller, stub, method, request = UNLISTED[server]
    credentials = grpc.ssl_channel_credentials(ca_pem(stack), *certificate_pem(stack, caller))
    async with channel(stack, server, credentials) as peer:
        assert await health(peer) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(stub(peer), method)(request, timeout=5)
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_only_the_gateway_may_follow_the_frames(stack: Stack) -> None:
    credentials = grpc.ssl_channel_credentials(ca_pem(stack), *certificate_pem(stack, "portfolio"))
    async with channel(stack, "quote-stream", credentials) as peer:
        stub = quote_stream_pb2_grpc.QuoteStreamServiceStub(peer)
        frames = stub.StreamFrames(quote_stream_pb2.StreamFramesRequest(), timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await frames.read()
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
