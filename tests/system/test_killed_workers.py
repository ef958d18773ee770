"""Twenty thousand orders of five hundred accounts, while the position process dies again and again."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack
from tests.load.client import Client, connected
from tests.load.platform import LIMITS
from tests.load.traders import Trader, orders_of, register, stock_up
from tests.support.jobs import running
from tests.system.books import balanced
from tests.system.places import database

ACCOUNTS, ORDERS, AT_ONCE = 500, 20_000, 48
LONGEST_LIFE_S = 6.0
UNSURE = frozenset({429, 503, 504})


@pytest.fixture
async def stack(folder_for_servers: Path) -> AsyncIterator[Stack]:
    """One of its own, where nobody is refused for their pace."""
    made = Stack(
        state=folder_for_servers / "killed", ports=Ports.probe(tuple(SERVICES)), overrides={**LIMITS}
    )
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def kill_again_and_again(stack: Stack, deaths: list[int]) -> None:
    chance = random.Random(1)
    while True:
        await asyncio.sleep(chance.uniform(2.0, LONGEST_LIFE_S))
        stack.children["position"].deaths = 0  # it dies on purpose: no back-off
        pid = stack.kill("position")
        deaths.append(pid)
        await stack.wait_replaced("position", pid)


async def send_all(client: Client, traders: Sequence[Trader]) -> int:
    """Each order by its own key, again until somebody knows its answer; how many were accepted."""
    numbers, accepted = iter(range(ORDERS)), 0

    async def sender() -> None:
        nonlocal accepted
        for number in numbers:
            await _send(client, orders_of(traders, number, "killed"))
            accepted += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(sender())
    return accepted


async def _send(client: Client, order: bytes) -> None:
    async with asyncio.timeout(120):
        while True:
            with suppress(OSError, TimeoutError):
                answer = await client.send(order)
                if answer.status not in UNSURE:
                    assert answer.status == 202, answer.body
                    return
            await asyncio.sleep(0.2)


async def says(stack: Stack, *command: str) -> tuple[int | None, str]:
    """What a command of the order service says, and how it ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        env=stack.environment("order"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_the_books_agree_whenever_position_dies(stack: Stack) -> None:
    deaths: list[int] = []
    async with connected(stack.ports.http) as client:
        traders = await register(client, ACCOUNTS)
        bought = await stock_up(client, traders)
        async with running(kill_again_and_again(stack, deaths)):
            accepted = await send_all(client, traders)
    await stack.wait_ready()
    assert len(deaths) > 3
    assert accepted == ORDERS
    order, position = database(stack, "order"), database(stack, "position")
    assert await balanced(order, position, timeout_s=150) == []
    ended, said = await says(stack, "hub_order", "reconcile", "--all")
    assert ended == 0, said
    for family in ("orders", "positions"):
        ended, letters = await says(stack, "hub_events", "dlq", "show", "--all", "--family", family)
        assert (ended, json.loads(letters)) == (0, [])
    print(f"{len(deaths)} deaths, {accepted + bought} orders\n{said}")  # noqa: T201 - for who reads it
