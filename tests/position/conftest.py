"""A migrated database for all position tests; each test keeps to accounts of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
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


class Damage:
    """What only somebody with all rights can do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self._database.superuser.dsn)
        try:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(statement, *values)
        finally:
            await connection.close()


@pytest.fixture
def damage(position_database: Database) -> Damage:
    return Damage(position_database)
