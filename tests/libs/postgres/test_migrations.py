"""Migrations: once each, in order, by one process at a time, and never changed afterwards."""

import asyncio
from collections.abc import Callable, Mapping

import asyncpg
import pytest

from hub_errors import Conflict
from hub_postgres import Pool, acquire, migrate, read_migrations
from tests.support.servers import Database

MakePackage = Callable[[Mapping[str, str]], str]

FIRST = {"0001_orders.sql": "CREATE TABLE orders (id integer); INSERT INTO orders VALUES (1);"}
SECOND = {"0002_more.sql": "INSERT INTO orders SELECT id + 1 FROM orders;"}


async def count(pool: Pool) -> int:
    async with acquire(pool) as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM orders")
        return found


async def test_each_is_applied_once_and_later_ones_when_they_come(
    empty_database: Database, pool: Pool, make_package: MakePackage
) -> None:
    owner = empty_database.owner
    package = make_package(FIRST)
    assert await migrate(owner.url, owner.password, package) == ["0001_orders.sql"]
    assert await migrate(owner.url, owner.password, package) == []
    package = make_package(FIRST | SECOND)
    assert await migrate(owner.url, owner.password, package) == ["0002_more.sql"]
    assert await count(pool) == 2


async def test_several_processes_at_once_apply_each_once(
    empty_database: Database, pool: Pool, make_package: MakePackage
) -> None:
    owner = empty_database.owner
    package = make_package(FIRST | SECOND)
    names = await asyncio.gather(*(migrate(owner.url, owner.password, package) for _ in range(3)))
    assert sorted(names) == [[], [], ["0001_orders.sql", "0002_more.sql"]]
    assert await count(pool) == 2


async def test_one_that_fails_leaves_nothing_of_itself_and_what_came_before(
    empty_database: Database, pool: Pool, make_package: MakePackage
) -> None:
    owner = empty_database.owner
    broken = {"0002_more.sql": "INSERT INTO orders VALUES (2); INSERT INTO nowhere VALUES (3);"}
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(owner.url, owner.password, make_package(FIRST | broken))
    assert await count(pool) == 1
    assert await migrate(owner.url, owner.password, make_package(FIRST | SECOND)) == ["0002_more.sql"]


async def test_one_that_was_changed_afterwards_is_refused(
    empty_database: Database, make_package: MakePackage
) -> None:
    owner = empty_database.owner
    await migrate(owner.url, owner.password, make_package(FIRST))
    changed = {"0001_orders.sql": "CREATE TABLE orders (id bigint);"}
    with pytest.raises(Conflict, match=r"0001_orders\.sql was changed"):
        await migrate(owner.url, owner.password, make_package(changed))


async def test_older_code_starts_on_a_newer_database(
    empty_database: Database, make_package: MakePackage
) -> None:
    owner = empty_database.owner
    await migrate(owner.url, owner.password, make_package(FIRST | SECOND))
    assert await migrate(owner.url, owner.password, make_package(FIRST)) == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"1_orders.sql": ""}, "1_orders.sql: a migration is named like"),
        ({"0001_a.sql": "", "0003_b.sql": ""}, "without gaps"),
        ({"0001_a.sql": "", "0001_b.sql": ""}, "without gaps"),
    ],
)
def test_names_and_numbers_must_fit(make_package: MakePackage, files: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_migrations(make_package(files))


def test_other_files_in_the_folder_are_left_alone(make_package: MakePackage) -> None:
    package = make_package(FIRST | {"README.md": "words"})
    assert [migration.name for migration in read_migrations(package)] == ["0001_orders.sql"]
