"""Leadership: one holder at a time, handed over when it ends, known to be lost when its session fails."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub_postgres import holding_lock
from tests.support.servers import Database


@pytest.fixture
async def superuser(empty_database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Looks from outside."""
    connection = await asyncpg.connect(empty_database.superuser.dsn)
    yield connection
    await connection.close()


async def sessions(superuser: "asyncpg.Connection[asyncpg.Record]", key: str, number: int) -> list[int]:
    """Waits until that many sessions hold or want the lock."""
    async with asyncio.timeout(20):
        while True:
            rows = await superuser.fetch(
                "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY backend_start",
                f"lock {key}",
            )
            if len(rows) == number:
                return [row["pid"] for row in rows]
            await asyncio.sleep(0.02)


async def test_the_second_waits_until_the_first_is_done(
    empty_database: Database, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    login = empty_database.runtime
    order: list[str] = []

    async def second() -> None:
        async with holding_lock(login.url, login.password, "relay"):
            order.append("second has it")

    async with asyncio.TaskGroup() as group, holding_lock(login.url, login.password, "relay") as lock:
        group.create_task(second())
        await sessions(superuser, "relay", 2)
        order.append("first has it")
        assert not lock.lost.is_set()
    assert order == ["first has it", "second has it"]


async def test_different_keys_do_not_meet(empty_database: Database) -> None:
    login = empty_database.runtime
    async with (
        asyncio.timeout(10),
        holding_lock(login.url, login.password, "relay"),
        holding_lock(login.url, login.password, "trigger"),
    ):
        pass


async def test_a_holder_whose_session_fails_is_told_and_another_takes_over(
    empty_database: Database, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    login = empty_database.runtime
    async with asyncio.timeout(20), holding_lock(login.url, login.password, "relay") as lock:
        (process,) = await sessions(superuser, "relay", 1)
        await superuser.execute("SELECT pg_terminate_backend($1)", process)
        await lock.lost.wait()
        async with holding_lock(login.url, login.password, "relay") as next_lock:
            assert not next_lock.lost.is_set()


async def test_who_waits_goes_on_waiting_through_an_outage(
    empty_database: Database, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    login = empty_database.runtime
    reached = asyncio.Event()

    async def wait() -> None:
        async with holding_lock(login.url, login.password, "relay"):
            reached.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        async with holding_lock(login.url, login.password, "relay"):
            group.create_task(wait())
            _, waiting = await sessions(superuser, "relay", 2)
            await superuser.execute("SELECT pg_terminate_backend($1)", waiting)
        await reached.wait()


async def test_who_gives_up_waiting_leaves_no_session_behind(
    empty_database: Database, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    login = empty_database.runtime

    async def wait() -> None:
        async with holding_lock(login.url, login.password, "relay"):
            pass

    async with holding_lock(login.url, login.password, "relay"):
        waiting = asyncio.create_task(wait())
        await sessions(superuser, "relay", 2)
        waiting.cancel()
        await asyncio.wait({waiting})
        await sessions(superuser, "relay", 1)
    await sessions(superuser, "relay", 0)


async def test_a_wrong_password_is_an_error_and_not_a_reason_to_wait(empty_database: Database) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with holding_lock(empty_database.runtime.url, "wrong", "relay"):
            pass


async def test_an_error_inside_comes_out_as_itself(empty_database: Database) -> None:
    login = empty_database.runtime
    with pytest.raises(ValueError, match="mine"):
        async with holding_lock(login.url, login.password, "relay"):
            raise ValueError("mine")


async def test_a_holder_that_says_nothing_for_too_long_does_not_hold_and_one_that_lives_does(
    empty_database: Database,
) -> None:
    login = empty_database.runtime
    async with asyncio.timeout(20), holding_lock(login.url, login.password, "feed", stale_s=3.0) as lock:
        answers = [lock.holds]
        lock.confirmed_at -= 3.0  # as after a pause
        answers.append(lock.holds)
        assert not lock.lost.is_set(), "its session is there still"
        async with asyncio.timeout(10):
            while not lock.holds:  # noqa: ASYNC110 - a probe is answered
                await asyncio.sleep(0.02)
        lock.lost.set()
        answers.append(lock.holds)
    assert answers == [True, False, False]
