"""Migrated databases for all portfolio tests; each test keeps to users of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub_postgres import Pool, connect_pool
from tests.portfolio.front import Front, portfolio_front
from tests.position.house import House, position_house
from tests.position.world import World
from tests.support.servers import Database, Postgres
from tests.support.tls import Tls


@pytest.fixture(scope="session")
async def books(postgres_server: Postgres, tls: Tls) -> AsyncIterator[House]:
    """A position service with a database of its own."""
    database = await postgres_server.create("hub_position")
    login = database.runtime
    async with (
        await connect_pool(login.url, login.password, size=4) as pool,
        position_house(World(pool), tls) as house,
    ):
        yield house
    await postgres_server.drop(database)


@pytest.fixture(scope="session")
async def portfolio_database(postgres_server: Postgres) -> AsyncIterator[Database]:
    database = await postgres_server.create("hub_portfolio")
    yield database
    await postgres_server.drop(database)


@pytest.fixture(scope="session")
async def pool(portfolio_database: Database) -> AsyncIterator[Pool]:
    login = portfolio_database.runtime
    async with await connect_pool(login.url, login.password, size=8) as made:
        yield made


@pytest.fixture
async def front(books: House, pool: Pool, tls: Tls) -> AsyncIterator[Front]:
    async with portfolio_front(books, pool, tls) as made:
        yield made
