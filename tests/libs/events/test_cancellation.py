"""A job that is cancelled ends, also while it connects."""

from __future__ import annotations

import asyncio

import pytest

from hub_events import OUTBOX_SQL, Amqp, Link, Publisher, Relay
from hub_postgres import Wakeup, connect_pool
from tests.support.jobs import eventually
from tests.support.servers import Database, Login


async def test_a_job_cancelled_at_any_point_of_connecting_ends(amqp_vhost: Login) -> None:
    for turns in range(0, 120, 4):
        amqp = Amqp(amqp_vhost.url, amqp_vhost.password)
        job = asyncio.create_task(Publisher(amqp, "test").run())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        job.cancel()
        _, running = await asyncio.wait({job}, timeout=10)
        assert not running, f"still running when cancelled after {turns} turns"


async def test_a_relay_cancelled_at_any_point_ends(amqp_vhost: Login, empty_database: Database) -> None:
    """It is always asking the broker for something: a cancelled question must not keep it."""
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as pool:
        await pool.execute(OUTBOX_SQL)
        for turns in range(0, 60, 3):
            amqp = Amqp(amqp_vhost.url, amqp_vhost.password)
            wakeup = Wakeup(owner.url, owner.password, "outbox")
            await ends(Relay(pool, wakeup, amqp, "test", look_s=0), amqp, turns)


async def ends(relay: Relay, amqp: Amqp, turns: int) -> None:
    job = asyncio.create_task(relay.run())
    await eventually(lambda: amqp.state() == "ok")
    for _ in range(turns):
        await asyncio.sleep(0.001)
    job.cancel()
    _, running = await asyncio.wait({job}, timeout=10)
    assert not running, f"still running when cancelled after {turns} turns"


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), ConnectionError(), RuntimeError()])
async def test_a_job_whose_connection_dies_starts_again_whatever_the_library_raises(
    amqp_vhost: Login, fault: BaseException
) -> None:
    again = asyncio.Event()
    faults = [fault]

    async def use(link: Link) -> None:
        if faults:
            raise faults.pop()
        again.set()
        await link.lost.wait()

    job = asyncio.create_task(Amqp(amqp_vhost.url, amqp_vhost.password).keep("test", use))
    async with asyncio.timeout(20):
        await again.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job


@pytest.mark.parametrize("fault", [None, ConnectionError()])
async def test_a_job_whose_cancellation_is_swallowed_ends(amqp_vhost: Login, fault: Exception | None) -> None:
    held = asyncio.Event()

    async def use(_: Link) -> None:
        held.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if fault is not None:
                raise fault from None

    job = asyncio.create_task(Amqp(amqp_vhost.url, amqp_vhost.password).keep("test", use))
    async with asyncio.timeout(20):
        await held.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(job, 10)
