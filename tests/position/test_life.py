"""Whatever is asked, executed and paid, in whatever order it arrives: the books balance after each step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hub_postgres import connect_pool
from tests.position.life import Books
from tests.position.world import World
from tests.support.servers import Database

STEPS = 20
FEW, MANY = 200, int(os.environ.get("EXAMPLES", "10000"))
Room = tuple[asyncio.Runner, World]


@pytest.fixture
def room(position_database: Database) -> Iterator[Room]:
    """A loop of its own: hypothesis is no coroutine."""
    login = position_database.runtime
    with asyncio.Runner() as runner:

        async def opened() -> World:
            return World(await connect_pool(login.url, login.password, size=2))

        world = runner.run(opened())
        try:
            yield runner, world
        finally:
            runner.run(world.pool.close())


def play(room: Room, examples: int, *, same: bool) -> None:
    runner, world = room
    machine = type("BooksIn", (Books,), {"runner": runner, "world": world})
    wanted = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=same,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=wanted)


@pytest.mark.timeout(600)
def test_whatever_happens_the_books_balance(room: Room) -> None:
    play(room, FEW, same=True)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_whatever_happens_for_long_the_books_balance(room: Room) -> None:
    play(room, MANY, same=False)
