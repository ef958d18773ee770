"""A migrated database for all position tests; each test keeps to accounts of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub_postgres import Pool, connect_pool
from tests.position.world import World
from tests.support.servers import Database, Postgres


@pytest.fixture(scope="session")
async def position_database(postgres_server: Postgres) -> AsyncIterator[Database]:
    database = await postgres_server.create("hub_position")
    yield database
    await postgres_server.drop(database)


@pytest.fixture(scope="session")
async def position_pool(position_database: Database) -> AsyncIterator[Pool]:
    login = position_database.runtime
    async with await connect_pool(login.url, login.password, size=4) as pool:
        yield pool


@pytest.fixture(scope="session")
def world(position_pool: Pool) -> World:
    return World(position_pool)
