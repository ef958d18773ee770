"""Whatever happens to orders, in whatever order: they end as their records say, and the books balance."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.adversity.machine import Adversary, Room
from tests.adversity.platform import Databases, pools
from tests.support.tokens import Signer

STEPS = 25
FEW, MANY = 200, int(os.environ.get("EXAMPLES", "10000"))


@pytest.fixture
def room(databases: Databases) -> Iterator[Room]:
    """A loop of its own: hypothesis is no coroutine."""
    with asyncio.Runner() as runner:
        opened = pools(databases)
        order_pool, position_pool = runner.run(opened.__aenter__())
        try:
            yield Room(runner, order_pool, position_pool, Signer())
        finally:
            runner.run(opened.__aexit__(None, None, None))


def play(room: Room, examples: int, *, same: bool) -> None:
    machine = type("AdversaryIn", (Adversary,), {"room": room})
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


@pytest.mark.timeout(900)
def test_whatever_happens_orders_and_books_agree(room: Room) -> None:
    play(room, FEW, same=True)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_whatever_happens_for_long_orders_and_books_agree(room: Room) -> None:
    play(room, MANY, same=False)
