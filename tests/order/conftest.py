"""Fixtures of the order service's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.order.house import House, order_house
from tests.order.peers import User
from tests.support.servers import Database
from tests.support.tls import Tls


@pytest.fixture
async def house(database: Callable[[str], Awaitable[Database]], tls: Tls) -> AsyncIterator[House]:
    """The service over a database of its own."""
    async with order_house(await database("hub_order"), tls) as made:
        yield made


@pytest.fixture
def user(house: House) -> User:
    return house.keys.user()
