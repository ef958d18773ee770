"""Peers that remember what they were asked and answer what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.message import Message
from grpc import aio

from hub.auth.v1 import auth_pb2_grpc
from hub.market_data.v1 import market_data_admin_pb2_grpc, market_data_pb2_grpc
from hub.order.v1 import order_pb2_grpc
from hub.portfolio.v1 import (
    history_pb2_grpc,
    portfolio_pb2_grpc,
    statements_pb2_grpc,
    watchlist_pb2_grpc,
)
from hub.position.v1 import activities_pb2_grpc, position_pb2_grpc, views_pb2_grpc
from hub_errors import HubError
from hub_rpc import Server, bearer_token
from tests.gateway.world import LOCAL
from tests.support.tls import Tls

SERVICES: dict[str, list[tuple[str, type, Callable[..., None]]]] = {
    "auth": [
        (
            "hub.auth.v1.AuthService",
            auth_pb2_grpc.AuthServiceServicer,
            auth_pb2_grpc.add_AuthServiceServicer_to_server,
        )
    ],
    "market-data": [
        (
            "hub.market_data.v1.MarketDataService",
            market_data_pb2_grpc.MarketDataServiceServicer,
            market_data_pb2_grpc.add_MarketDataServiceServicer_to_server,
        ),
        (
            "hub.market_data.v1.MarketDataAdminService",
            market_data_admin_pb2_grpc.MarketDataAdminServiceServicer,
            market_data_admin_pb2_grpc.add_MarketDataAdminServiceServicer_to_server,
        ),
    ],
    "order": [
        (
            "hub.order.v1.OrderService",
            order_pb2_grpc.OrderServiceServicer,
            order_pb2_grpc.add_OrderServiceServicer_to_server,
        ),
        (
            "hub.order.v1.OrderAdminService",
            order_pb2_grpc.OrderAdminServiceServicer,
            order_pb2_grpc.add_OrderAdminServiceServicer_to_server,
        ),
    ],
    "position": [
        (
            "hub.position.v1.PositionService",
            position_pb2_grpc.PositionServiceServicer,
            position_pb2_grpc.add_PositionServiceServicer_to_server,
        ),
        (
            "hub.position.v1.ActivityService",
            activities_pb2_grpc.ActivityServiceServicer,
            activities_pb2_grpc.add_ActivityServiceServicer_to_server,
        ),
        (
            "hub.position.v1.ViewService",
            views_pb2_grpc.ViewServiceServicer,
            views_pb2_grpc.add_ViewServiceServicer_to_server,
        ),
    ],
    "portfolio": [
        (
            "hub.portfolio.v1.PortfolioService",
            portfolio_pb2_grpc.PortfolioServiceServicer,
            portfolio_pb2_grpc.add_PortfolioServiceServicer_to_server,
        ),
        (
            "hub.portfolio.v1.HistoryService",
            history_pb2_grpc.HistoryServiceServicer,
            history_pb2_grpc.add_HistoryServiceServicer_to_server,
        ),
        (
            "hub.portfolio.v1.StatementService",
            statements_pb2_grpc.StatementServiceServicer,
            statements_pb2_grpc.add_StatementServiceServicer_to_server,
        ),
        (
            "hub.portfolio.v1.WatchlistService",
            watchlist_pb2_grpc.WatchlistServiceServicer,
            watchlist_pb2_grpc.add_WatchlistServiceServicer_to_server,
        ),
    ],
}


@dataclass
class Peers:
    """`answers` by RPC, or what makes them of the request; `asked` has each request with the token it came
    with. `may_answer`, cleared, holds every answer back."""

    answers: dict[str, Message | HubError | Callable[[Any], Message]] = field(default_factory=dict)
    asked: dict[str, list[Any]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def answer(self, rpc: str, request: Message) -> Message:
        self.asked.setdefault(rpc, []).append(request)
        self.tokens.append(bearer_token())
        await self.may_answer.wait()
        answer = self.answers[rpc]
        if isinstance(answer, HubError):
            raise answer
        return answer if isinstance(answer, Message) else answer(request)


def _servicer(kind: type, peers: Peers) -> object:
    def method(rpc: str) -> Callable[..., Any]:
        async def handle(self: object, request: Message, context: aio.ServicerContext[Any, Any]) -> Message:
            return await peers.answer(rpc, request)

        return handle

    names = [name for name in vars(kind) if name[0].isupper()]
    return type(kind.__name__, (kind,), {name: method(name) for name in names})()


@asynccontextmanager
async def canned(tls: Tls) -> AsyncIterator[Peers]:
    """All five peers, each a server of its own."""
    peers = Peers()
    async with AsyncExitStack() as stack:
        for name, services in SERVICES.items():
            table = {service: {"*": frozenset({"gateway"})} for service, _, _ in services}
            registrations = [partial(add, _servicer(kind, peers)) for _, kind, add in services]
            server = Server(LOCAL, tls.files(name), table, registrations, drain_s=0, grace_s=0.1)
            await stack.enter_async_context(server)
            peers.targets[name] = f"127.0.0.1:{server.port}"
        yield peers
