"""One leader at a time, whatever happens to it: it ends, is killed, is paused, or loses the database."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from hub_postgres import Leadership, LeadershipLostError, Pool, leading
from tests.support.jobs import eventually
from tests.support.servers import Database
from tests.support.talking import Talking, talking

# Longer than a pause between beats, even when nothing is quick.
LONG_BEAT = timedelta(seconds=1)

TABLE = """
    CREATE TABLE leaderships (
        name text PRIMARY KEY, epoch bigint NOT NULL, backend integer NOT NULL, beat_at timestamptz NOT NULL)
"""


@pytest.fixture
async def place(empty_database: Database, pool: Pool) -> Database:
    await pool.execute(TABLE)
    return empty_database


class Candidates:
    """Programs that want to lead."""

    def __init__(self, place: Database, stack: AsyncExitStack) -> None:
        self._place = place
        self._stack = stack

    async def one(self) -> Talking:
        login = self._place.runtime
        program = talking("tests.libs.postgres.leader", login.url, "job", PASSWORD=login.password)
        return await self._stack.enter_async_context(program)


@pytest.fixture
async def candidates(place: Database) -> AsyncIterator[Candidates]:
    async with AsyncExitStack() as stack:
        yield Candidates(place, stack)


async def beat(pool: Pool) -> Any:
    return await pool.fetchrow("SELECT epoch, backend, beat_at FROM leaderships WHERE name = 'job'")


async def test_every_leader_draws_the_next_epoch(place: Database) -> None:
    login = place.runtime
    for epoch in (1, 2, 3):
        async with leading(login.url, login.password, "job") as leadership:
            assert (leadership.epoch, leadership.holds) == (epoch, True)
    async with leading(login.url, login.password, "another") as leadership:
        assert leadership.epoch == 1


async def test_a_leader_that_lives_says_so(place: Database, pool: Pool) -> None:
    login = place.runtime
    async with leading(login.url, login.password, "job") as leadership:
        first = await beat(pool)

        async def beats_on() -> bool:
            return bool((await beat(pool))["beat_at"] > first["beat_at"])

        await eventually(beats_on)
        assert leadership.holds


async def test_a_leader_ends_at_once_when_another_epoch_has_been_drawn(place: Database, pool: Pool) -> None:
    login = place.runtime
    async with leading(login.url, login.password, "job") as leadership:
        await pool.execute("UPDATE leaderships SET epoch = epoch + 1")
        async with asyncio.timeout(20):
            await leadership.lost.wait()
        with pytest.raises(LeadershipLostError):
            leadership.check()


async def test_a_leader_whose_session_is_ended_knows_it(place: Database) -> None:
    login = place.runtime
    async with leading(login.url, login.password, "job") as leadership:
        session = await asyncpg.connect(place.dsn)
        await session.execute("SELECT pg_terminate_backend(backend) FROM leaderships")
        await session.close()
        async with asyncio.timeout(20):
            await leadership.lost.wait()


async def test_without_a_confirmed_beat_a_leader_is_none_any_more() -> None:
    now = asyncio.get_running_loop().time()
    assert Leadership("job", 1, confirmed_at=now).holds
    late = Leadership("job", 1, confirmed_at=now - 4)
    assert not late.holds
    with pytest.raises(LeadershipLostError):
        late.check()
    assert late.lost.is_set()


async def test_a_standby_waits_and_ends_nobody_who_lives(candidates: Candidates, pool: Pool) -> None:
    first, second = await candidates.one(), await candidates.one()
    await eventually(lambda: any(line.startswith("leads") for line in first.said + second.said))
    started = await beat(pool)

    async def some_beats_later() -> bool:
        return bool((await beat(pool))["beat_at"] - started["beat_at"] > 4 * (LONG_BEAT))

    await eventually(some_beats_later)
    assert (await beat(pool))["backend"] == started["backend"]
    assert sum(line.startswith("leads") for line in first.said + second.said) == 1


async def test_a_standby_takes_over_from_a_leader_that_is_killed(candidates: Candidates) -> None:
    first = await candidates.one()
    await first.says("leads 1")
    second = await candidates.one()
    await second.says("waits")
    killed_at = time.monotonic()
    await first.kill()
    await second.says("leads 2")
    sys.stdout.write(f"\ntook over from a killed leader after {time.monotonic() - killed_at:.2f} s\n")


async def test_a_standby_takes_over_from_a_leader_that_is_paused_and_that_one_does_nothing_any_more(
    candidates: Candidates,
) -> None:
    first = await candidates.one()
    await first.says("acts 1")
    second = await candidates.one()
    await second.says("waits")
    paused_at = time.monotonic()
    await first.pause()
    await second.says("leads 2")
    sys.stdout.write(f"\ntook over from a paused leader after {time.monotonic() - paused_at:.2f} s\n")
    before = first.said.count("acts 1")
    first.go_on()
    await first.says("ended 1")
    # The one that it had begun when it was paused.
    assert first.said.count("acts 1") - before <= 1
    await second.kill()
    await first.says("leads 3")
