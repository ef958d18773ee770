"""A migrated and seeded database, and a served board."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from grpc import aio

from hub.market_data.v1 import market_data_pb2_grpc
from hub_market_data.board import Board
from hub_market_data.rpc import CALL_TABLE, MarketDataRpc
from hub_market_data.store import Store
from hub_postgres import Pool, connect_pool
from hub_rpc import Server, connect
from hub_runtime import Address
from tests.support.servers import Database
from tests.support.tls import Tls

Connect = Callable[[str], aio.Channel]


@pytest.fixture
async def market_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("hub_market_data")


@pytest.fixture
async def pool(market_database: Database) -> AsyncIterator[Pool]:
    login = market_database.runtime
    async with await connect_pool(login.url, login.password, 5, "test") as made:
        yield made


@pytest.fixture
def store(pool: Pool) -> Store:
    return Store(pool)


@asynccontextmanager
async def served(board: Board, tls: Tls, caller: str) -> AsyncIterator[aio.Channel]:
    """A channel of `caller` to a server with this board."""
    register = partial(market_data_pb2_grpc.add_MarketDataServiceServicer_to_server, MarketDataRpc(board))
    async with (
        Server(
            Address("127.0.0.1", 0), tls.files("market-data"), CALL_TABLE, [register], drain_s=0
        ) as server,
        connect(f"127.0.0.1:{server.port}", tls.files(caller), "market-data") as channel,
    ):
        yield channel
