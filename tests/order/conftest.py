"""Fixtures of the order service's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.order.house import House, order_house
from tests.support.servers import Database, Postgres
from tests.support.tls import Tls
from tests.support.tokens import TokenUser as User


@pytest.fixture(scope="session")
async def order_database(postgres_server: Postgres) -> AsyncIterator[Database]:
    made = await postgres_server.create("hub_order")
    yield made
    await postgres_server.drop(made)


@pytest.fixture
async def house(order_database: Database, tls: Tls) -> AsyncIterator[House]:
    """The service over an empty database."""
    async with order_house(order_database, tls) as made:
        await emptied(made)
        yield made


async def emptied(house: House) -> None:
    await house.tamper(
        "TRUNCATE orders, executions, order_events, idempotency_keys, outbox, refusals, audit_anchors,"
        " leaderships, quote_extremes, reconciliation"
    )


@pytest.fixture
def user(house: House) -> User:
    return house.keys.user()
