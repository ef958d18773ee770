"""NOTIFY wakes who waits, through lost connections too; silence lets the poll have its turn."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub_postgres import Pool, Wakeup, acquire, listen
from tests.support.servers import Database


@pytest.fixture
async def wakeup(empty_database: Database) -> AsyncIterator[Wakeup]:
    """Listening, and past the first call, which is free."""
    login = empty_database.runtime
    async with listen(login.url, login.password, "outbox") as made:
        await woken(made)
        yield made


async def woken(wakeup: Wakeup) -> None:
    async with asyncio.timeout(20):
        await wakeup.event.wait()
    await wakeup.wait()


async def notify(pool: Pool, channel: str) -> None:
    async with acquire(pool) as connection:
        await connection.execute("SELECT pg_notify($1, '')", channel)


async def test_a_notification_wakes_who_waits(wakeup: Wakeup, pool: Pool) -> None:
    waiting = asyncio.create_task(wakeup.wait(timeout_s=60))
    await notify(pool, "outbox")
    await asyncio.wait_for(waiting, 20)


async def test_a_notification_is_not_missed_by_who_is_busy(wakeup: Wakeup, pool: Pool) -> None:
    await notify(pool, "outbox")
    await asyncio.wait_for(wakeup.event.wait(), 20)
    await asyncio.wait_for(wakeup.wait(timeout_s=60), 20)
    assert not wakeup.event.is_set()


async def test_another_channel_wakes_nobody(wakeup: Wakeup, pool: Pool) -> None:
    await notify(pool, "another")
    await wakeup.wait(timeout_s=0.05)
    assert not wakeup.event.is_set()


async def test_a_lost_connection_is_made_again_and_counts_as_a_call(
    wakeup: Wakeup, pool: Pool, empty_database: Database
) -> None:
    superuser = await asyncpg.connect(empty_database.superuser.dsn)
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listen outbox'"
    )
    await superuser.close()
    await woken(wakeup)
    await notify(pool, "outbox")
    await woken(wakeup)
