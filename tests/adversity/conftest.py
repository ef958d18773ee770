"""A database of order and one of position for all tests here; each test keeps to accounts of its own, and
leaves nothing in the outboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adversity.platform import Databases, Platform, platform, pools
from tests.support.servers import Postgres
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User


@pytest.fixture(scope="session")
async def databases(postgres_server: Postgres) -> AsyncIterator[Databases]:
    made = Databases(await postgres_server.create("hub_order"), await postgres_server.create("hub_position"))
    yield made
    await postgres_server.drop(made.order)
    await postgres_server.drop(made.position)


@pytest.fixture
async def both(databases: Databases) -> AsyncIterator[Platform]:
    """Order and position, with nothing under way."""
    async with (
        pools(databases) as (order_pool, position_pool),
        platform(order_pool, position_pool, keys=Signer()) as made,
    ):
        for pool in (order_pool, position_pool):
            await pool.execute("DELETE FROM outbox")
        yield made


@pytest.fixture
async def user(both: Platform) -> User:
    return await both.user()
