"""The service's database is its own: nobody else's role gets in, and its own changes rows, never tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import asyncpg
import pytest

import hub_portfolio.store
from hub_postgres import Pool
from tests.support.plans import walks
from tests.support.servers import Database, with_password


async def test_another_services_role_cannot_even_enter(
    database: Callable[[str], Awaitable[Database]],
) -> None:
    ours, theirs = await database("hub_portfolio"), await database("hub_position")
    address = urlsplit(theirs.runtime.url)._replace(path=f"/{ours.name}").geturl()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(with_password(address, theirs.runtime.password), timeout=10)


async def test_the_services_own_role_writes_rows_and_cannot_change_tables(
    database: Callable[[str], Awaitable[Database]],
) -> None:
    connection = await asyncpg.connect((await database("hub_portfolio")).dsn, timeout=10)
    try:
        assert await connection.fetchval("SELECT count(*) FROM watchlists") == 0
        for statement in ("DROP TABLE watchlists", "CREATE TABLE mine (id int)", "TRUNCATE watchlists"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close(timeout=5)


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(pool: Pool) -> None:
    assert await walks(pool, hub_portfolio.store) == {}
