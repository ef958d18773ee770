"""A migrated and seeded database, and processes that serve it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest
from grpc import aio

from hub_market_data.board import Board
from hub_market_data.rpc import register
from hub_market_data.store import Bars, Catalogue, Feeding
from hub_postgres import Pool, connect_pool
from hub_rpc import Server, connect
from hub_runtime import Address
from tests.market_data.house import TABLE_OF_READERS, House, market_data_rpc
from tests.support.servers import Database, Login
from tests.support.tls import Tls
from tests.support.tokens import Signer

Connect = Callable[[str], aio.Channel]
NewHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
async def market_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("hub_market_data")


@pytest.fixture
async def pool(market_database: Database) -> AsyncIterator[Pool]:
    login = market_database.runtime
    async with await connect_pool(login.url, login.password, 5, "test") as made:
        yield made


@pytest.fixture
async def owner_pool(market_database: Database) -> AsyncIterator[Pool]:
    """As `migrate` has it."""
    login = market_database.owner
    async with await connect_pool(login.url, login.password, 1, "test") as made:
        yield made


@pytest.fixture
def catalogue(pool: Pool) -> Catalogue:
    return Catalogue(pool)


@pytest.fixture
def feeding(pool: Pool) -> Feeding:
    return Feeding(pool)


@pytest.fixture
def bars(pool: Pool) -> Bars:
    return Bars(pool)


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def new_house(market_database: Database, redis: Login, tls: Tls, signer: Signer) -> NewHouse:
    """`async with new_house() as house`: one process's board, jobs and server on the test's database."""
    return partial(House.open, database=market_database.runtime, redis_dsn=redis.dsn, tls=tls, signer=signer)


@pytest.fixture
async def house(new_house: NewHouse) -> AsyncIterator[House]:
    async with new_house() as made:
        yield made


@asynccontextmanager
async def served(board: Board, tls: Tls, caller: str) -> AsyncIterator[aio.Channel]:
    """A channel of `caller` to a server with this board, and no database behind it."""
    async with await connect_pool("postgresql://nobody@127.0.0.1:1/nothing", "", 1, "test") as nothing:
        serving = partial(register, market_data_rpc(board, nothing))
        async with (
            Server(
                Address("127.0.0.1", 0), tls.files("market-data"), TABLE_OF_READERS, [serving], drain_s=0
            ) as server,
            connect(f"127.0.0.1:{server.port}", tls.files(caller), "market-data") as channel,
        ):
            yield channel
