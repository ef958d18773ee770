import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from hub_postgres import DatabaseProbe, connect_pool, migrate
from tests.support.servers import Database


@asynccontextmanager
async def probing(dsn: str, package: str | None = None) -> AsyncIterator[DatabaseProbe]:
    async with await connect_pool(dsn) as pool:
        probe = DatabaseProbe(pool, package=package, interval_s=0.01)
        assert probe.state() == "not asked yet"
        job = asyncio.create_task(probe.run())
        yield probe
        job.cancel()
        await asyncio.wait({job})


async def until(probe: DatabaseProbe, state: str) -> None:
    async with asyncio.timeout(10):
        while probe.state() != state:  # noqa: ASYNC110 - a probe has no event
            await asyncio.sleep(0.01)


async def test_the_probe_says_whether_the_database_answers(
    empty_database: Database, free_port: Callable[[], int]
) -> None:
    async with probing(empty_database.dsn) as probe:
        await until(probe, "ok")
    async with probing(f"postgresql://hub@127.0.0.1:{free_port()}/hub") as probe:
        await until(probe, "database_unavailable")


async def test_a_database_that_was_not_migrated_is_not_ready_until_it_is(empty_database: Database) -> None:
    async with probing(empty_database.dsn, "hub_auth") as probe:
        await until(probe, "schema is behind: 0001_auth.sql has not been applied")
        assert probe.schema() == probe.state()
        owner = empty_database.owner
        await migrate(owner.url, owner.password, "hub_auth")
        await until(probe, "ok")


async def test_a_schema_that_was_seen_stays_seen_while_the_database_is_away(
    empty_database: Database,
) -> None:
    owner = empty_database.owner
    await migrate(owner.url, owner.password, "hub_auth")
    async with probing(empty_database.dsn, "hub_auth") as probe:
        assert probe.schema() == "not asked yet"
        await until(probe, "ok")
        connection = await asyncpg.connect(empty_database.superuser.dsn)
        await connection.execute(f"ALTER DATABASE {empty_database.name} CONNECTION LIMIT 0")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = $2",
            *(empty_database.name, "hub_scratch"),
        )
        await connection.close()
        await until(probe, "database_unavailable")
        assert probe.schema() == "ok"


async def test_a_schema_that_is_ahead_of_the_code_is_fine(empty_database: Database) -> None:
    owner = empty_database.owner
    await migrate(owner.url, owner.password, "hub_auth")
    connection = await asyncpg.connect(owner.dsn)
    await connection.execute("INSERT INTO schema_migrations VALUES (9999, 'tomorrow.sql', 'x')")
    await connection.close()
    async with probing(empty_database.dsn, "hub_auth") as probe:
        await until(probe, "ok")
