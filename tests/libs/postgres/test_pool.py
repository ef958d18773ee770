"""Pool and transactions: every wait ends, and an absent database is Unavailable, whatever it says itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
import pytest

from hub_errors import Conflict, Unavailable
from hub_postgres import Pool, acquire, connect_pool, transaction
from hub_runtime import DatabaseSettings
from tests.support.servers import Database


@dataclass
class Table:
    """A table with one column in a database of its own."""

    pool: Pool

    async def insert(self, number: int) -> None:
        async with transaction(self.pool) as connection:
            await connection.execute("INSERT INTO numbers VALUES ($1)", number)

    async def numbers(self) -> list[int]:
        async with acquire(self.pool) as connection:
            return [row["number"] for row in await connection.fetch("SELECT number FROM numbers ORDER BY 1")]


@pytest.fixture
async def table(pool: Pool) -> Table:
    """Empty."""
    async with acquire(pool) as connection:
        await connection.execute("CREATE TABLE numbers (number integer PRIMARY KEY)")
    return Table(pool)


def unavailable() -> "pytest.RaisesExc[Unavailable]":
    return pytest.raises(Unavailable, check=lambda error: error.code == "database_unavailable")


async def test_a_transaction_commits_at_its_end(table: Table) -> None:
    await table.insert(1)
    assert await table.numbers() == [1]


async def test_a_transaction_leaves_nothing_behind_after_an_error_and_passes_it_on(table: Table) -> None:
    async def insert_and_refuse() -> None:
        async with transaction(table.pool) as connection:
            await connection.execute("INSERT INTO numbers VALUES (1)")
            raise Conflict("no", code="no")

    with pytest.raises(Conflict):
        await insert_and_refuse()
    assert await table.numbers() == []


async def test_a_cancelled_transaction_leaves_nothing_behind_and_its_connection_is_usable(
    table: Table,
) -> None:
    inside = asyncio.Event()

    async def job() -> None:
        async with transaction(table.pool) as connection:
            await connection.execute("INSERT INTO numbers VALUES (1)")
            inside.set()
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(job())
    await inside.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await asyncio.gather(*(table.insert(number) for number in range(1, 5)))
    assert await table.numbers() == [1, 2, 3, 4]


async def test_mistakes_in_a_statement_are_not_called_an_outage(table: Table) -> None:
    await table.insert(1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await table.insert(1)
    with pytest.raises(asyncpg.PostgresSyntaxError):
        async with acquire(table.pool) as connection:
            await connection.execute("SELEKT 1")
    with pytest.raises(asyncpg.InterfaceError):
        async with acquire(table.pool) as connection:
            await connection.fetch("SELECT $1::int", 1, 2)


async def test_connections_have_the_settings_of_a_service(pool: Pool) -> None:
    wanted = {
        "jit": "off",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "statement_timeout": "4s",
        "idle_in_transaction_session_timeout": "4s",
        "TimeZone": "UTC",
        "application_name": "tests",
    }
    for _ in range(2):  # the second time from the pool
        async with acquire(pool) as connection:
            rows = await connection.fetch(
                "SELECT name, current_setting(name) FROM unnest($1::text[]) name", [*wanted]
            )
            assert {row["name"]: row["current_setting"] for row in rows} == wanted


async def test_settings_are_enough_to_connect(empty_database: Database) -> None:
    login = empty_database.runtime
    settings = DatabaseSettings(
        database_url=login.url, database_password_file=login.password_file, database_pool_size=2
    )
    async with await connect_pool(settings, application_name="tests") as pool, acquire(pool) as connection:
        assert await connection.fetchval("SELECT current_user") == "hub_scratch"
        assert pool.get_max_size() == 2


async def test_a_pool_that_is_used_up_is_unavailable_after_the_deadline(empty_database: Database) -> None:
    async with await connect_pool(empty_database.dsn, size=1) as pool, acquire(pool):
        with unavailable():
            async with acquire(pool, deadline_s=0.05):
                pass


async def test_a_statement_that_takes_too_long_is_unavailable(pool: Pool) -> None:
    with unavailable():
        async with transaction(pool) as connection:
            await connection.execute("SET LOCAL statement_timeout = '20ms'")
            await connection.execute("SELECT pg_sleep(30)")


async def test_of_two_that_deadlock_one_is_told_to_try_again(table: Table) -> None:
    for number in (1, 2):
        await table.insert(number)
    both = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with transaction(table.pool) as connection:
            await connection.execute("SELECT 1 FROM numbers WHERE number = $1 FOR UPDATE", first)
            await both.wait()
            await connection.execute("SELECT 1 FROM numbers WHERE number = $1 FOR UPDATE", second)

    results = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Unavailable"]


async def test_a_database_that_is_not_there_is_unavailable_and_the_pool_can_be_made_before_it(
    free_port: Callable[[], int],
) -> None:
    async with await connect_pool(f"postgresql://hub@127.0.0.1:{free_port()}/hub", "x") as pool:
        with unavailable():
            async with acquire(pool):
                pass


async def test_too_many_connections_are_unavailable(empty_database: Database) -> None:
    superuser = await asyncpg.connect(empty_database.superuser.dsn)
    await superuser.execute(f"ALTER DATABASE {empty_database.name} CONNECTION LIMIT 0")
    await superuser.close()
    async with await connect_pool(empty_database.dsn) as pool:
        with unavailable():
            async with acquire(pool):
                pass


async def test_a_lost_connection_is_unavailable_and_the_next_one_is_new(
    table: Table, empty_database: Database
) -> None:
    superuser = await asyncpg.connect(empty_database.superuser.dsn)
    with unavailable():
        async with transaction(table.pool) as connection:
            process = await connection.fetchval("SELECT pg_backend_pid()")
            await superuser.execute("SELECT pg_terminate_backend($1)", process)
            await connection.execute("INSERT INTO numbers VALUES (1)")
    await superuser.close()
    await table.insert(2)
    assert await table.numbers() == [2]
